// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// work is an algorithm with what is done.
type work struct{ alg, op string }

func (w work) String() string {
	if w.op == "encrypt" || w.op == "decrypt" {
		return w.alg + "-" + w.op
	}
	return w.alg
}

// in is a case's arguments of `vcrypto bench`, by which its result is found; see
// repeatMark.
type in string

var (
	works = []work{
		{"aes-cbc", "encrypt"}, {"aes-cbc", "decrypt"}, {"aes-ctr", "encrypt"}, {"aes-xts", "encrypt"},
		{"aes-gcm", "encrypt"}, {"hmac-sha256", "mac"}, {"sha256", "hash"},
	}
	rsaSign = work{"rsa-pkcs1", "sign"}

	engines = []string{"gocrypto", "openssl", "ipsecmb"}

	sizes  = []int{16, 64, 256, 1024, 4096, 16384, 65536}
	depths = []int{1, 4, 16, 64, 256} // of the first of works
	fewer  = []int{1, 16, 256}        // of the others

	targetSizes  = []int{64, 256, 1024, 2048, 4096, 16384}
	engineSizes  = []int{64, 1024, 16384}
	scalingSizes = []int{64, 1024, 4096}
	waySizes     = []int{64, 1024, 4096}
	wayDepths    = []int{1, 16, 256}
	besides      = []string{"none", "rsa", "rsa-queue", "big-queue"}
	rsaDepths    = []int{1, 4, 16, 64}
)

const (
	fullDepth    = 256
	scalingDepth = 1024 // requests in a ring
	memoryQueues = 8
	memorySize   = 65536
)

// depthsOf are the numbers of requests in flight that are measured.
func depthsOf(w work) []int {
	if w == works[0] {
		return depths
	}
	return fewer
}

// has reports whether an engine has the algorithm by itself.
func has(engine string, w work) bool {
	return engine != "ipsecmb" || w.alg != "aes-xts" && w != rsaSign
}

// table is a case of the big table: many of them, each short.
func table(engine string, w work, size, depth int) in {
	return device(engine, w, size, depth, "--rounds", "11", "--time", "3ms")
}

func device(engine string, w work, size, depth int, more ...string) in {
	args := []string{"device", "--engine", engine, "--alg", w.alg, "--op", w.op, "--size", strconv.Itoa(size), "--depth", strconv.Itoa(depth)}
	return in(strings.Join(append(args, more...), " "))
}

// target is a case that the project has a target for, the nth time: it is
// measured repeats times, not in a row.
func target(w work, size, n int) in {
	return device("ipsecmb", w, size, fullDepth).again(n)
}

// again is the case the nth time.
func (c in) again(n int) in { return c + in(fmt.Sprintf("%s%d", repeatMark, n)) }

// repeats is how often cases with a target of a ratio are measured, thrice how
// often others are of which a single run may mislead.
const (
	repeats = 5
	thrice  = 3
)

// repeatMark stands between a case's arguments and what tells it from others
// with the same.
const repeatMark = " #"

func raw(engine string, w work, size int) in {
	return in(fmt.Sprintf("engine --engine %s --alg %s --op %s --size %d --depth %d", engine, w.alg, w.op, size, fullDepth))
}

func polled(engine string) in { return device(engine, works[0], 64, 1) }

func asleep(engine string, depth int) in { return device(engine, works[0], 64, depth, "--asleep") }

// way is a transport and a kind of ring.
type way struct {
	transport string
	packed    bool
}

var ways = []way{{"vhost-user", false}, {"vhost-user", true}, {"vfio-user", false}, {"vfio-user", true}}

func (w way) String() string {
	if w.packed {
		return w.transport + ", packed"
	}
	return w.transport + ", split"
}

func (w way) flags() []string {
	var flags []string
	if w.transport != "vhost-user" {
		flags = append(flags, "--transport", w.transport)
	}
	if w.packed {
		flags = append(flags, "--packed")
	}
	return flags
}

// wayPolled and wayAsleep are cases over each way.
func wayPolled(w way, op string, size int) in {
	return device("ipsecmb", work{"aes-cbc", op}, size, fullDepth, append(w.flags(), "--rounds", "21")...)
}

func wayAsleep(w way, depth int) in {
	return device("ipsecmb", works[0], 64, depth, append(w.flags(), "--asleep")...)
}

// beside is the latency of small requests with something in their way.
func beside(load string) in { return in("device --engine auto --beside " + load) }

func scaling(size int) in {
	return device("ipsecmb", works[0], size, scalingDepth, "--prefilled", "--queues", "2", "--rounds", "31")
}

// memory is what private memory is measured after: all queues busy with
// requests that must be gathered.
func memory() in {
	return device("auto", works[0], memorySize, 64, "--asleep", "--unpinned", "--queues", strconv.Itoa(memoryQueues), "--pieces", "4", "--rounds", "5")
}

// rsa is asleep: who polls takes a CPU from what signs.
func rsa(engine string, depth int) in {
	return device(engine, rsaSign, 32, depth, "--asleep", "--unpinned", "--rounds", "5", "--time", "20ms")
}

// cases are all, the most important first.
func cases() (all []in) {
	for n := range repeats {
		for _, w := range works[:2] {
			for _, size := range targetSizes {
				all = append(all, target(w, size, n))
			}
		}
	}
	for n := range thrice {
		for _, e := range engines {
			all = append(all, polled(e).again(n))
		}
		for _, size := range scalingSizes {
			all = append(all, scaling(size).again(n))
		}
	}
	for _, e := range engines {
		for _, depth := range wayDepths {
			if e != "ipsecmb" { // it is among the ways
				all = append(all, asleep(e, depth))
			}
		}
	}
	for _, w := range ways {
		for _, depth := range wayDepths {
			all = append(all, wayAsleep(w, depth))
		}
		for _, work := range works[:2] {
			for _, size := range waySizes {
				all = append(all, wayPolled(w, work.op, size))
			}
		}
	}
	for _, load := range besides {
		all = append(all, beside(load))
	}
	all = append(all, memory())
	for _, w := range works {
		if has("ipsecmb", w) {
			for _, size := range engineSizes {
				all = append(all, raw("ipsecmb", w, size))
			}
		}
	}
	for _, e := range engines {
		if has(e, rsaSign) {
			for _, depth := range rsaDepths {
				all = append(all, rsa(e, depth))
			}
		}
	}
	// What the plots show comes before the rest of the table.
	for _, first := range []bool{true, false} {
		for _, w := range works {
			for _, size := range sizes {
				for _, depth := range depthsOf(w) {
					if (depth == fullDepth || w == works[0]) != first {
						continue
					}
					for _, e := range engines {
						if has(e, w) {
							all = append(all, table(e, w, size, depth))
						}
					}
				}
			}
		}
	}
	return all
}

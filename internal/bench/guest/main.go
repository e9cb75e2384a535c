// SPDX-License-Identifier: Apache-2.0

// Guest measures what a program in a guest gets from its cryptodev nodes, side
// by side in one VM: our device with our driver, the classic way, and a node
// without a driver. It prints what it found as JSON, which
// internal/bench/report/guest draws.
//
// The classic way is a device of QEMU's own (virtio-crypto-pci on the builtin
// back-end). If the sources of cryptodev-linux are named it has the kernel's
// driver and that module on it; if not, ours.
//
// With -programs it is cryptodev-linux's own programs that measure, unchanged,
// on our node and on the classic one.
//
// Nodes take turns, several times: what else the machine does meets all of
// them, and the best of the rounds counts.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// Report is what is printed.
type Report struct {
	CPU, QEMU, Kernel, Accelerator string
	GuestCPUs                      int
	Engine                         string
	Depth                          int     // asynchronous requests in flight
	CPUs                           int     // of the host
	Load                           float64 // the highest load average of a minute that was seen
	Nodes                          []Node
	Results                        []Result
}

// Node is one of those that were measured.
type Node struct {
	Name  string // ours, classic, builtin or cuse
	About string
}

// Result is the best of a node's rounds.
type Result struct {
	Node      string
	Algorithm string  `json:"algorithm"`
	Driver    string  `json:"driver"`
	Async     bool    `json:"async"`
	Size      int     `json:"size"`             // bytes of a chunk
	BytesPerS float64 `json:"bytes_per_second"` // of the round that was best
}

func main() {
	var o options
	flag.StringVar(&o.vcrypto, "vcrypto", "bin/vcrypto", "the program")
	flag.StringVar(&o.driver, "driver", "bin/virtio_cryptodev.ko", "our driver")
	flag.StringVar(&o.classic, "cryptodev-linux", "", "the sources of cryptodev-linux, to measure it too")
	flag.StringVar(&o.engine, "engine", "auto", "what our device works with")
	flag.IntVar(&o.rounds, "rounds", 4, "how often everything is measured")
	flag.IntVar(&o.depth, "depth", 64, "asynchronous requests in flight")
	flag.DurationVar(&o.time, "time", 300*time.Millisecond, "how long each")
	// One CPU for the program, one for what answers it in the guest.
	flag.IntVar(&o.cpus, "cpus", 2, "the guest's CPUs")
	flag.StringVar(&o.append, "append", "", "added to the command line of the guest's kernel")
	flag.StringVar(&o.programs, "programs", "", "measure with these programs of cryptodev-linux (such as speed,async_speed) instead, and print a table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var r *Report
	var err error
	if o.programs != "" {
		err = sideBySide(ctx, o)
	} else if r, err = measure(ctx, o); err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

// sizes are the chunks, in bytes.
var sizes = []int{256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}

// moreSizes are those of algorithms that are in a table only.
var moreSizes = []int{512, 4096, 65536}

// more are algorithms that our node is measured with besides.
var more = []string{"aes-ctr", "aes-xts", "aes-gcm", "sha256", "hmac-sha256", "null"}

// best keeps the best of each.
type best map[Result]float64

func (b best) add(r Result) {
	speed := r.BytesPerS
	r.BytesPerS = 0
	b[r] = max(b[r], speed)
}

func measure(ctx context.Context, o options) (*Report, error) {
	g, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer g.close()
	report := g.report
	all := make(best)
	for round := range o.rounds {
		for _, async := range []bool{false, true} {
			for _, n := range g.nodes {
				if err := g.speed(ctx, n, []string{"aes-cbc"}, async, sizes, all); err != nil {
					return nil, err
				}
			}
		}
		for _, async := range []bool{false, true} {
			algs := more
			if async { // the API has no such calls for AEADs
				algs = slices.DeleteFunc(slices.Clone(more), func(a string) bool { return a == "aes-gcm" })
			}
			if err := g.speed(ctx, g.nodes[0], algs, async, moreSizes, all); err != nil {
				return nil, err
			}
		}
		report.Load = max(report.Load, loadAverage())
		fmt.Fprintf(os.Stderr, "round %d of %d, load average %.1f\n", round+1, o.rounds, report.Load)
	}
	for r, speed := range all {
		r.BytesPerS = speed
		report.Results = append(report.Results, r)
	}
	return &report, nil
}

// loadAverage is that of the last minute: how many threads wanted a CPU.
func loadAverage() float64 {
	var load float64
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(text), &load)
	}
	return load
}

// speed measures algorithms at all sizes once.
func (g *guest) speed(ctx context.Context, n node, algs []string, async bool, sizes []int, all best) error {
	var list []string
	for _, size := range sizes {
		list = append(list, fmt.Sprint(size))
	}
	args := []string{"speed", n.path, "--json", "--alg", strings.Join(algs, ","), "--size", strings.Join(list, ","),
		"--time", g.o.time.String(), "--depth", fmt.Sprint(g.o.depth)}
	if async {
		args = append(args, "--async")
	}
	out, err := g.vm.Command(ctx, "vcrypto", args...).Output()
	if err != nil {
		return fmt.Errorf("vcrypto %s: %w", strings.Join(args, " "), err)
	}
	for lines := json.NewDecoder(bytes.NewReader(out)); ; {
		r := Result{Node: n.Name}
		switch err := lines.Decode(&r); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("vcrypto %s printed %q: %w", strings.Join(args, " "), out, err)
		}
		all.add(r)
	}
}

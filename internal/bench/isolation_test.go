// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"testing"
	"time"

	"vcrypto/engine"
)

// attempts is how often what a busy machine may spoil is tried: once is enough
// to show that it can be. Where it cannot be, every attempt fails.
const attempts = 6

// How many times as long as p99 of the short work the long work beside it must
// take at least, in the median.
const (
	besideBig = 16 // a ring is a few batches
	besideRSA = 6  // a ring of RSA, one after the other, is one batch
)

// TestBigRequestsHoldNoSmallOnesBack: while one queue is full of 64 KiB, p99 of
// 64 B on another is a small part of what that queue's ring takes. Were the
// queues one after the other, it would be at least about half of that: a batch.
func TestBigRequestsHoldNoSmallOnesBack(t *testing.T) {
	small := Case{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Size: 64, Depth: 1}
	big := Case{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Size: 65536, Depth: 256}
	// The slowest engine, so that the ring takes long.
	b := start(t, DeviceCase{Case: small, Engine: "gocrypto", Queues: 2, Asleep: true, others: []Case{big}})
	const n = 200
	var told []string
	for range attempts {
		alone, err := b.loads[0].answers(n, always)
		if err != nil {
			t.Fatal(err)
		}
		enough, stop := b.loads[1].busy()
		beside, err := b.loads[0].answers(n, enough)
		ring, err2 := stop()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		told = append(told, fmt.Sprintf("64 B: p99 %v alone, %v beside 64 KiB, whose p50 is %v", alone.quantile(0.99), beside.quantile(0.99), ring.quantile(0.5)))
		if beside.quantile(0.99)*besideBig < ring.quantile(0.5) {
			t.Log(told)
			return
		}
	}
	t.Errorf("in none of %d attempts: %q", attempts, told)
}

// TestLongWorkHoldsNothingBack: AES does not wait for RSA, on its own queue or
// on another.
func TestLongWorkHoldsNothingBack(t *testing.T) {
	aes := Case{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Size: 64, Depth: 1}
	const bytes = 3072 / 8
	sign := Case{Algorithm: engine.RSAPKCS1, Op: engine.OpSign, KeySize: bytes, Size: 1, Depth: 64}
	for _, e := range available() {
		if e == "ipsecmb" {
			continue // it has no RSA
		}
		t.Run(e+"/same queue", func(t *testing.T) {
			b := start(t, DeviceCase{Case: aes, Engine: e, Asleep: true, mixed: &sign})
			l := b.loads[0]
			fast(t, func() (short, long time.Duration, err error) {
				h, err := l.answers(200, always)
				return h.quantile(0.99), l.latency[1].quantile(0.5), err
			})
		})
		t.Run(e+"/another queue", func(t *testing.T) {
			b := start(t, DeviceCase{Case: aes, Engine: e, Queues: 2, Asleep: true, others: []Case{sign}})
			fast(t, func() (short, long time.Duration, err error) {
				enough, stop := b.loads[1].busy()
				h, err := b.loads[0].answers(200, enough)
				signed, err2 := stop()
				if err == nil {
					err = err2
				}
				return h.quantile(0.99), signed.quantile(0.5), err
			})
		})
	}
}

// fast wants the short work to be much faster than the long work beside it, in
// one attempt at least.
func fast(t *testing.T, measure func() (short, long time.Duration, err error)) {
	var told []string
	for range attempts {
		short, long, err := measure()
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, fmt.Sprintf("AES: p99 %v beside RSA, whose p50 is %v", short, long))
		if short*besideRSA < long {
			t.Log(told)
			return
		}
	}
	t.Errorf("in none of %d attempts: %q", attempts, told)
}

// TestBeside: what is in the way of small requests is there while they are
// measured.
func TestBeside(t *testing.T) {
	for _, load := range Besides() {
		t.Run(load, func(t *testing.T) {
			r, err := Beside(t.Context(), program(t), "gocrypto", load, 20)
			if err != nil {
				t.Fatal(err)
			}
			if r.P50 <= 0 || r.P999 < r.P50 || (r.LongP50 > 0) != (load != BesideNothing) {
				t.Errorf("%+v", r)
			}
		})
	}
	if _, err := Beside(t.Context(), program(t), "gocrypto", "nonsense", 1); err == nil {
		t.Error("nonsense is measured")
	}
}

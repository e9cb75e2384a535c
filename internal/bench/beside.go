// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vcrypto/engine"
)

// What small requests can be measured beside.
const (
	BesideNothing  = "none"
	BesideRSA      = "rsa"       // signatures, on the same queue
	BesideRSAQueue = "rsa-queue" // signatures, on another queue
	BesideBigQueue = "big-queue" // requests of 64 KiB, on another queue
)

// Besides lists them.
func Besides() []string {
	return []string{BesideNothing, BesideRSA, BesideRSAQueue, BesideBigQueue}
}

// BesideRate is the latency of AES requests of 64 bytes, one in flight, and the
// median of those that were in their way. Both sides sleep.
type BesideRate struct {
	DeviceCase
	P50, P99, P999 time.Duration
	LongP50        time.Duration
}

// Beside measures n small requests of a device, beside a load.
func Beside(ctx context.Context, program, engineName, load string, n int) (out BesideRate, err error) {
	aes := Case{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Size: 64, Depth: 1}
	big := Case{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Size: 65536, Depth: 256}
	sign := Case{Algorithm: engine.RSAPKCS1, Op: engine.OpSign, Size: 1, Depth: 64}
	c := DeviceCase{Case: aes, Engine: engineName, Asleep: true}
	switch load {
	case BesideNothing:
	case BesideRSA:
		c.mixed = &sign
	case BesideRSAQueue:
		c.Queues, c.others = 2, []Case{sign}
	case BesideBigQueue:
		c.Queues, c.others = 2, []Case{big}
	default:
		return out, fmt.Errorf("beside %q: there are %s", load, strings.Join(Besides(), ", "))
	}
	b, err := openDevice(ctx, program, c)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.verify(); err != nil {
		return out, err
	}
	out.DeviceCase = b.DeviceCase
	l, enough := b.loads[0], always
	stop := func() (histogram, error) { return l.latency[1], nil }
	if b.Queues > 1 {
		enough, stop = b.loads[1].busy()
	}
	short, err := l.answers(uint64(n), enough)
	long, err2 := stop()
	if err := errors.Join(err, err2); err != nil {
		return out, err
	}
	out.P50, out.P99, out.P999 = short.quantile(0.5), short.quantile(0.99), short.quantile(0.999)
	out.LongP50 = long.quantile(0.5)
	return out, b.verify()
}

// answers measures the latency of n small requests, class 0 of a queue, or more,
// until enough says so.
func (l *load) answers(n uint64, enough func() bool) (histogram, error) {
	l.reset()
	if len(l.requests) == 1 {
		l.pause = pause
	}
	err := l.run(func() bool { return l.latency[0].total >= n && enough() })
	return l.latency[0], err
}

// pause is the time between small requests, so that they come at any time.
const pause = time.Millisecond

func always() bool { return true }

// rings is how often the queue beside must have turned over meanwhile, so that
// it was busy all the time.
const rings = 5

// busy keeps a queue at work until it is told to stop, which returns the
// latencies. It returns when the queue has answered every request once. From
// then on enough waits for it to do so some times more.
func (l *load) busy() (enough func() bool, stop func() (histogram, error)) {
	var end atomic.Bool
	var done atomic.Uint64
	var all sync.WaitGroup
	var err error
	l.reset()
	ring := uint64(len(l.requests))
	turned := make(chan struct{})
	all.Go(func() {
		begun := sync.OnceFunc(func() { close(turned) })
		defer begun()
		err = l.run(func() bool {
			if done.Store(l.done); l.done > ring {
				begun()
			}
			return end.Load()
		})
		done.Store(1 << 63) // nobody shall wait for more
	})
	<-turned
	enough = func() bool { return done.Load() >= (rings+1)*ring }
	return enough, func() (histogram, error) {
		end.Store(true)
		all.Wait()
		return l.latency[0], err
	}
}

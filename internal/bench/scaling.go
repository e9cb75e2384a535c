// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ScalingRate says what a request costs in CPU time when one queue works, and
// when all do at the same time.
type ScalingRate struct {
	DeviceCase

	// CPU time of the queues' threads, a request: medians; and the median of
	// the rounds' ratios of All to One.
	One, All time.Duration
	Ratio    float64

	// DaemonRatio is the same ratio for all threads of the daemon. It is lower:
	// what the Go runtime does when it wakes up is there once.
	DaemonRatio float64

	// RawRatio is the same ratio for the raw engine, in as many threads, each
	// on the CPU of its queue: what the machine itself takes.
	RawRatio float64
}

// settled is how long the daemon must have used no CPU to count as asleep.
const settled = 2 * time.Millisecond

// Scaling fills the rings of all queues while the daemon sleeps, wakes it, and
// sleeps until all is answered: nothing else runs on the CPUs that the queues
// have. Each round does so with every queue alone and with all together.
func Scaling(ctx context.Context, program string, c DeviceCase, r Rounds) (_ ScalingRate, err error) {
	c.Asleep = true
	c.Queues = max(c.Queues, 2)
	c.CPUs = allowedCPUs()
	if len(c.CPUs) < c.Queues {
		return ScalingRate{}, fmt.Errorf("%d queues need as many CPUs; here are %d", c.Queues, len(c.CPUs))
	}
	if r.Count == 0 {
		r.Count = scalingRounds
	}
	b, err := openDevice(ctx, program, c)
	if err != nil {
		return ScalingRate{}, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	raws, err := newRawThreads(b.Engine, b.Case, c.CPUs[:c.Queues])
	if err != nil {
		return ScalingRate{}, err
	}
	defer func() { err = errors.Join(err, raws.close()) }()
	if err := b.verify(); err != nil {
		return ScalingRate{}, err
	}
	for _, l := range b.loads {
		l.ring.DisableInterrupts()
	}
	var ones, alls, ratios, daemonRatios, rawRatios []float64
	for range r.Count {
		if err := ctx.Err(); err != nil {
			return ScalingRate{}, err
		}
		one, all, err := alone(len(b.loads), b.prefilled)
		if err != nil {
			return ScalingRate{}, err
		}
		ones, alls = append(ones, one.queues), append(alls, all.queues)
		ratios, daemonRatios = append(ratios, all.queues/one.queues), append(daemonRatios, all.daemon/one.daemon)
		if one, all, err = alone(len(b.loads), raws.run); err != nil {
			return ScalingRate{}, err
		}
		rawRatios = append(rawRatios, all.queues/one.queues)
	}
	out := ScalingRate{DeviceCase: b.DeviceCase, Ratio: median(ratios), DaemonRatio: median(daemonRatios), RawRatio: median(rawRatios)}
	out.One, out.All = time.Duration(median(ones)), time.Duration(median(alls))
	return out, b.verify()
}

// scalingRounds is how often Scaling measures if nothing else is said.
const scalingRounds = 101

// cost is CPU time in nanoseconds a request: of the queues' threads, and of the
// whole daemon.
type cost struct{ queues, daemon float64 }

// alone measures each of n queues by itself, and then all of them.
func alone(n int, measure func(queues []int) (cost, error)) (one, all cost, err error) {
	var queues []int
	for i := range n {
		queues = append(queues, i)
		c, err := measure([]int{i})
		if err != nil {
			return one, all, err
		}
		one.queues += c.queues / float64(n)
		one.daemon += c.daemon / float64(n)
	}
	all, err = measure(queues)
	return one, all, err
}

// prefilled has queues work off full rings, and returns what a request
// cost.
func (b *deviceBench) prefilled(queues []int) (cost, error) {
	requests := 0
	for _, i := range queues {
		l := b.loads[i]
		for _, s := range l.slots {
			if err := l.ring.AddSlot(s); err != nil {
				return cost{}, err
			}
		}
		requests += len(l.slots)
		l.ring.Publish()
	}
	before, err := b.settle()
	if err != nil {
		return cost{}, err
	}
	for _, i := range queues {
		b.loads[i].end.kick()
	}
	start := time.Now()
	for left := requests; left > 0; {
		time.Sleep(settled)
		for _, i := range queues {
			l := b.loads[i]
			n, err := l.ring.Reap(l.used)
			if err != nil {
				return cost{}, err
			}
			l.done += uint64(n)
			left -= n
		}
		if time.Since(start) > deviceSilence {
			return cost{}, fmt.Errorf("no answer for %v to %d requests", deviceSilence, left)
		}
	}
	after, err := b.settle()
	return cost{
		queues: (after.queues - before.queues) / float64(requests),
		daemon: (after.daemon - before.daemon) / float64(requests),
	}, err
}

// settle waits until the daemon sleeps and returns the CPU time it has used.
func (b *deviceBench) settle() (now cost, err error) {
	for last := (cost{-1, -1}); now != last; time.Sleep(settled) {
		last = now
		all, err := b.daemon.cpuTime()
		if err != nil {
			return now, err
		}
		queues, err := b.daemon.pinnedTime()
		if err != nil {
			return now, err
		}
		now = cost{float64(queues), float64(all)}
	}
	return now, nil
}

// rawThreads are raw engines, each with a CPU of its own.
type rawThreads struct {
	cpus    []int
	raws    []*rawRunner
	batches int
	depth   int
}

func newRawThreads(name string, c Case, cpus []int) (*rawThreads, error) {
	t := &rawThreads{cpus: cpus, depth: c.Depth}
	for range cpus {
		r, err := newRawRunner(name, c)
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t.raws = append(t.raws, r)
		if t.batches, err = batches(r.runs[0], defaultTime); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

// run returns the threads' CPU time a request.
func (t *rawThreads) run(which []int) (cost, error) {
	costs, errs := make([]time.Duration, len(which)), make([]error, len(which))
	var all sync.WaitGroup
	for k, i := range which {
		all.Go(func() {
			// Not given back: a pinned thread ends with its goroutine.
			if _, errs[k] = pin(t.cpus[i]); errs[k] != nil {
				return
			}
			t.raws[i].runs[0](t.batches) // its memory may be in another CPU's cache
			before := threadTime()
			_, errs[k] = t.raws[i].runs[0](t.batches)
			costs[k] = threadTime() - before
		})
	}
	all.Wait()
	var sum time.Duration
	for _, c := range costs {
		sum += c
	}
	each := float64(sum) / float64(len(which)*t.batches*t.depth)
	return cost{each, each}, errors.Join(errs...)
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

func (t *rawThreads) close() error {
	var errs []error
	for _, r := range t.raws {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ScalingRate says what a request costs in CPU time when one queue works, and
// when all do at the same time.
type ScalingRate struct {
	DeviceCase

	One, All time.Duration // CPU time of the daemon, a request: medians
	Ratio    float64       // of All to One: the median of the rounds' ratios

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
	var ones, alls, ratios, rawRatios []float64
	for range r.Count {
		if err := ctx.Err(); err != nil {
			return ScalingRate{}, err
		}
		one, all, err := alone(len(b.loads), func(queues []int) (float64, error) { return b.prefilled(queues) })
		if err != nil {
			return ScalingRate{}, err
		}
		ones, alls, ratios = append(ones, one), append(alls, all), append(ratios, all/one)
		if one, all, err = alone(len(b.loads), raws.run); err != nil {
			return ScalingRate{}, err
		}
		rawRatios = append(rawRatios, all/one)
	}
	out := ScalingRate{DeviceCase: b.DeviceCase, Ratio: median(ratios), RawRatio: median(rawRatios)}
	out.One, out.All = time.Duration(median(ones)), time.Duration(median(alls))
	return out, b.verify()
}

// scalingRounds is how often Scaling measures if nothing else is said.
const scalingRounds = 101

// alone measures each of n queues by itself, and then all of them.
func alone(n int, measure func(queues []int) (float64, error)) (one, all float64, err error) {
	var queues []int
	for i := range n {
		queues = append(queues, i)
		cost, err := measure([]int{i})
		if err != nil {
			return 0, 0, err
		}
		one += cost / float64(n)
	}
	all, err = measure(queues)
	return one, all, err
}

// prefilled has queues work off full rings, and returns the daemon's CPU time
// in nanoseconds a request.
func (b *deviceBench) prefilled(queues []int) (float64, error) {
	requests := 0
	for _, i := range queues {
		l := b.loads[i]
		for _, s := range l.slots {
			if err := l.ring.AddSlot(s); err != nil {
				return 0, err
			}
		}
		requests += len(l.slots)
		l.ring.Publish()
	}
	before, err := b.settle()
	if err != nil {
		return 0, err
	}
	for _, i := range queues {
		b.loads[i].events.Kick.Notify()
	}
	start := time.Now()
	for left := requests; left > 0; {
		time.Sleep(settled)
		for _, i := range queues {
			l := b.loads[i]
			n, err := l.ring.Reap(l.used)
			if err != nil {
				return 0, err
			}
			l.done += uint64(n)
			left -= n
		}
		if time.Since(start) > deviceSilence {
			return 0, fmt.Errorf("no answer for %v to %d requests", deviceSilence, left)
		}
	}
	after, err := b.settle()
	return float64(after-before) / float64(requests), err
}

// settle waits until the daemon sleeps and returns the CPU time it has used.
func (b *deviceBench) settle() (time.Duration, error) {
	last := time.Duration(-1)
	for {
		now, err := b.daemon.cpuTime()
		if err != nil || now == last {
			return now, err
		}
		last = now
		time.Sleep(settled)
	}
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

// run returns the threads' CPU time in nanoseconds a request.
func (t *rawThreads) run(which []int) (float64, error) {
	costs, errs := make([]time.Duration, len(which)), make([]error, len(which))
	var all sync.WaitGroup
	for k, i := range which {
		all.Go(func() {
			// Not given back: a pinned thread ends with its goroutine.
			if _, errs[k] = pin(t.cpus[i]); errs[k] != nil {
				return
			}
			runtime.LockOSThread()
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
	return float64(sum) / float64(len(which)*t.batches*t.depth), errors.Join(errs...)
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

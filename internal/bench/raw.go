// SPDX-License-Identifier: Apache-2.0

// Package bench measures engines and the device, always beside the raw engine
// in the same process and on the same memory: on a machine that others use too
// a rate says little, and the ratio of two that were measured in turns says
// much.
package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
	"vcrypto/internal/bench/rawmb"
)

// Rounds says how long to measure.
type Rounds struct {
	Count int           // 0 for 301
	Time  time.Duration // of each measurement in a round; 0 for 0.5 ms, less than a time slice
}

// Rate is the outcome.
type Rate struct {
	Case

	// Requests is requests a second through the engine, in the median round.
	// Raw is the same for the plain raw loop and Burst for the one in bursts
	// (see package rawmb), 0 if there is none for the case; NoRaw says why.
	// Ratio and BurstRatio are the medians of the rounds' ratios to them.
	Requests, Raw, Ratio float64
	Burst, BurstRatio    float64
	NoRaw                error
}

// GBps converts requests a second to 10^9 bytes a second.
func (r Rate) GBps(requests float64) float64 { return requests * float64(r.Size) / 1e9 }

const (
	defaultRounds = 301
	defaultTime   = 500 * time.Microsecond
)

// Engine measures a worker of e on the calling goroutine's thread: batches of
// Depth requests, each submitted, and reaped with Flush, before the next. Each
// round measures the raw baseline and the engine.
func Engine(ctx context.Context, e engine.Engine, c Case, r Rounds) (Rate, error) {
	if r.Count == 0 {
		r.Count = defaultRounds
	}
	if r.Time == 0 {
		r.Time = defaultTime
	}
	b, err := newEngineBench(e, c)
	if err != nil {
		return Rate{}, fmt.Errorf("bench %s, %s, %d bytes: %w", e.Name(), c.Algorithm, c.Size, err)
	}
	defer b.close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return b.measure(ctx, r)
}

// engineBench has all that a case needs.
type engineBench struct {
	Case
	memory   []byte
	sessions []engine.Session
	worker   engine.Worker
	requests []engine.Request
	batch    []*engine.Request
	done     []*engine.Request
	raw      *rawmb.Loop
	burst    *rawmb.Loop
	noRaw    error
}

func newEngineBench(e engine.Engine, c Case) (_ *engineBench, err error) {
	if c, err = c.complete(); err != nil {
		return nil, err
	}
	b := &engineBench{Case: c}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	// Two arrays, one after the other, as the raw loop has them too: so both
	// have the same pages, and the same share of the caches.
	n := c.Depth * c.Size
	b.memory, err = unix.Mmap(-1, 0, 2*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("mapping %d bytes: %w", 2*n, err)
	}
	src, dst := b.memory[:n:n], b.memory[n:]
	keys, err := c.newKeys()
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		s, err := e.NewSession(c.params(key))
		if err != nil {
			return nil, err
		}
		b.sessions = append(b.sessions, s)
	}
	if b.worker, err = e.NewWorker(engine.WorkerConfig{Depth: c.Depth, Wake: func() {}}); err != nil {
		return nil, err
	}
	b.requests = make([]engine.Request, c.Depth)
	b.done = make([]*engine.Request, c.Depth)
	for i := range b.requests {
		r := &b.requests[i]
		*r = engine.Request{
			Session: b.sessions[i%len(b.sessions)],
			Src:     src[i*c.Size : (i+1)*c.Size],
			Dst:     dst[i*c.Size : (i+1)*c.Size],
			IVLen:   uint8(c.Algorithm.IVSize()),
			TagLen:  uint8(c.tagSize()),
			Op:      c.Op,
		}
		if n := c.resultSize(); n != c.Size || c.Algorithm.Kind() == engine.Hash || c.Algorithm.Kind() == engine.MAC {
			r.Dst = make([]byte, n)
		}
		if err := c.fill(r.Src, keys[i%len(keys)]); err != nil {
			return nil, err
		}
		r.IV[0] = byte(i)
		b.batch = append(b.batch, r)
	}
	if c.Algorithm.Kind() == engine.AEAD && c.Direction == engine.Decrypt {
		if err := b.seal(e, keys); err != nil {
			return nil, err
		}
	}
	config := rawmb.Config{
		Algorithm: c.Algorithm, Direction: c.Direction, Depth: c.Depth, Size: c.Size,
		Src: src, Dst: dst, Keys: keys, TagSize: c.tagSize(),
	}
	if b.raw, b.noRaw = rawmb.New(config); b.noRaw != nil {
		return b, nil
	}
	config.Burst = true
	b.burst, err = rawmb.New(config)
	return b, err
}

// seal encrypts the sources of requests that decrypt, so that their tags are
// right.
func (b *engineBench) seal(e engine.Engine, keys [][]byte) error {
	for i, r := range b.batch {
		p := b.params(keys[i%len(keys)])
		p.Direction = engine.Encrypt
		s, err := e.NewSession(p)
		if err != nil {
			return err
		}
		defer s.Close()
		sealed := *r
		sealed.Session, sealed.Dst = s, r.Src
		b.worker.Submit([]*engine.Request{&sealed})
		b.worker.Reap(b.done, engine.Wait)
		if sealed.Status != engine.OK {
			return fmt.Errorf("making ciphertext: status %d", sealed.Status)
		}
		r.Tag = sealed.Tag
	}
	return nil
}

func (b *engineBench) close() {
	for _, l := range []*rawmb.Loop{b.raw, b.burst} {
		if l != nil {
			l.Close()
		}
	}
	if b.worker != nil {
		b.worker.Close()
	}
	for _, s := range b.sessions {
		s.Close()
	}
	if b.memory != nil {
		unix.Munmap(b.memory)
	}
}

// measure takes turns.
func (b *engineBench) measure(ctx context.Context, r Rounds) (Rate, error) {
	out := Rate{Case: b.Case, NoRaw: b.noRaw}
	runs := []func(int) (time.Duration, error){b.run}
	if b.raw != nil {
		runs = append(runs, b.raw.Run, b.burst.Run)
	}
	t, err := takeTurns(ctx, r, b.Depth, runs...)
	if err != nil {
		return out, err
	}
	out.Requests = t.rate(0)
	if b.raw != nil {
		out.Raw, out.Ratio = t.rate(1), t.ratio(0, 1)
		out.Burst, out.BurstRatio = t.rate(2), t.ratio(0, 2)
	}
	return out, nil
}

// turns are the rates of several runs, by run and by round.
type turns [][]float64

// takeTurns measures each of several runs of batches once a round.
func takeTurns(ctx context.Context, r Rounds, depth int, runs ...func(int) (time.Duration, error)) (turns, error) {
	t := make(turns, len(runs))
	n := make([]int, len(runs))
	for i, run := range runs {
		var err error
		if n[i], err = batches(run, r.Time); err != nil {
			return nil, err
		}
	}
	for range r.Count {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i, run := range runs {
			took, err := run(n[i])
			if err != nil {
				return nil, err
			}
			t[i] = append(t[i], float64(n[i]*depth)/took.Seconds())
		}
	}
	return t, nil
}

// rate is a run's median rate.
func (t turns) rate(i int) float64 { return median(slices.Clone(t[i])) }

// ratio is the median of the ratios of two runs in the same round.
func (t turns) ratio(i, j int) float64 {
	var all []float64
	for round, rate := range t[i] {
		all = append(all, rate/t[j][round])
	}
	return median(all)
}

// batches finds how many batches run takes about so long for. It also warms up.
func batches(run func(int) (time.Duration, error), want time.Duration) (int, error) {
	for n := 1; ; n *= 2 {
		took, err := run(n)
		if err != nil {
			return 0, err
		}
		if took >= want/4 {
			return max(1, int(float64(n)*want.Seconds()/took.Seconds())), nil
		}
	}
}

// run does n batches.
func (b *engineBench) run(n int) (time.Duration, error) {
	mode := engine.Flush
	if b.long() {
		mode = engine.Wait // such work is done elsewhere
	}
	start := time.Now()
	for range n {
		todo := b.batch
		for held := 0; len(todo) > 0 || held > 0; {
			k := b.worker.Submit(todo)
			todo = todo[k:]
			held += k
			held -= b.worker.Reap(b.done, mode)
		}
	}
	took := time.Since(start)
	want := engine.OK
	for _, r := range b.batch {
		if r.Status != want {
			return 0, fmt.Errorf("a request ended with status %d", r.Status)
		}
	}
	return took, nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

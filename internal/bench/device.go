// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"vcrypto/engine"
	"vcrypto/internal/bench/rawmb"
	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto/cryptodrv"
)

// DeviceCase is what is measured of the whole host path: a daemon in another
// process, reached through its socket, with shared memory and rings.
type DeviceCase struct {
	Case
	Engine string // of the daemon
	Queues int    // data queues, each with Depth requests in flight

	Transport string // VhostUser, which "" stands for, or VFIOUser
	Packed    bool   // packed virtqueues, not split ones

	// Pieces, if more than 1, is how many buffers source and destination of
	// each request are in, none beside another.
	Pieces int

	// Memory says what guest memory is of: [MemFD], [HugeTLB], or a file in
	// the directory of this name. "" stands for MemFD.
	Memory string

	// Asleep: daemon and driver sleep between requests, each woken by the
	// other. Otherwise both look at the ring all the time.
	Asleep bool

	// CPUs are those that the daemon's queues run on, and Here the one that
	// the driver's first queue and the raw engine run on. Two threads that
	// poll each other must not share one. Without CPUs the kernel decides.
	CPUs []int
	Here int

	// Spin, if not 0, is how long the daemon's queues look for work before they
	// sleep, instead of what Asleep makes it.
	Spin time.Duration

	// others are the cases of the queues after the first, if they are not all
	// alike. mixed, if not nil, is more requests for the first queue, whose
	// latencies are counted apart, in class 1.
	others []Case
	mixed  *Case

	// Profile, if not empty, is where the daemon writes a CPU profile. The raw
	// engine has no turns then, in which the daemon would only look for work.
	Profile string
}

// DeviceRate is the outcome.
type DeviceRate struct {
	DeviceCase

	// Requests is requests a second of all queues together; Raw is what the
	// raw engine does in one thread, in turns with the device; Ratio is the
	// median of the rounds' ratios. RawIs says what raw is. Burst and
	// BurstRatio are the same for the raw loop in bursts, if there is one.
	Requests, Raw, Ratio float64
	Burst, BurstRatio    float64
	RawIs                string

	P50, P99, P999    time.Duration // from being sent to being seen answered
	Kicks, Interrupts float64       // a request
	CPU               time.Duration // of the daemon, a request
	PrivateMemory     int64         // of the daemon, bytes
	Errors            uint64

	// PingPong is what an eventfd there and back takes between two processes,
	// measured in turns with the device: the median. Only if Asleep.
	PingPong time.Duration
}

// GBps converts requests a second to 10^9 bytes a second.
func (r DeviceRate) GBps(requests float64) float64 { return requests * float64(r.Size) / 1e9 }

const (
	// deviceSilence is how long an answer may take before the benchmark gives
	// the device up.
	deviceSilence = 30 * time.Second

	// verified is how many of the first and of the last requests of each
	// queue are compared with a second implementation; verifiedLong is for
	// operations that take long.
	verified     = 1000
	verifiedLong = 64

	// pingPongs is how many round trips each turn has.
	pingPongs = 100

	deviceRounds = 31
	deviceTime   = 10 * time.Millisecond

	// pollForever is a spin time of the daemon that no pause of a benchmark
	// outlasts by much.
	pollForever = "10s"

	guestBase = 1 << 32
	ringRoom  = 1 << 20 // bytes for ring, tables, headers of each queue
	perReq    = 1 << 10 // bytes for the small parts of each request
	perPiece  = 2 << 6  // bytes that a buffer more costs, its descriptor included
)

// Device measures a case. program is the vcrypto to run as the daemon.
func Device(ctx context.Context, program string, c DeviceCase, r Rounds) (_ DeviceRate, err error) {
	if r.Count == 0 {
		r.Count = deviceRounds
	}
	if r.Time == 0 {
		r.Time = deviceTime
	}
	b, err := openDevice(ctx, program, c)
	if err != nil {
		return DeviceRate{}, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.raw = &rawRunner{name: "not measured beside a profile", close: func() error { return nil }}
	if c.Profile == "" {
		if err := b.startRaw(program); err != nil {
			return DeviceRate{}, err
		}
	}
	return b.measure(ctx, r)
}

// openDevice starts a daemon and makes everything ready to load it.
func openDevice(ctx context.Context, program string, c DeviceCase) (_ *deviceBench, err error) {
	c.Queues = max(c.Queues, 1)
	b := &deviceBench{}
	if err = c.completeAll(); err == nil {
		b.DeviceCase = c
		err = b.open(ctx, program)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bench device, %s, %d bytes: %w", c.Algorithm, c.Size, err), b.close())
	}
	return b, nil
}

type deviceBench struct {
	DeviceCase
	daemon  *daemon
	link    link
	memory  *vhostuser.SharedMemory
	control *cryptodrv.Control
	loads   []*load
	raw     *rawRunner
	pong    *pingPong // if Asleep
}

// completeAll completes the cases of all queues.
func (c *DeviceCase) completeAll() (err error) {
	if c.Case, err = c.Case.complete(); err != nil {
		return err
	}
	for i := range c.others {
		if c.others[i], err = c.others[i].complete(); err != nil {
			return err
		}
	}
	if c.mixed != nil {
		mixed, err := c.mixed.complete()
		c.mixed = &mixed
		return err
	}
	return nil
}

// queueCases are the cases whose requests are on a queue, by class.
func (c *DeviceCase) queueCases(queue int) []Case {
	switch {
	case queue == 0 && c.mixed != nil:
		return []Case{c.Case, *c.mixed}
	case queue > 0 && queue <= len(c.others):
		return []Case{c.others[queue-1]}
	}
	return []Case{c.Case}
}

// open starts the daemon and lays out the rings and requests of all queues.
func (b *deviceBench) open(ctx context.Context, program string) (err error) {
	spin := pollForever
	if b.Asleep {
		spin = "0"
	}
	if b.Spin != 0 {
		spin = b.Spin.String()
	}
	args := []string{"--engine", b.Engine, "--queues", fmt.Sprint(b.Queues), "--spin", spin}
	if b.Transport != "" {
		args = append(args, "--transport", b.Transport)
	}
	features := uint64(virtio.FeatureVersion1 | virtio.FeatureIndirectDesc | virtio.FeatureEventIdx)
	if b.Packed {
		args = append(args, "--packed")
		features |= virtio.FeatureRingPacked
	}
	for _, cpu := range b.CPUs {
		args = append(args, "--cpus", fmt.Sprint(cpu))
	}
	if b.Profile != "" {
		args = append(args, "--cpu-profile", b.Profile)
	}
	b.daemon, err = startDaemon(ctx, program, args...)
	if err != nil {
		return err
	}
	if b.link, err = newLink(b.Transport, b.daemon.conn); err != nil {
		return err
	}
	size := (b.Queues + 1) * ringRoom
	for i := range b.Queues {
		for _, c := range b.queueCases(i) {
			size += c.Depth * (2*max(c.Size, c.KeySize) + perReq + 2*b.Pieces*perPiece)
		}
	}
	if b.memory, err = newMemory(b.Memory, size); err != nil {
		return err
	}
	if err := b.startQueues(features); err != nil {
		return err
	}
	for i, l := range b.loads {
		for class, c := range b.queueCases(i) {
			if err := b.add(l, c, class); err != nil {
				return err
			}
		}
		if !b.Asleep {
			l.ring.DisableInterrupts()
		}
	}
	return nil
}

// startQueues makes the rings of all queues, the control queue's last, and
// starts them.
func (b *deviceBench) startQueues(features uint64) error {
	var rings []virtqdrv.Ring
	for i := range b.Queues {
		depth := 0
		for _, c := range b.queueCases(i) {
			depth += c.Depth
		}
		l, err := newLoad(&b.memory.Memory, b.DeviceCase, depth)
		if err != nil {
			return err
		}
		b.loads = append(b.loads, l)
		rings = append(rings, l.ring)
	}
	control := &cryptodrv.Queue{Mem: &b.memory.Memory}
	ring, err := newRing(control.Mem, b.Packed, virtqdrv.Config{Size: 16, EventIdx: true})
	if err != nil {
		return err
	}
	control.Queue, _ = ring.(*virtqdrv.Queue)
	control.Packed, _ = ring.(*virtqdrv.Packed)
	ends, err := b.link.start(features, b.memory, append(rings, ring))
	if err != nil {
		return err
	}
	for i, l := range b.loads {
		l.end = ends[i]
	}
	end := ends[b.Queues]
	control.Kick = end.kick
	control.Wait = func() error {
		if !end.await(deviceSilence) {
			return fmt.Errorf("the control queue is silent for %v", deviceSilence)
		}
		return nil
	}
	b.control, err = cryptodrv.NewControl(control)
	return err
}

// newRing cuts a ring from memory.
func newRing(m *virtqdrv.Memory, packed bool, c virtqdrv.Config) (virtqdrv.Ring, error) {
	if packed {
		c.Base = virtqdrv.PackedBase
		return virtqdrv.NewPacked(m, c)
	}
	return virtqdrv.New(m, c)
}

// add gives a queue the requests of a case, whose latencies are counted in a
// class of their own.
func (b *deviceBench) add(l *load, c Case, class int) error {
	keys, err := c.newKeys()
	if err != nil {
		return err
	}
	var sessions []uint64
	for _, key := range keys {
		p, err := c.wire(key)
		if err != nil {
			return err
		}
		id, err := b.control.Create(p)
		if err != nil {
			return fmt.Errorf("opening a session: %w", err)
		}
		sessions = append(sessions, id)
	}
	second, err := newSecond(b.Engine, c, keys)
	if err != nil {
		return err
	}
	defer second.close()
	inputs, err := second.inputs(c.Depth)
	if err != nil {
		return err
	}
	return l.add(&b.memory.Memory, c, sessions, inputs, class)
}

// startRaw makes ready what the device is compared with.
func (b *deviceBench) startRaw(program string) (err error) {
	if b.raw, err = newRawRunner(b.Engine, b.Case); err != nil || !b.Asleep {
		return err
	}
	cpu := -1
	if len(b.CPUs) > 0 {
		cpu = b.CPUs[0]
	}
	b.pong, err = startPingPong(program, cpu)
	return err
}

func (b *deviceBench) close() error {
	var errs []error
	if b.raw != nil {
		errs = append(errs, b.raw.close())
	}
	if b.pong != nil {
		errs = append(errs, b.pong.close())
	}
	if b.link != nil {
		errs = append(errs, b.link.close())
	}
	if b.memory != nil {
		errs = append(errs, b.memory.Close())
	}
	if b.daemon != nil {
		errs = append(errs, b.daemon.close())
	}
	return errors.Join(errs...)
}

// measure takes turns: the device for a while, then the raw engine.
func (b *deviceBench) measure(ctx context.Context, r Rounds) (out DeviceRate, err error) {
	out = DeviceRate{DeviceCase: b.DeviceCase, RawIs: b.raw.name}
	if len(b.CPUs) > 0 && b.Queues == 1 {
		unpin, err := pin(b.Here)
		if err != nil {
			return out, err
		}
		defer unpin()
	}
	if err := b.verify(); err != nil {
		return out, err
	}
	for _, l := range b.loads {
		l.reset()
	}
	var cpu time.Duration
	var pong histogram
	device := func(n int) (took time.Duration, err error) {
		before, err := b.daemon.cpuTime()
		if err != nil {
			return 0, err
		}
		if took, err = b.round(n); err != nil {
			return 0, err
		}
		after, err := b.daemon.cpuTime()
		cpu += after - before
		if err == nil && b.pong != nil {
			err = b.pong.measure(&pong, pingPongs)
		}
		return took, err
	}
	t, err := takeTurns(ctx, r, b.Depth, append([]func(int) (time.Duration, error){device}, b.raw.runs...)...)
	if err != nil {
		return out, err
	}
	queues := float64(b.Queues) // each does as many batches
	out.Requests = queues * t.rate(0)
	if len(t) > 1 {
		out.Raw, out.Ratio = t.rate(1), queues*t.ratio(0, 1)
	}
	if len(t) > 2 {
		out.Burst, out.BurstRatio = t.rate(2), queues*t.ratio(0, 2)
	}
	b.summarize(&out, cpu)
	out.PingPong = pong.quantile(0.5)
	if out.PrivateMemory, err = b.daemon.privateMemory(); err != nil {
		return out, err
	}
	err = b.verify()
	for _, l := range b.loads {
		out.Errors += l.errors
	}
	return out, err
}

// verify compares the next answers of every queue with what they should be.
func (b *deviceBench) verify() error {
	n := verified
	if b.long() {
		n = verifiedLong
	}
	return b.each(func(l *load) error { return l.verify(n) })
}

// summarize adds up what the queues counted.
func (b *deviceBench) summarize(out *DeviceRate, cpu time.Duration) {
	var all histogram
	var done, kicks, interrupts uint64
	for _, l := range b.loads {
		all.merge(&l.latency[0])
		done += l.done
		kicks += l.kicks
		interrupts += l.interrupts
	}
	out.P50, out.P99, out.P999 = all.quantile(0.5), all.quantile(0.99), all.quantile(0.999)
	out.Kicks = float64(kicks) / float64(done)
	out.Interrupts = float64(interrupts) / float64(done)
	out.CPU = cpu / time.Duration(done)
}

// round has every queue do n batches.
func (b *deviceBench) round(n int) (time.Duration, error) {
	start := time.Now()
	err := b.each(func(l *load) error {
		goal := l.done + uint64(n*b.Depth)
		// What is in flight is answered after the goal was reached.
		return l.run(func() bool { return l.done+uint64(b.Depth) >= goal })
	})
	return time.Since(start), err
}

// each calls f for every queue, at the same time.
func (b *deviceBench) each(f func(*load) error) error {
	if len(b.loads) == 1 {
		return f(b.loads[0])
	}
	var all sync.WaitGroup
	errs := make([]error, len(b.loads))
	for i, l := range b.loads {
		all.Go(func() { errs[i] = f(l) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// rawRunner is the raw engine: the C loop where there is one for the engine,
// else the engine through its Go interface.
type rawRunner struct {
	name  string
	runs  []func(batches int) (time.Duration, error) // raw, and burst if there is one
	close func() error
}

// RawC is the name of the raw loop in C.
const RawC = "C loop over libipsec-mb"

// rawEngines are the engines whose library the C loop calls.
var rawEngines = []string{"ipsecmb"}

func newRawRunner(name string, c Case) (*rawRunner, error) {
	e, err := engine.Open(name, engine.Options{})
	if err != nil {
		return nil, err
	}
	b, err := newEngineBench(e, c)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	r := &rawRunner{name: "engine " + e.Name() + " through Go", close: func() error {
		b.close()
		return e.Close()
	}}
	r.runs = append(r.runs, b.run)
	if rawmb.Available && b.raw != nil && (slices.Contains(rawEngines, name) || name == engine.Auto) {
		r.name = RawC
		r.runs = append(r.runs[:0], b.raw.Run, b.burst.Run)
	}
	return r, nil
}

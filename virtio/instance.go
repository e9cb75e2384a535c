// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"vcrypto/virtio/mem"
)

// Errors of an Instance. Test with errors.Is.
var (
	ErrNoQueue    = errors.New("the device has no such queue")
	ErrRunning    = errors.New("the queue is running")
	ErrNotRunning = errors.New("the queue is not running")
	ErrFeatures   = errors.New("a feature was accepted that was not offered")
)

// DefaultPatience is the default of [Options.Patience]: longer than what an
// honest guest has in flight takes, and short enough for a device to end in
// order before who asked it to kills it.
const DefaultPatience = 20 * time.Second

// Options are settings of an Instance.
type Options struct {
	Log     *slog.Logger // nil for none
	Polling Polling

	// Packed: offer packed rings (VIRTIO_F_RING_PACKED) beside split ones. A
	// driver that can takes them.
	Packed bool

	// Patience is how long a queue that is to end, or to let go of memory,
	// waits for its chains before it has its worker [Hurrier.Hurry]; 0 for
	// DefaultPatience. A front-end, and with it its VM, waits as long. Queues
	// that are stopped together, or soon one after another, share it.
	//
	// A transport whose front-end gives up sooner lowers it, with
	// [Instance.LimitPatience]: vfio-user's does.
	Patience time.Duration

	// CPUs, if there are any, are those that the queues' threads run on: queue
	// i on CPUs[i modulo their number]. Otherwise the kernel decides.
	CPUs []int
}

// Instance is a device as one driver has it: its memory, its negotiated
// features, its running queues. A transport drives it, from one goroutine at
// a time.
type Instance struct {
	dev      Device
	log      *slog.Logger
	polling  Polling
	packed   bool // rings are offered
	cpus     []int
	patience patience
	mem      mem.Memory
	features atomic.Uint64
	queues   []*Queue // nil where not running
	onHold   atomic.Bool
	counters []Counters
}

// NewInstance returns a device without memory whose queues do not run.
func NewInstance(dev Device, o Options) *Instance {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	return &Instance{
		dev:      dev,
		log:      o.Log,
		polling:  o.Polling,
		packed:   o.Packed,
		cpus:     o.CPUs,
		patience: patience{full: o.Patience},
		queues:   make([]*Queue, dev.Queues()),
		counters: make([]Counters, dev.Queues()),
	}
}

// LimitPatience lowers [Options.Patience] to limit if it is more. No queue
// runs.
func (in *Instance) LimitPatience(limit time.Duration) {
	in.patience = patience{full: min(in.patience.full, limit)}
}

// Device returns the device.
func (in *Instance) Device() Device { return in.dev }

// Memory is the guest's memory. A change to it returns when running queues
// no longer use what was taken away.
func (in *Instance) Memory() *mem.Memory { return &in.mem }

// Offered are the features offered to the driver.
func (in *Instance) Offered() uint64 {
	f := RingFeatures | in.dev.Features()
	if in.packed {
		f |= FeatureRingPacked
	}
	return f
}

// Features are the features that were negotiated. It may be called at any time.
func (in *Instance) Features() uint64 { return in.features.Load() }

// SetFeatures tells the device which features were negotiated.
func (in *Instance) SetFeatures(features uint64) error {
	if extra := features &^ in.Offered(); extra != 0 {
		return fmt.Errorf("%w: bits %#x", ErrFeatures, extra)
	}
	if err := in.dev.Negotiated(features); err != nil {
		return err
	}
	in.features.Store(features)
	return nil
}

// Start starts a queue. Ring features are taken from c, not from what was
// negotiated.
func (in *Instance) Start(index int, c QueueConfig) error {
	if index < 0 || index >= len(in.queues) {
		return &QueueError{index, "start", ErrNoQueue}
	}
	if in.queues[index] != nil {
		return &QueueError{index, "start", ErrRunning}
	}
	q, err := startQueue(index, in, c)
	if err != nil {
		return &QueueError{index, "start", err}
	}
	in.queues[index] = q
	return nil
}

// cpu returns the CPU for a queue's thread, or -1.
func (in *Instance) cpu(queue int) int {
	if len(in.cpus) == 0 {
		return -1
	}
	return in.cpus[queue%len(in.cpus)]
}

// Running reports whether a queue was started and not stopped. It may have
// stopped by itself since.
func (in *Instance) Running(index int) bool {
	return index >= 0 && index < len(in.queues) && in.queues[index] != nil
}

// SetCall replaces the way a running queue interrupts its driver. The one it
// replaces is not used after SetCall returns.
func (in *Instance) SetCall(index int, n Notifier) {
	if in.Running(index) {
		in.queues[index].setCall(n)
	}
}

// Kick tells a running queue, started with [QueueConfig.Doorbell], that its
// driver made chains available. It costs a system call only if the queue
// sleeps.
func (in *Instance) Kick(index int) {
	if in.Running(index) {
		in.counters[index].Kicks.Add(1)
		in.queues[index].Wake()
	}
}

// Hold makes queues finish the chains they have, let go of guest memory, and
// wait for [Instance.GoOn]: nothing is looked up in a memory that is being
// rearranged. It does not wait for them; a change to the memory does. A queue
// that is on hold can be stopped.
func (in *Instance) Hold() { in.setHold(true) }

// GoOn ends a Hold.
func (in *Instance) GoOn() { in.setHold(false) }

func (in *Instance) setHold(on bool) {
	if in.onHold.Swap(on) == on {
		return
	}
	for _, q := range in.queues {
		if q != nil {
			q.wake.Notify()
		}
	}
}

// Stop stops a queue: it takes no more chains, and those it took are given
// back before Stop returns. Base is the index of the first chain it did not
// take. The other queues go on.
//
// It waits for [Options.Patience] at most, and then for what was begun. What
// earlier Stops waited is missing from it, until as much time has passed: a
// transport that stops queue after queue waits no longer than for one.
func (in *Instance) Stop(index int) (base uint16, err error) {
	if !in.Running(index) {
		return 0, &QueueError{index, "stop", ErrNotRunning}
	}
	in.queues[index].beginStop(in.patience.begin(time.Now()))
	base = in.stopped(index)
	in.patience.end(time.Now())
	return base, nil
}

// StopAll stops all running queues, as Stop does, together: none takes chains
// while another is waited for. Bases are those of the queues that ran.
func (in *Instance) StopAll() (bases map[int]uint16) {
	end := in.patience.begin(time.Now())
	for _, q := range in.queues {
		if q != nil {
			q.beginStop(end)
		}
	}
	bases = make(map[int]uint16)
	for i, q := range in.queues {
		if q != nil {
			bases[i] = in.stopped(i)
		}
	}
	in.patience.end(time.Now())
	return bases
}

// stopped waits for a queue that is to stop.
func (in *Instance) stopped(index int) (base uint16) {
	base = in.queues[index].stopped()
	in.queues[index] = nil
	return base
}

// Reset stops all queues and returns the device to its initial state. Guest
// memory stays.
func (in *Instance) Reset() {
	in.StopAll()
	in.dev.Reset()
	in.features.Store(0)
}

// Close resets the device and gives guest memory back. The instance must not
// be used afterwards.
func (in *Instance) Close() error {
	in.Reset()
	return in.mem.Set(nil)
}

// Counters returns a queue's counters.
func (in *Instance) Counters(index int) *Counters { return &in.counters[index] }

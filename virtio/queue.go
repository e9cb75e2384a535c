// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
)

// Notifier tells a driver something: that a queue has used chains, that the
// configuration changed. [Event] is one. Notify may be called from any
// goroutine and must not wait.
type Notifier interface{ Notify() }

// QueueConfig is what a transport starts a queue with.
type QueueConfig struct {
	Ring virtq.Config

	// Packed: VIRTIO_F_RING_PACKED was negotiated.
	Packed bool

	// Kick is signalled when the driver made chains available. The queue
	// reads it and the transport closes it after Stop. With nil the ring is
	// polled, unless Doorbell is set.
	Kick *Event

	// Doorbell: the transport is told of kicks itself and passes them on with
	// [Instance.Kick].
	Doorbell bool

	// Call is notified when chains were used; nil for a driver that polls.
	// [Instance.SetCall] replaces it.
	Call Notifier

	// Broken, if not nil, is called once, from the queue's thread, when the
	// ring makes no sense and the queue has stopped by itself. Stop waits for
	// it to return: it must not wait for a goroutine that may be in Stop.
	Broken func(error)
}

// Counters count what a queue did since its device was made. They are written
// by its thread and may be read at any time.
type Counters struct {
	Chains     atomic.Uint64 // taken
	Kicks      atomic.Uint64 // received
	Interrupts atomic.Uint64 // sent
	Breaks     atomic.Uint64 // times the ring broke
}

// Queue is a queue that runs. A worker gives chains back through it.
type Queue struct {
	// Index is the queue's number.
	Index int

	ring     virtqueue
	mem      *mem.Memory
	kick     *Event
	doorbell bool   // kicks come through wake
	wake     *Event // ours: something else wants the thread
	broken   func(error)
	poll     Polling
	patience time.Duration // of a drain; see also stopBy
	spins    spins
	limiter  Limiter       // nil for none
	pause    time.Duration // the limiter's: nothing is taken for so long
	cpu      int           // the CPU of its thread, or -1
	log      *slog.Logger
	counters *Counters
	observer Observer // nil for none

	stopping atomic.Bool
	stopBy   time.Time    // when to lose patience; set before stopping
	onHold   *atomic.Bool // of the instance
	asleep   atomic.Bool
	done     chan struct{} // closed when the thread has ended

	mu   sync.Mutex
	call Notifier
}

// Polling says how a queue's thread waits for work.
type Polling struct {
	// Spin is how long it looks at the ring after its last work before it
	// sleeps. While it looks the driver is asked not to kick. When it looked in
	// vain several times it sleeps at once for a few.
	Spin time.Duration
}

// Size is the number of chains that can be in flight at most.
func (q *Queue) Size() int { return min(q.ring.Size(), maxBatch) }

// Push gives a chain back to the driver, with the number of bytes written to
// its writable segments from their beginning. The driver sees it when the
// worker's Handle or Poll has returned. Only the worker calls it, on the
// queue's thread.
func (q *Queue) Push(c *virtq.Chain, written uint32) { q.ring.Push(c, written) }

// Wake makes the queue call its worker's Poll soon. It may be called from any
// goroutine until the worker is closed: a worker's Close waits for those that
// may still be on their way into Wake.
func (q *Queue) Wake() {
	// Of many wakes only the first costs a system call.
	if q.asleep.CompareAndSwap(true, false) {
		q.wake.Notify()
	}
}

// SetPolling changes how the queue waits for work. Only [Device.NewWorker] may
// call it, for a queue that is unlike the others.
func (q *Queue) SetPolling(p Polling) { q.poll = p }

// Limiter bounds what a queue takes. What it does not take waits in the
// driver's ring, and in the end in the driver: nothing is refused.
type Limiter interface {
	// Allow returns how many chains may be taken now, at most max, which may
	// be 0. If max is not and n is, wait is how long to take none; it is not
	// 0 then. It is called from the queue's thread, often.
	Allow(max int) (n int, wait time.Duration)
}

// SetLimiter bounds what the queue takes. Only [Device.NewWorker] may call it.
func (q *Queue) SetLimiter(l Limiter) { q.limiter = l }

// NextIndex is the index in the available ring at which the next chain will be
// found, which is what drivers know a request by; ok is false for a packed ring,
// which has no such thing. Only the worker calls it, on the queue's thread.
func (q *Queue) NextIndex() (index uint16, ok bool) {
	if q.ring.split == nil {
		return 0, false
	}
	return q.ring.Base(), true
}

// Log is the queue's log.
func (q *Queue) Log() *slog.Logger { return q.log }

func (q *Queue) setCall(n Notifier) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.call = n
}

// notify interrupts the driver.
func (q *Queue) notify() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.call != nil {
		// Counted before: who was notified may look at once.
		q.counters.Interrupts.Add(1)
		q.call.Notify()
	}
}

// startQueue starts the queue's thread and returns. Whether the ring is in
// memory at all the thread finds out: if not, it calls c.Broken.
func startQueue(index int, in *Instance, c QueueConfig) (*Queue, error) {
	ring, err := newVirtqueue(c.Ring, c.Packed)
	if err != nil {
		return nil, err
	}
	wake, err := NewEvent()
	if err != nil {
		return nil, err
	}
	q := &Queue{
		Index:    index,
		ring:     ring,
		mem:      &in.mem,
		kick:     c.Kick,
		doorbell: c.Doorbell,
		wake:     wake,
		onHold:   &in.onHold,
		call:     c.Call,
		broken:   c.Broken,
		poll:     in.polling,
		patience: in.patience.full,
		cpu:      in.cpu(index),
		log:      in.log.With("queue", index),
		counters: &in.counters[index],
		done:     make(chan struct{}),
	}
	worker, err := in.dev.NewWorker(q)
	if err != nil {
		return nil, closeAfter(wake, fmt.Errorf("worker: %w", err))
	}
	q.observer, _ = worker.(Observer)
	go q.run(worker)
	return q, nil
}

func closeAfter(e *Event, err error) error {
	e.Close()
	return err
}

// beginStop has the thread end, after all chains it took were given back, for
// which it waits patiently until end. It is called once, and then stopped is.
func (q *Queue) beginStop(end time.Time) {
	q.stopBy = end
	q.stopping.Store(true)
	q.wake.Notify()
}

// stopped waits until the thread has ended and returns the index of the next
// chain.
func (q *Queue) stopped() (base uint16) {
	<-q.done
	q.wake.Close()
	return q.ring.Base()
}

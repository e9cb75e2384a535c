// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"runtime"
	"time"

	"vcrypto/virtio/virtq"
)

const (
	// maxBatch bounds the chains a queue holds at once, and with it the
	// memory that a guest with a large ring can make it use.
	maxBatch = 1024

	// chunk is how many chains are handled together: many enough to fill an
	// engine's lanes, few enough that what is kept of them stays in the CPU's
	// first cache from one step to the next.
	chunk = 128

	// looksPerClock is how often the ring is looked at for each look at the
	// clock while spinning.
	looksPerClock = 64

	// unkickedNap is how long a queue without a kick descriptor naps between
	// looks at its ring once it has spun in vain.
	unkickedNap = time.Millisecond
)

// run is the queue's thread: take a batch, hand it over, push what is done,
// notify once; when there is nothing to do look a while longer, then sleep.
func (q *Queue) run(w Worker) {
	runtime.LockOSThread()
	if q.cpu < 0 {
		// A pinned thread is not given back: it ends with its goroutine.
		defer runtime.UnlockOSThread()
	}
	defer close(q.done)
	if err := pin(q.cpu); err != nil {
		q.log.Warn("the queue's thread could not be pinned", "cpu", q.cpu, "err", err)
	}

	var broken error
	batch := make([]*virtq.Chain, q.Size())
	for !q.stopping.Load() && broken == nil {
		if q.onHold.Load() {
			q.hold(w)
			continue
		}
		attached, err := q.attach(w)
		if broken = err; broken != nil {
			break
		}
		if !attached {
			continue
		}
		var worked bool
		worked, broken = q.step(w, batch)
		if worked || broken != nil {
			continue
		}
		if !q.spin(w) {
			q.sleep(w)
		}
	}
	q.drain(w)
	w.Close()
	q.detach()
	if broken != nil {
		q.counters.Breaks.Add(1)
		q.log.Error("queue stopped: the driver broke it; it works again after the driver resets the device", "err", broken)
		if q.broken != nil {
			q.broken(broken)
		}
	}
}

// attach sees to it that the ring is attached to the current memory table, and
// reports whether it is. If the memory is changing, everything that uses the
// old table is finished first.
func (q *Queue) attach(w Worker) (bool, error) {
	held := q.ring.Attached()
	if held != nil {
		if held == q.mem.Current() {
			return true, nil
		}
		q.drain(w)
		q.detach()
	}
	t := q.mem.Acquire()
	// A hold may have begun since run looked, and the table be one that lacks
	// what is being rearranged. A hold begins before the memory changes, and
	// ends after it has: so if there is none now and the table is current, it
	// is whole, and nothing changes while it is held here.
	if q.onHold.Load() || t != q.mem.Current() {
		t.Release()
		return false, nil
	}
	if err := q.ring.Attach(t); err != nil {
		t.Release()
		return false, err
	}
	q.ring.SuppressKicks()
	return true, nil
}

// hold finishes what the queue has and waits for the end of a hold, or for
// the queue's.
func (q *Queue) hold(w Worker) {
	q.drain(w)
	q.detach()
	for q.onHold.Load() && !q.stopping.Load() {
		pollRead(-1, -1, q.wake.FD())
		q.wake.Drain()
	}
}

// detach lets go of guest memory. No chain is held.
func (q *Queue) detach() {
	if t := q.ring.Attached(); t != nil {
		q.ring.Detach()
		t.Release()
	}
}

// step takes what is available and finishes what can be finished. It reports
// whether there was anything to do. The error says that the ring is broken.
func (q *Queue) step(w Worker, batch []*virtq.Chain) (worked bool, err error) {
	room := min(chunk, len(batch)-q.ring.Held())
	if q.limiter != nil {
		room, q.pause = q.limiter.Allow(room)
	}
	n, err := q.ring.Next(batch[:room])
	if n > 0 {
		q.counters.Chains.Add(uint64(n))
		w.Handle(batch[:n])
	}
	pushed := w.Poll(n == 0)
	q.publish()
	return n > 0 || pushed, err
}

// publish shows pushed chains to the driver.
func (q *Queue) publish() {
	notify := q.ring.Publish()
	if notify {
		q.notify()
	}
	if q.observer != nil {
		q.observer.Published(notify)
	}
}

// drain waits until every chain was given back. Where that takes long, what was
// not begun comes back undone.
func (q *Queue) drain(w Worker) {
	hurrier, _ := w.(Hurrier)
	begin := time.Now()
	for q.ring.Held() > 0 {
		left := time.Duration(-1) // forever
		if hurrier != nil {
			end := begin.Add(q.patience)
			if q.stopping.Load() && q.stopBy.Before(end) {
				end = q.stopBy // shared with others that stop
			}
			if left = max(time.Until(end), 0); left == 0 {
				q.log.Warn("requests took too long to wait for: those that were not begun fail",
					"held", q.ring.Held(), "after", time.Since(begin).Round(time.Millisecond))
				hurrier.Hurry()
				hurrier, left = nil, -1
			}
		}
		if w.Poll(true) {
			continue
		}
		// The rest is being worked on elsewhere.
		q.asleep.Store(true)
		if !w.Poll(true) {
			pollRead(left, -1, q.wake.FD())
			q.wake.Drain()
		}
		q.asleep.Store(false)
	}
	if q.ring.Attached() != nil {
		q.publish()
	}
}

// spin looks at the ring for a while and reports whether there is something
// to do.
func (q *Queue) spin(w Worker) bool {
	if q.poll.Spin <= 0 || q.pause > 0 && q.ring.Held() == 0 || q.spins.skip() {
		return false
	}
	table, full := q.ring.Attached(), q.full() || q.pause > 0
	for start := time.Now(); ; {
		for range looksPerClock {
			if q.ring.Pending() && !full || q.stopping.Load() {
				q.spins.hit()
				return true
			}
		}
		if q.ring.Held() > 0 && w.Poll(true) {
			q.publish()
			return true
		}
		if table != q.mem.Current() || q.onHold.Load() {
			return true
		}
		if time.Since(start) >= q.poll.Spin {
			q.spins.miss()
			return false
		}
	}
}

// spins remembers whether looking at the ring paid. On a host with too few
// CPUs the guest that is to fill the ring may be waiting for this very one.
type spins struct {
	misses, left uint
}

const (
	// spinRun is how many misses are forgiven: one may be chance, and the
	// first after a sleep costs the driver a kick.
	spinRun = 3
	// maxSpinsLeft is how many waits go without a look, at most, after a run
	// in vain.
	maxSpinsLeft = 8
)

func (s *spins) hit() { s.misses = 0 }

func (s *spins) miss() {
	if s.misses++; s.misses%spinRun == 0 {
		s.left = min(s.misses/spinRun, maxSpinsLeft)
	}
}

// skip reports whether to go without a look this time.
func (s *spins) skip() bool {
	if s.left == 0 {
		return false
	}
	s.left--
	return true
}

// sleep waits for a kick, or for a wake. While it sleeps without chains in
// flight it holds no guest memory.
func (q *Queue) sleep(w Worker) {
	q.asleep.Store(true)
	defer q.asleep.Store(false)
	// A queue that holds all it may, or has to pause, cannot take more, so it
	// does not ask for kicks: what is available already would not let it sleep.
	full := q.full() || q.pause > 0
	if !full && q.ring.WantKicks() || w.Poll(true) || q.stopping.Load() || q.onHold.Load() {
		q.publish()
		q.ring.SuppressKicks()
		return
	}
	if q.ring.Held() == 0 {
		q.detach()
	}
	kickFD, timeout := -1, time.Duration(-1)
	switch {
	case q.pause > 0:
		timeout = q.pause
	case full, q.doorbell:
	case q.kick != nil:
		kickFD = q.kick.FD()
	default:
		timeout = unkickedNap
	}
	found := pollRead(timeout, kickFD, q.wake.FD())
	if found[0] == readable {
		q.counters.Kicks.Add(1)
		if q.observer != nil {
			q.observer.Kicked()
		}
		if !q.kick.take() {
			found[0] = dead
		}
	}
	if found[0] == dead {
		q.log.Warn("the kick descriptor is not an eventfd; looking at the ring without it")
		q.kick = nil
	}
	if found[1] == readable {
		q.wake.Drain()
		if q.doorbell && q.observer != nil {
			q.observer.Kicked()
		}
	}
	if q.ring.Attached() != nil {
		q.ring.SuppressKicks()
	}
}

// full reports whether the queue holds as many chains as it may.
func (q *Queue) full() bool { return q.ring.Held() >= q.Size() }

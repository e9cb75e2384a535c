// SPDX-License-Identifier: Apache-2.0

package virtqdrv

import (
	"fmt"

	"vcrypto/virtio/internal/ring"
)

// Used is a chain the device has used.
type Used struct {
	Cookie  uint64
	Written uint32 // bytes the device says it wrote
	Slot    Slot   // of a prepared chain, which may be added again
}

// Pending reports whether there is something to reap. It is for looking at
// the ring again and again.
func (q *Queue) Pending() bool { return q.usedIdx.Load() != q.reaped }

// InFlight is the number of chains the device may still use.
func (q *Queue) InFlight() int { return int(q.next - q.reaped) }

// Reap takes up to len(batch) used chains and returns how many it took. An
// error, which wraps ErrDevice, says that the device broke the ring.
func (q *Queue) Reap(batch []Used) (int, error) {
	// Acquires: what the device wrote before it moved its index is read after.
	pending := q.usedIdx.Load() - q.reaped
	if pending > q.shown-q.reaped {
		return 0, fmt.Errorf("%w: its index is %d ahead, %d chains are in flight", ErrDevice, pending, q.shown-q.reaped)
	}
	n := min(int(pending), len(batch))
	for i := range n {
		e := q.used[ring.UsedRing+ring.UsedElem*int(q.reaped&q.mask):][:ring.UsedElem]
		id, written := ring.Load32(e), ring.Load32(e[ring.UsedElemLen:])
		if id >= uint32(q.cfg.Size) || !q.heads[id].inFlight {
			return i, fmt.Errorf("%w: element %d is descriptor %d, which is not in flight", ErrDevice, q.reaped, id)
		}
		h := &q.heads[id]
		batch[i] = Used{h.cookie, written, Slot(id)}
		if h.prepared {
			h.inFlight = false
		} else {
			q.forget(uint16(id))
		}
		q.reaped++
	}
	return n, nil
}

// DisableInterrupts tells the device that it need not interrupt. It is a
// hint; interrupts may still come.
func (q *Queue) DisableInterrupts() {
	if q.cfg.EventIdx {
		q.storeUsedEvent(q.reaped - 1) // passed again in 65,535 chains
		return
	}
	q.flags = ring.AvailFNoIntr
	q.storeAvail()
}

// EnableInterrupts asks the device for an interrupt when it uses the next
// chain, and reports whether one is there already, for which none may come.
func (q *Queue) EnableInterrupts() (more bool) { return q.EnableInterruptsAfter(1) }

// EnableInterruptsAfter asks for an interrupt only when n chains more were
// used, if EVENT_IDX was negotiated, and reports whether so many are there
// already.
func (q *Queue) EnableInterruptsAfter(n int) (more bool) {
	if !q.cfg.EventIdx {
		n = 1
	}
	skip := uint16(n - 1)
	if q.cfg.EventIdx {
		q.storeUsedEvent(q.reaped + skip)
	} else {
		q.flags = 0
		q.storeAvail()
	}
	// A full barrier between asking and looking; see Publish for its
	// counterpart.
	ring.Fence()
	return q.usedIdx.Load()-q.reaped > skip
}

func (q *Queue) storeUsedEvent(at uint16) {
	ring.Store16(q.avail[ring.AvailRing+ring.AvailElem*q.cfg.Size:], at)
}

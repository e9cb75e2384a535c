// SPDX-License-Identifier: Apache-2.0

package virtqdrv

import (
	"fmt"

	"vcrypto/virtio/internal/ring"
)

// Slot is a prepared chain. See [Queue.Prepare].
type Slot uint16

// Add makes a chain of buffers the device may read, then of buffers it may
// write, available. The device sees it after the next Publish; when it has
// used it, Reap returns the cookie.
func (q *Queue) Add(readable, writable []Buf, cookie uint64) error {
	h, err := q.write(readable, writable, cookie)
	if err != nil {
		return err
	}
	q.add(h)
	return nil
}

// Prepare writes a chain's descriptors without making it available. AddSlot
// does that, as often as wanted but one at a time: the descriptors keep their
// place until Release.
func (q *Queue) Prepare(readable, writable []Buf, cookie uint64) (Slot, error) {
	h, err := q.write(readable, writable, cookie)
	if err != nil {
		return 0, err
	}
	q.heads[h].prepared = true
	return Slot(h), nil
}

// AddSlot makes a prepared chain available.
func (q *Queue) AddSlot(s Slot) error {
	if h := &q.heads[s]; !h.prepared || h.inFlight {
		return ErrInFlight
	}
	q.add(uint16(s))
	return nil
}

// Release gives a prepared chain's descriptors back.
func (q *Queue) Release(s Slot) error {
	h := &q.heads[s]
	if !h.prepared || h.inFlight {
		return ErrInFlight
	}
	q.forget(uint16(s))
	return nil
}

// Publish shows the added chains to the device and reports whether it wants a
// kick for them.
func (q *Queue) Publish() (kick bool) {
	if q.shown == q.next {
		return false
	}
	old := q.shown
	q.shown = q.next
	// Releases: ring entries, descriptors and buffers are visible before the
	// index that covers them. And a full barrier between showing our index and
	// reading the device's wish. The device writes its wish and then reads our
	// index, with a full barrier between: one of the two sees the other's
	// write.
	if q.availOdd {
		q.storeAvail()
		ring.Fence()
	} else {
		ring.StoreWordFence(q.availWord, q.word())
	}
	if q.cfg.EventIdx {
		event := ring.Load16(q.used[ring.UsedRing+ring.UsedElem*q.cfg.Size:])
		return ring.NeedEvent(event, q.shown, old)
	}
	return ring.Load16(q.used[ring.UsedFlags:])&ring.UsedFNoNotify == 0
}

// add puts a chain into the available ring. There is room: a chain in flight
// has a descriptor of its own, and there are as many entries as descriptors.
func (q *Queue) add(h uint16) {
	q.heads[h].inFlight = true
	ring.Store16(q.avail[ring.AvailRing+ring.AvailElem*int(q.next&q.mask):], h)
	q.next++
}

// write writes a chain's descriptors and returns its head.
func (q *Queue) write(readable, writable []Buf, cookie uint64) (uint16, error) {
	n, most := len(readable)+len(writable), q.cfg.Size
	if q.cfg.Indirect > 0 {
		most = q.cfg.Indirect
	}
	if n == 0 || n > most {
		return 0, fmt.Errorf("%d buffers, at most %d: %w", n, most, ErrChain)
	}
	need := n
	if q.cfg.Indirect > 0 {
		need = 1
	}
	if need > len(q.free) {
		return 0, ErrFull
	}
	h := q.free[len(q.free)-1]
	q.heads[h] = head{cookie: cookie, count: uint16(need)}
	if q.cfg.Indirect > 0 {
		q.free = q.free[:len(q.free)-1]
		q.writeTable(h, readable, writable)
		return h, nil
	}
	taken := q.free[len(q.free)-n:] // the head is its last
	for i := range n {
		d := Desc{Next: taken[max(n-2-i, 0)]}
		fill(&d, readable, writable, i)
		at := taken[n-1-i]
		q.links[at] = d.Next
		d.put(q.desc, int(at))
	}
	q.free = q.free[:len(q.free)-n]
	return h, nil
}

// writeTable writes a chain's indirect table and the descriptor of it.
func (q *Queue) writeTable(h uint16, readable, writable []Buf) {
	size := ring.DescSize * q.cfg.Indirect
	table := q.tables[size*int(h):][:size]
	n := len(readable) + len(writable)
	for i := range n {
		d := Desc{Next: uint16(i + 1)}
		fill(&d, readable, writable, i)
		d.put(table, i)
	}
	d := Desc{
		Addr:  q.tableAt + uint64(size)*uint64(h),
		Len:   uint32(ring.DescSize * n),
		Flags: ring.DescFIndirect,
	}
	d.put(q.desc, int(h))
}

// fill sets all but the next of a chain's descriptor number i.
func fill(d *Desc, readable, writable []Buf, i int) {
	n := len(readable) + len(writable)
	if i < len(readable) {
		d.Addr, d.Len = readable[i].Addr, readable[i].Len
	} else {
		b := writable[i-len(readable)]
		d.Addr, d.Len, d.Flags = b.Addr, b.Len, ring.DescFWrite
	}
	if i < n-1 {
		d.Flags |= ring.DescFNext
	} else {
		d.Next = 0
	}
}

// forget gives a chain's descriptors back.
func (q *Queue) forget(h uint16) {
	n := int(q.heads[h].count)
	q.heads[h] = head{}
	// Onto the stack in reverse, so that the next chain takes them in the
	// same order: a ring in steady use keeps its neighbours together.
	base := len(q.free)
	q.free = q.free[:base+n]
	for at, i := h, n-1; i >= 0; at, i = q.links[at], i-1 {
		q.free[base+i] = at
	}
}

// word is our flags and index in a word, as most rings have it.
func (q *Queue) word() uint32 { return uint32(q.shown)<<ring.IdxShift | uint32(q.flags) }

// storeAvail writes our flags and our index as the device may see it.
func (q *Queue) storeAvail() {
	if !q.availOdd {
		ring.StoreWord(q.availWord, q.word())
		return
	}
	// The index shares a word with the ring's first entry.
	ring.Store16(q.avail[ring.AvailFlags:], q.flags)
	first := ring.Load16(q.avail[ring.AvailRing:])
	ring.StoreWord(q.availWord, uint32(first)<<ring.IdxShift|uint32(q.shown))
}

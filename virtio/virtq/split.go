// SPDX-License-Identifier: Apache-2.0

package virtq

import (
	"vcrypto/virtio/internal/ring"
	"vcrypto/virtio/mem"
)

// Split is the device's side of a split virtqueue.
type Split struct {
	cfg  Config
	mask uint16

	table *mem.Table // nil while detached
	desc  []ring.Desc
	avail []byte
	used  []byte
	heads []uint16 // avail's entries
	elems []uint64 // used's entries
	// availIdx is the driver's index; usedWord is our flags and index as one
	// word. See internal/ring.
	availIdx ring.Index
	usedWord *uint32
	// hot is the region that the last buffer was found in, hotAddr its
	// address: the next one is likely there as well.
	hot       []byte
	hotAddr   uint64
	hotRegion uint32
	hotBase   base

	started   bool
	next      uint16 // the next entry of the available ring to take
	published uint16 // the next entry of the used ring, as the driver sees it

	// What goes from and to the rings goes in one piece: their memory is in the
	// other side's cache, and each look at it is a wait.
	taken     []uint16 // heads
	pushed    []uint64 // elements, staged
	signalled bool     // the driver was notified at least once
	noNotify  bool     // our flag in the used ring
	held      int      // chains taken and not pushed

	busy     []bool   // by head: the device has the chain
	free     []*Chain // chains that were pushed, the last one first
	chains   int      // as many as were ever held at once
	walker   walker
	indirect []byte // for tables that are not contiguous here
}

// NewSplit checks a configuration and returns its queue, detached.
func NewSplit(c Config) (*Split, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Split{
		cfg:  c,
		mask: uint16(c.Size - 1),
		next: c.Base,
		busy: make([]bool, c.Size),

		taken:  make([]uint16, c.Size),
		pushed: make([]uint64, 0, c.Size),
	}, nil
}

// Attach finds the ring in a table, which the caller holds until Detach. The
// queue's chains come from the same table.
func (q *Split) Attach(t *mem.Table) error {
	desc, err := t.Bytes(q.cfg.Desc, ring.DescBytes(q.cfg.Size))
	if err != nil {
		return &BrokenError{"descriptor area", err}
	}
	q.desc = ring.Descs(desc)
	if q.avail, err = t.Bytes(q.cfg.Avail, ring.AvailBytes(q.cfg.Size)); err != nil {
		return &BrokenError{"driver area", err}
	}
	if q.used, err = t.Bytes(q.cfg.Used, ring.UsedBytes(q.cfg.Size)); err != nil {
		return &BrokenError{"device area", err}
	}
	if q.availIdx, err = ring.NewIndex(q.avail); err != nil {
		return &BrokenError{"driver area", err}
	}
	if q.usedWord, err = ring.Word(q.used); err != nil {
		return &BrokenError{"device area", err}
	}
	q.heads, q.elems = ring.Heads(q.avail, q.cfg.Size), ring.Elems(q.used, q.cfg.Size)
	q.table = t
	if !q.started {
		// A queue that goes on has its used index in memory; that of a new
		// one is 0.
		q.started = true
		q.published = ring.Load16(q.used[ring.UsedIdx:])
	}
	return nil
}

// Detach forgets the table. No chain may be held.
func (q *Split) Detach() {
	q.table, q.desc, q.avail, q.used, q.usedWord = nil, nil, nil, nil, nil
	q.heads, q.elems = nil, nil
	q.availIdx = ring.Index{}
	q.hot, q.hotAddr, q.hotRegion, q.hotBase = nil, 0, 0, nil
}

// Attached returns the table the queue is attached to, or nil.
func (q *Split) Attached() *mem.Table { return q.table }

// Size is the number of descriptors.
func (q *Split) Size() int { return q.cfg.Size }

// Held is the number of chains taken and not yet pushed.
func (q *Split) Held() int { return q.held }

// Base is the index of the next chain to take: what [Config.Base] must be for
// a queue that goes on after this one.
func (q *Split) Base() uint16 { return q.next }

// Pending reports whether a chain is available. It is for looking at the ring
// again and again.
func (q *Split) Pending() bool { return q.availIdx.Load() != q.next }

// Next takes up to len(batch) chains. If the ring breaks, it returns the
// chains taken before the break and a *BrokenError.
func (q *Split) Next(batch []*Chain) (int, error) {
	// Barrier 1: this load acquires. What the driver wrote before it raised
	// the index (ring entry, descriptors, buffers) is read after it.
	pending := q.availIdx.Load() - q.next
	if pending == 0 {
		return 0, nil
	}
	if int(pending) > q.cfg.Size {
		return 0, broken("available index is %d ahead of a queue of %d", pending, q.cfg.Size)
	}
	n := min(int(pending), len(batch))
	taken := q.taken[:n]
	end := copy(taken, q.heads[q.next&q.mask:])
	copy(taken[end:], q.heads)
	for i, head := range taken {
		if int(head) >= len(q.busy) {
			return q.took(i), broken("descriptor %d of a queue of %d", head, q.cfg.Size)
		}
		if q.busy[head] {
			return q.took(i), broken("descriptor %d made available again while in use", head)
		}
		c := q.chain()
		if !q.quick(c, head) {
			if err := q.walk(c, int(head)); err != nil {
				q.free = append(q.free, c)
				return q.took(i), err
			}
		}
		c.head = head
		q.busy[head] = true
		batch[i] = c
	}
	return q.took(n), nil
}

// took counts chains that were taken.
func (q *Split) took(n int) int {
	q.next += uint16(n)
	q.held += n
	return n
}

// chain returns a chain to fill: the one that was pushed last, whose memory
// is still in the CPU's cache.
func (q *Split) chain() *Chain {
	if last := len(q.free) - 1; last >= 0 {
		c := q.free[last]
		q.free = q.free[:last]
		return c
	}
	q.chains++
	return newChain(q, q.chains-1)
}

// Push stages a chain as used, with the number of bytes written to its
// writable segments from their beginning (section 2.7.8.2). The chain is the
// driver's again after the next Publish.
func (q *Split) Push(c *Chain, written uint32) {
	q.busy[c.head] = false
	q.held--
	q.pushed = append(q.pushed, ring.Elem(c.head, written))
	if len(c.segs) > keptSegments {
		c.shrink()
	}
	q.free = append(q.free, c)
}

// Publish shows what was pushed to the driver and reports whether the driver
// wants to be notified of it.
func (q *Split) Publish() (notify bool) {
	n := len(q.pushed)
	if n == 0 {
		return false
	}
	old := q.published
	end := copy(q.elems[old&q.mask:], q.pushed)
	copy(q.elems, q.pushed[end:])
	q.pushed = q.pushed[:0]
	q.published += uint16(n)
	// Barrier 2: this store releases. Buffers and used elements are visible
	// before the index that covers them.
	//
	// Barrier 3: and it is a full barrier between publishing our index and
	// reading the driver's wish. The driver writes its wish and then reads our
	// index, with a full barrier between: one of the two sees the other's
	// write.
	ring.StoreWordFence(q.usedWord, q.word())
	first := !q.signalled
	q.signalled = true
	if q.cfg.EventIdx {
		event := ring.Load16(q.avail[ring.AvailRing+ring.AvailElem*q.cfg.Size:])
		return first || ring.NeedEvent(event, q.published, old)
	}
	return ring.Load16(q.avail[ring.AvailFlags:])&ring.AvailFNoIntr == 0
}

// word is our flags and index, which share a word.
func (q *Split) word() uint32 {
	w := uint32(q.published) << ring.IdxShift
	if q.noNotify {
		w |= ring.UsedFNoNotify
	}
	return w
}

// SuppressKicks tells the driver that it need not notify the device: it is
// looking at the ring anyway. It is a hint; kicks may still come.
func (q *Split) SuppressKicks() {
	// With EVENT_IDX the event index is left behind, where no new entry of
	// the ring passes it.
	if q.noNotify || q.cfg.EventIdx {
		return
	}
	q.noNotify = true
	ring.StoreWord(q.usedWord, q.word())
}

// WantKicks asks the driver to notify the device of the next chain, and
// reports whether one is there already, for which no kick may come.
func (q *Split) WantKicks() (more bool) {
	if q.cfg.EventIdx || q.cfg.Unnegotiated {
		ring.Store16(q.used[ring.UsedRing+ring.UsedElem*q.cfg.Size:], q.next)
	}
	if q.noNotify {
		q.noNotify = false
		ring.StoreWord(q.usedWord, q.word())
	}
	// Barrier 4: a full barrier between asking and looking. The driver makes
	// a chain available and then reads whether to kick, with a full barrier
	// between: a chain that is added without a kick is seen here.
	ring.Fence()
	return q.availIdx.Load() != q.next
}

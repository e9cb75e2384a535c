// SPDX-License-Identifier: Apache-2.0

package virtq

import (
	"encoding/binary"

	"vcrypto/virtio/internal/ring"
	"vcrypto/virtio/mem"
)

// Split is the device's side of a split virtqueue.
type Split struct {
	cfg  Config
	mask uint16

	table *mem.Table // nil while detached
	desc  []byte
	avail []byte
	used  []byte
	// availIdx is the driver's index; usedWord is our flags and index as one
	// word. See internal/ring.
	availIdx ring.Index
	usedWord *uint32

	started   bool
	next      uint16 // the next entry of the available ring to take
	usedNext  uint16 // the next entry of the used ring to fill
	published uint16 // what the driver can see of usedNext
	signalled bool   // the driver was notified at least once
	noNotify  bool   // our flag in the used ring
	held      int    // chains taken and not pushed

	chains   []Chain // by head
	indirect []byte  // for tables that are not contiguous here
}

// NewSplit checks a configuration and returns its queue, detached.
func NewSplit(c Config) (*Split, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Split{
		cfg:    c,
		mask:   uint16(c.Size - 1),
		next:   c.Base,
		chains: make([]Chain, c.Size),
	}, nil
}

// Attach finds the ring in a table, which the caller holds until Detach. The
// queue's chains come from the same table.
func (q *Split) Attach(t *mem.Table) error {
	var err error
	if q.desc, err = t.Bytes(q.cfg.Desc, ring.DescBytes(q.cfg.Size)); err != nil {
		return &BrokenError{"descriptor area", err}
	}
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
	q.table = t
	if !q.started {
		// A queue that goes on has its used index in memory; that of a new
		// one is 0.
		q.started = true
		q.usedNext = ring.Load16(q.used[ring.UsedIdx:])
		q.published = q.usedNext
	}
	return nil
}

// Detach forgets the table. No chain may be held.
func (q *Split) Detach() {
	q.table, q.desc, q.avail, q.used, q.usedWord = nil, nil, nil, nil, nil
	q.availIdx = ring.Index{}
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
	for i := range n {
		head := ring.Load16(q.avail[ring.AvailRing+ring.AvailElem*int(q.next&q.mask):])
		if int(head) >= q.cfg.Size {
			return i, broken("descriptor %d of a queue of %d", head, q.cfg.Size)
		}
		c := &q.chains[head]
		if c.busy {
			return i, broken("descriptor %d made available again while in use", head)
		}
		c.reset(head)
		if err := q.walk(c, head); err != nil {
			return i, err
		}
		c.finish()
		c.busy = true
		q.next++
		q.held++
		batch[i] = c
	}
	return n, nil
}

// walk collects the buffers of the chain at head.
func (q *Split) walk(c *Chain, head uint16) error {
	at, count := head, 0
	for {
		if count++; count > q.cfg.Size {
			return broken("descriptor chain at %d loops", head)
		}
		d := q.desc[ring.DescSize*int(at):][:ring.DescSize]
		flags := ring.Load16(d[ring.DescFlags:])
		addr, n, next := ring.Load64(d[ring.DescAddr:]), ring.Load32(d[ring.DescLen:]), ring.Load16(d[ring.DescNext:])
		if flags&ring.DescFIndirect != 0 {
			if flags&ring.DescFNext != 0 {
				return broken("indirect descriptor %d has a next", at)
			}
			if !q.cfg.Indirect && !q.cfg.Unnegotiated {
				return broken("indirect descriptor %d was not negotiated", at)
			}
			return q.walkIndirect(c, addr, n)
		}
		if err := q.add(c, addr, n, flags); err != nil {
			return err
		}
		if flags&ring.DescFNext == 0 {
			return nil
		}
		if int(next) >= q.cfg.Size {
			return broken("descriptor %d follows %d in a queue of %d", next, at, q.cfg.Size)
		}
		at = next
	}
}

// walkIndirect collects the buffers of an indirect table, section 2.7.5.3.
func (q *Split) walkIndirect(c *Chain, addr uint64, size uint32) error {
	entries := int(size / ring.DescSize)
	if size%ring.DescSize != 0 || entries == 0 || entries > max(MaxIndirect, q.cfg.Size) {
		return broken("indirect table of %d bytes", size)
	}
	table, err := q.table.Bytes(addr, uint64(size))
	if err != nil {
		if table, err = q.gatherTable(addr, size); err != nil {
			return &BrokenError{"indirect table", err}
		}
	}
	at := 0
	for count := 1; ; count++ {
		if count > entries {
			return broken("indirect table of %d descriptors loops", entries)
		}
		d := table[ring.DescSize*at:][:ring.DescSize]
		flags := ring.Load16(d[ring.DescFlags:])
		addr, n, next := ring.Load64(d[ring.DescAddr:]), ring.Load32(d[ring.DescLen:]), ring.Load16(d[ring.DescNext:])
		if flags&ring.DescFIndirect != 0 {
			return broken("indirect descriptor in an indirect table")
		}
		if err := q.add(c, addr, n, flags); err != nil {
			return err
		}
		if flags&ring.DescFNext == 0 {
			return nil
		}
		if int(next) >= entries {
			return broken("descriptor %d in an indirect table of %d", next, entries)
		}
		at = int(next)
	}
}

// gatherTable copies an indirect table that crosses from one region into the
// next.
func (q *Split) gatherTable(addr uint64, size uint32) ([]byte, error) {
	segs, err := q.table.Append(nil, addr, uint64(size))
	if err != nil {
		return nil, err
	}
	q.indirect = q.indirect[:0]
	for _, s := range segs {
		q.indirect = append(q.indirect, s...)
	}
	return q.indirect, nil
}

// add appends a descriptor's buffer to the chain.
func (q *Split) add(c *Chain, addr uint64, n uint32, flags uint16) error {
	writable := flags&ring.DescFWrite != 0
	if writable {
		if c.split < 0 {
			c.split = len(c.segs)
			c.next = 0 // never join across the split
		}
		c.WriteLen += uint64(n)
	} else {
		if c.split >= 0 {
			return broken("readable descriptor after a writable one")
		}
		c.ReadLen += uint64(n)
	}
	if n == 0 {
		return nil
	}
	b, err := q.table.Bytes(addr, uint64(n))
	if err != nil {
		// It may go on in the next region.
		if c.segs, err = q.table.Append(c.segs, addr, uint64(n)); err != nil {
			return &BrokenError{"buffer", err}
		}
		c.next = 0
		return nil
	}
	if addr == c.next && addr != 0 {
		if joined := ring.Join(c.segs[len(c.segs)-1], b); joined != nil {
			c.segs[len(c.segs)-1] = joined
			c.next = addr + uint64(n)
			return nil
		}
	}
	c.segs = append(c.segs, b)
	c.next = addr + uint64(n)
	return nil
}

// Push stages a chain as used, with the number of bytes written to its
// writable segments from their beginning (section 2.7.8.2). The chain is the
// driver's again after the next Publish.
func (q *Split) Push(c *Chain, written uint32) {
	c.busy = false
	q.held--
	e := q.used[ring.UsedRing+ring.UsedElem*int(q.usedNext&q.mask):][:ring.UsedElem]
	binary.LittleEndian.PutUint32(e, uint32(c.head))
	binary.LittleEndian.PutUint32(e[ring.UsedElemLen:], written)
	q.usedNext++
}

// Publish shows what was pushed to the driver and reports whether the driver
// wants to be notified of it.
func (q *Split) Publish() (notify bool) {
	if q.published == q.usedNext {
		return false
	}
	old := q.published
	q.published = q.usedNext
	// Barrier 2: this store releases. Buffers and used elements are visible
	// before the index that covers them.
	q.storeUsed()
	// Barrier 3: a full barrier between publishing our index and reading the
	// driver's wish. The driver writes its wish and then reads our index, with
	// a full barrier between: one of the two sees the other's write.
	ring.Fence()
	first := !q.signalled
	q.signalled = true
	if q.cfg.EventIdx {
		event := ring.Load16(q.avail[ring.AvailRing+ring.AvailElem*q.cfg.Size:])
		return first || ring.NeedEvent(event, q.published, old)
	}
	return ring.Load16(q.avail[ring.AvailFlags:])&ring.AvailFNoIntr == 0
}

// storeUsed writes our flags and index, which share a word.
func (q *Split) storeUsed() {
	w := uint32(q.published) << ring.IdxShift
	if q.noNotify {
		w |= ring.UsedFNoNotify
	}
	ring.StoreWord(q.usedWord, w)
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
	q.storeUsed()
}

// WantKicks asks the driver to notify the device of the next chain, and
// reports whether one is there already, for which no kick may come.
func (q *Split) WantKicks() (more bool) {
	if q.cfg.EventIdx || q.cfg.Unnegotiated {
		ring.Store16(q.used[ring.UsedRing+ring.UsedElem*q.cfg.Size:], q.next)
	}
	if q.noNotify {
		q.noNotify = false
		q.storeUsed()
	}
	// Barrier 4: a full barrier between asking and looking. The driver makes
	// a chain available and then reads whether to kick, with a full barrier
	// between: a chain that is added without a kick is seen here.
	ring.Fence()
	return q.availIdx.Load() != q.next
}

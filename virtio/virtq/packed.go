// SPDX-License-Identifier: Apache-2.0

package virtq

import (
	"fmt"

	"vcrypto/virtio/internal/ring"
	"vcrypto/virtio/mem"
)

// PackedBase is [Config.Base] of a new packed queue: its wrap counter begins
// at 1.
const PackedBase = 1 << ring.WrapShift

// Packed is the device's side of a packed virtqueue, virtio 1.3 section 2.8:
// one ring of descriptors, which driver and device overwrite in turn. It is
// used as a [Split] is.
//
// A chain occupies as many places of the ring as it has descriptors, and its
// used descriptor takes the place at which the device is, whichever chain is
// done first.
type Packed struct {
	core Split // what finds buffers and keeps chains; its ring is not used
	size uint16

	desc   []ring.Desc
	driver *uint32 // the driver's wish for notifications
	device *uint32 // ours

	next     uint16 // the place of the next chain to take
	nextWrap bool
	used     uint16 // the place of the next used descriptor
	usedWrap bool

	// pushed are chains that are not published. They are written in one go:
	// the ring's memory is in the driver's cache.
	pushed []usedChain

	wish  uint32 // what we last wrote to device
	held  int    // chains taken and not pushed
	taken int    // their descriptors
}

// usedChain is what the ring says of a chain that was used.
type usedChain struct {
	written    uint32
	id, places uint16
}

// NewPacked checks a configuration and returns its queue, detached.
func NewPacked(c Config) (*Packed, error) {
	if err := c.checkPacked(); err != nil {
		return nil, err
	}
	q := &Packed{size: uint16(c.Size), pushed: make([]usedChain, 0, c.Size)}
	q.core.cfg = c
	q.next = c.Base &^ PackedBase
	q.nextWrap = c.Base&PackedBase != 0
	q.used, q.usedWrap = q.next, q.nextWrap
	q.wish = ^uint32(0)
	return q, nil
}

func (c *Config) checkPacked() error {
	switch {
	case c.Size < 1 || c.Size > MaxSize:
		return fmt.Errorf("virtqueue: size %d: must be 1 to %d", c.Size, MaxSize)
	case int(c.Base&^PackedBase) >= c.Size:
		return fmt.Errorf("virtqueue: begins at %d of %d", c.Base&^PackedBase, c.Size)
	case c.Desc%ring.DescAlign != 0 || c.Avail%ring.EventAlign != 0 || c.Used%ring.EventAlign != 0:
		return fmt.Errorf("virtqueue: descriptor ring at %#x, event suppression at %#x and %#x: must be aligned to %d, %d and %d",
			c.Desc, c.Avail, c.Used, ring.DescAlign, ring.EventAlign, ring.EventAlign)
	}
	return nil
}

// Attach finds the ring in a table, which the caller holds until Detach.
func (q *Packed) Attach(t *mem.Table) error {
	desc, err := t.Bytes(q.core.cfg.Desc, ring.DescBytes(int(q.size)))
	if err != nil {
		return &BrokenError{"descriptor ring", err}
	}
	if _, err := ring.Word(desc); err != nil {
		return &BrokenError{"descriptor ring", err}
	}
	for _, area := range []struct {
		what string
		addr uint64
		word **uint32
	}{{"driver event suppression", q.core.cfg.Avail, &q.driver}, {"device event suppression", q.core.cfg.Used, &q.device}} {
		b, err := t.Bytes(area.addr, ring.EventBytes)
		if err == nil {
			*area.word, err = ring.Word(b)
		}
		if err != nil {
			return &BrokenError{area.what, err}
		}
	}
	q.desc = ring.Descs(desc)
	q.core.table = t
	return nil
}

// Detach forgets the table. No chain may be held.
func (q *Packed) Detach() {
	q.core.Detach()
	q.desc, q.driver, q.device = nil, nil, nil
}

// Attached returns the table the queue is attached to, or nil.
func (q *Packed) Attached() *mem.Table { return q.core.table }

// Size is the number of descriptors.
func (q *Packed) Size() int { return int(q.size) }

// Held is the number of chains taken and not yet pushed.
func (q *Packed) Held() int { return q.held }

// Base is the place of the next chain to take, with the wrap counter above it.
func (q *Packed) Base() uint16 { return ring.OffWrap(q.next, q.nextWrap) }

// Pending reports whether a chain is available.
func (q *Packed) Pending() bool {
	_, flags := q.desc[q.next].LoadTail()
	return ring.AvailNow(flags, q.nextWrap)
}

// Next takes up to len(batch) chains. If the ring breaks, it returns the
// chains taken before the break and a *BrokenError.
func (q *Packed) Next(batch []*Chain) (int, error) {
	for i := range batch {
		// This load acquires. The driver writes the flags of a chain's first
		// descriptor last: the chain is read after it.
		d := &q.desc[q.next]
		id, flags := d.LoadTail()
		if !ring.AvailNow(flags, q.nextWrap) {
			return i, nil
		}
		c := q.core.chain()
		if q.taken < int(q.size) && q.quick(c, d, flags) {
			c.head, c.places = id, 1
		} else if err := q.walk(c, id, flags); err != nil {
			q.core.free = append(q.core.free, c)
			return i, err
		}
		q.taken += int(c.places)
		q.next, q.nextWrap = q.advance(q.next, q.nextWrap, c.places)
		q.held++
		batch[i] = c
	}
	return len(batch), nil
}

// advance moves a place on by n, at most once around.
func (q *Packed) advance(at uint16, wrap bool, n uint16) (uint16, bool) {
	if n >= q.size-at {
		return n - (q.size - at), !wrap
	}
	return at + n, wrap
}

// walk collects the buffers of the chain at the next place, whose id and flags
// were read.
func (q *Packed) walk(c *Chain, id, flags uint16) error {
	q.core.begin(c)
	at, limit := q.next, min(int(q.size)-q.taken, MaxChain)
	for n := 1; ; n++ {
		if n > limit {
			return broken("chain of more than %d descriptors in a ring of %d, %d in use", limit, q.size, q.taken)
		}
		d := &q.desc[at]
		addr, length := d.LoadBody()
		if n > 1 {
			id, flags = d.LoadTail()
		}
		if flags&ring.DescFIndirect == 0 {
			if err := q.core.add(c, addr, uint64(length), flags); err != nil {
				return err
			}
		} else if n > 1 || flags&ring.DescFNext != 0 {
			return broken("indirect descriptor %d in a chain of others", at)
		} else if err := q.indirect(c, addr, uint64(length)); err != nil {
			return err
		}
		if flags&ring.DescFNext == 0 {
			c.head, c.places = id, uint16(n)
			q.core.finish(c)
			return nil
		}
		if at++; at == q.size {
			at = 0
		}
	}
}

// indirect collects the buffers of an indirect table, which are in a row
// (section 2.8.7).
func (q *Packed) indirect(c *Chain, addr, size uint64) error {
	entries := size / ring.DescSize
	switch {
	case !q.core.cfg.Indirect:
		return broken("an indirect descriptor was not negotiated")
	case size%ring.DescSize != 0 || entries == 0 || entries > MaxChain:
		return broken("indirect table of %d bytes", size)
	}
	table, err := q.core.table.Bytes(addr, size)
	if err != nil {
		if table, err = q.core.gatherTable(addr, size); err != nil {
			return &BrokenError{"indirect table", err}
		}
	}
	for i := range ring.Descs(table) {
		// Flags come last in this layout; all but WRITE are reserved here.
		addr, length, _, flags := ring.Descs(table)[i].Load()
		if flags&ring.DescFIndirect != 0 {
			return broken("indirect descriptor in an indirect table")
		}
		if err := q.core.add(c, addr, uint64(length), flags); err != nil {
			return err
		}
	}
	return nil
}

// Push stages a chain as used.
func (q *Packed) Push(c *Chain, written uint32) {
	q.pushed = append(q.pushed, usedChain{written, c.head, c.places})
	q.held--
	q.taken -= int(c.places)
	if len(c.segs) > keptSegments {
		c.shrink()
	}
	q.core.free = append(q.core.free, c)
}

// Publish shows what was pushed to the driver and reports whether the driver
// wants to be notified of it.
func (q *Packed) Publish() (notify bool) {
	if len(q.pushed) == 0 {
		return false
	}
	// The driver looks at the first place: what is behind is seen with it.
	first, firstFlags, places := q.used, uint16(0), 0
	for i, u := range q.pushed {
		flags := ring.PackedUsed(q.usedWrap)
		if u.written > 0 {
			flags |= ring.DescFWrite
		}
		d := &q.desc[q.used]
		d.StoreLength(u.written)
		if i == 0 {
			firstFlags = flags
		} else {
			d.PutTail(u.id, flags)
		}
		q.used, q.usedWrap = q.advance(q.used, q.usedWrap, u.places)
		places += int(u.places)
	}
	// This store releases: buffers and the used descriptors behind this one
	// are visible before it. And it is a full barrier between showing and
	// reading the driver's wish, as in Split.
	q.desc[first].StoreTailFence(q.pushed[0].id, firstFlags)
	q.pushed = q.pushed[:0]
	return ring.NeedPackedEvent(ring.LoadWord(q.driver), q.used, q.usedWrap, places, int(q.size), q.core.cfg.EventIdx)
}

// SuppressKicks tells the driver that it need not notify the device.
func (q *Packed) SuppressKicks() { q.want(ring.EventDisable << 16) }

// WantKicks asks the driver to notify the device of the next chain, and
// reports whether one is there already, for which no kick may come.
func (q *Packed) WantKicks() (more bool) {
	wish := uint32(ring.EventEnable) << 16
	if q.core.cfg.EventIdx {
		wish = ring.EventDesc<<16 | uint32(q.Base())
	}
	q.want(wish)
	// A full barrier between asking and looking, as in Split.
	ring.Fence()
	return q.Pending()
}

// want writes our wish if it is another than before.
func (q *Packed) want(wish uint32) {
	if q.wish != wish {
		q.wish = wish
		ring.StoreWord(q.device, wish)
	}
}

// SPDX-License-Identifier: Apache-2.0

package virtq

import "vcrypto/virtio/internal/ring"

// Nearly all chains are alike: their descriptors follow each other in a table,
// and their buffers are not empty and in one region of memory. The loops here
// know only those, and do little for each descriptor. Of any other chain they
// say so, and it is left to walk, which begins anew and finds what is wrong, if
// anything is. So a descriptor may be read twice, but what was read is checked
// and used, or dropped.

// quick collects the buffers of the chain that begins at a descriptor.
func (q *Split) quick(c *Chain, head uint16) bool {
	hotAddr, hotLen := q.hotAddr, uint64(len(q.hot))
	table, like := q.desc[head:], uint32(head)
	if addr, size, flags, _ := table[0].Load(); flags&ring.DescFIndirect != 0 {
		n, off := uint64(size), addr-hotAddr
		if off >= hotLen || n > hotLen-off || n%ring.DescSize != 0 || n-1 >= MaxChain*ring.DescSize ||
			flags&ring.DescFNext != 0 || !q.cfg.Indirect && !q.cfg.Unnegotiated {
			return false
		}
		table, like = descsAt(q.hotBase, off, size/ring.DescSize), 0
	}
	table = table[:min(len(table), cap(c.segs))]
	segs := c.segs[:len(table)]

	// like is what the flags and the next of a descriptor are that the next
	// one in the table follows.
	const step = 1 << 16
	like = (like+1)*step | ring.DescFNext
	i, read := 0, uint64(0)
	for ; i < len(table); i++ {
		addr, size, tail := table[i].LoadWords()
		if tail != like {
			break
		}
		n, off := uint64(size), addr-hotAddr
		// The second condition is 0 < n && off+n <= hotLen, which cannot
		// overflow here.
		if off >= hotLen || n-1 >= hotLen-off {
			return false
		}
		segs[i].off, segs[i].n = off, size
		read += n
		like += step
	}
	c.split, c.ReadLen = uint32(i), read
	like |= ring.DescFWrite
	written := uint64(0)
	for ; i < len(table); i++ {
		addr, size, tail := table[i].LoadWords()
		n, off := uint64(size), addr-hotAddr
		if off >= hotLen || n-1 >= hotLen-off {
			return false
		}
		segs[i].off, segs[i].n = off, size
		written += n
		if tail != like {
			if uint16(tail) != ring.DescFWrite { // the last one
				return false
			}
			c.segs = c.segs[:i+1]
			c.WriteLen = written
			if c.base != q.hotBase { // to write a pointer costs more than to look
				c.base = q.hotBase
			}
			return true
		}
		like += step
	}
	return false
}

// quick collects the buffers of a chain in an indirect table, whose descriptor
// has these flags. There the descriptors are in a row without a next, and
// their flags, of which all but WRITE are reserved, come last.
func (q *Packed) quick(c *Chain, d *ring.Desc, flags uint16) bool {
	if flags&(ring.DescFIndirect|ring.DescFNext|ring.DescFWrite) != ring.DescFIndirect || !q.core.cfg.Indirect {
		return false
	}
	hotAddr, hotLen := q.core.hotAddr, uint64(len(q.core.hot))
	addr, size := d.LoadBody()
	n, off := uint64(size), addr-hotAddr
	if off >= hotLen || n > hotLen-off || n%ring.DescSize != 0 || n-1 >= uint64(cap(c.segs))*ring.DescSize {
		return false
	}
	table := descsAt(q.core.hotBase, off, size/ring.DescSize)
	segs := c.segs[:len(table)]
	const writable = ring.DescFWrite << 16
	i, read := 0, uint64(0)
	for ; i < len(table); i++ {
		addr, size, tail := table[i].LoadWords()
		if tail >= 1<<16 {
			break
		}
		n, off := uint64(size), addr-hotAddr
		if off >= hotLen || n-1 >= hotLen-off {
			return false
		}
		segs[i].off, segs[i].n = off, size
		read += n
	}
	split, written := i, uint64(0)
	for ; i < len(table); i++ {
		addr, size, tail := table[i].LoadWords()
		n, off := uint64(size), addr-hotAddr
		if off >= hotLen || n-1 >= hotLen-off || tail&^(1<<16-1) != writable {
			return false
		}
		segs[i].off, segs[i].n = off, size
		written += n
	}
	c.segs = c.segs[:len(table)]
	c.split = uint32(split)
	c.ReadLen, c.WriteLen = read, written
	if c.base != q.core.hotBase {
		c.base = q.core.hotBase
	}
	return true
}

// warm makes the region of an address the hot one. It reports whether it is
// another one than before.
func (q *Split) warm(addr uint64) bool {
	number, start, data := q.table.Lookup(addr)
	if data == nil || start == q.hotAddr && len(q.hot) > 0 {
		return false
	}
	q.hotRegion, q.hotAddr, q.hot, q.hotBase = uint32(number), start, data, baseOf(data)
	return true
}

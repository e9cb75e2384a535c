// SPDX-License-Identifier: Apache-2.0

package virtq

import (
	"fmt"

	"vcrypto/virtio/internal/ring"
	"vcrypto/virtio/mem"
)

// walker is what is known of a chain that is being collected.
type walker struct {
	write uint16 // descFWrite once a writable descriptor was seen
	total uint64 // bytes
}

// begin empties a chain.
func (q *Split) begin(c *Chain) {
	c.segs = c.segs[:0]
	q.walker = walker{}
}

// finish divides a chain's segments, and notes where their region is if all
// are in one.
func (q *Split) finish(c *Chain) {
	if q.walker.write == 0 {
		c.split, c.ReadLen = uint32(len(c.segs)), q.walker.total
	}
	c.WriteLen = q.walker.total - c.ReadLen
	c.base = nil
	if len(c.segs) == 0 {
		return
	}
	region := c.segs[0].region
	for i := range c.segs {
		if c.segs[i].region != region {
			return
		}
	}
	c.base = baseOf(q.table.Data(int(region)))
}

// walk collects the buffers of the chain that begins at a descriptor.
func (q *Split) walk(c *Chain, head int) error {
	q.begin(c)
	table, at, count, indirect := q.desc, head, 0, false
	for {
		if at >= len(table) {
			return broken("descriptor %d follows in a table of %d", at, len(table))
		}
		if count == min(len(table), MaxChain) {
			return broken("chain in a table of %d descriptors loops, or has more than %d", len(table), MaxChain)
		}
		addr, size, flags, next := table[at].Load()
		if flags&ring.DescFIndirect != 0 {
			// The last of a chain, which goes on in its table.
			var err error
			if table, err = q.indirectTable(at, addr, uint64(size), flags, indirect); err != nil {
				return err
			}
			indirect, at, count = true, 0, 0
			continue
		}
		if err := q.add(c, addr, uint64(size), flags); err != nil {
			return err
		}
		if flags&ring.DescFNext == 0 {
			break
		}
		at = int(next)
		count++
	}
	q.finish(c)
	return nil
}

// add appends any buffer.
func (q *Split) add(c *Chain, addr, n uint64, flags uint16) error {
	w := &q.walker
	if write := flags & ring.DescFWrite; write != w.write {
		if write == 0 {
			return broken("readable descriptor after a writable one")
		}
		w.write = write
		c.split, c.ReadLen = uint32(len(c.segs)), w.total
	}
	w.total += n
	for n > 0 {
		off := addr - q.hotAddr
		if off >= uint64(len(q.hot)) {
			if !q.warm(addr) {
				return &BrokenError{"buffer", fmt.Errorf("%d bytes at %#x: %w", n, addr, mem.ErrNotMapped)}
			}
			off = addr - q.hotAddr
		}
		if len(c.segs) == MaxSegments {
			return broken("chain in more than %d pieces of memory regions", MaxSegments)
		}
		take := min(n, uint64(len(q.hot))-off)
		c.segs = append(c.segs, segment{off, uint32(take), q.hotRegion})
		addr += take // cannot wrap: the region does not, and its end is in no region
		n -= take
	}
	return nil
}

// indirectTable returns the table of an indirect descriptor, section 2.7.5.3.
func (q *Split) indirectTable(at int, addr, size uint64, flags uint16, nested bool) ([]ring.Desc, error) {
	entries := size / ring.DescSize
	switch {
	case nested:
		return nil, broken("indirect descriptor in an indirect table")
	case flags&ring.DescFNext != 0:
		return nil, broken("indirect descriptor %d has a next", at)
	case !q.cfg.Indirect && !q.cfg.Unnegotiated:
		return nil, broken("indirect descriptor %d was not negotiated", at)
	case size%ring.DescSize != 0 || entries == 0 || entries > MaxChain:
		return nil, broken("indirect table of %d bytes", size)
	}
	if off := addr - q.hotAddr; off < uint64(len(q.hot)) && size <= uint64(len(q.hot))-off {
		return ring.Descs(q.hot[off : off+size]), nil
	}
	table, err := q.table.Bytes(addr, size)
	if err != nil {
		if table, err = q.gatherTable(addr, size); err != nil {
			return nil, &BrokenError{"indirect table", err}
		}
	}
	return ring.Descs(table), nil
}

// gatherTable copies an indirect table that crosses from one region into the
// next.
func (q *Split) gatherTable(addr, size uint64) ([]byte, error) {
	segs, err := q.table.Append(nil, addr, size)
	if err != nil {
		return nil, err
	}
	q.indirect = q.indirect[:0]
	for _, s := range segs {
		q.indirect = append(q.indirect, s...)
	}
	return q.indirect, nil
}

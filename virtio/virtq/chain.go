// SPDX-License-Identifier: Apache-2.0

package virtq

const (
	// inlineSegments is how many segments a chain holds before its list is
	// moved to the heap. With so many a chain is four cache lines, of which
	// most touch two.
	inlineSegments = 11

	// keptSegments is the longest list that then stays for the queue's life:
	// chains of so many segments cost no allocation, and a guest that sends
	// the longest ones does not make the daemon keep memory for them.
	keptSegments = 128
)

// Chain is a descriptor chain: buffers the device may read, then buffers it
// may write. It belongs to its queue; it, and the memory that its cursors and
// segments lead to, may be used from [Split.Next] until [Split.Push].
//
// Its memory is in the driver's order. Buffers that lie beside each other in
// guest memory are taken for one, and empty ones left out.
type Chain struct {
	// ReadLen and WriteLen are the bytes of the two parts.
	ReadLen, WriteLen uint64

	segs []segment // all of them

	// base is where the region begins that all segments are in, as most
	// chains' are; of others it is nil, and each segment says its own.
	base base

	split  uint32 // index in segs of the first writable segment
	head   uint16 // the first descriptor; of a packed ring the chain's id
	places uint16 // descriptors, in a packed ring
	index  uint16

	inline [inlineSegments]segment
	q      *Split
}

// segment is a run of bytes in a region of the queue's memory table. It has
// no pointers, so that writing one costs the garbage collector nothing.
type segment struct {
	off    uint64 // in the region
	n      uint32 // bytes, at least 1
	region uint32 // its number, if the chain has no base
}

// newChain makes a chain, the queue's index-th.
func newChain(q *Split, index int) *Chain {
	c := &Chain{q: q, index: uint16(index)}
	c.segs = c.inline[:0]
	return c
}

// Index tells chains that are held at the same time apart: it is less than the
// most that the queue ever held at once, and stays a chain's for the queue's
// life. So what a device knows of a chain can be in an array.
func (c *Chain) Index() int { return int(c.index) }

// shrink lets go of a list that is too long to keep.
func (c *Chain) shrink() { c.segs = c.inline[:0] }

// bytes returns n bytes of a segment, from off on. They lie in the segment, or
// it and those behind it, which were checked against their region when they
// were made.
func (c *Chain) bytes(s *segment, off, n uint32) []byte {
	if c.base != nil {
		return within(c.base, s.off+uint64(off), n)
	}
	return c.elsewhere(s, off, n)
}

// elsewhere is bytes for chains without a base.
func (c *Chain) elsewhere(s *segment, off, n uint32) []byte {
	at := s.off + uint64(off)
	return c.q.table.Data(int(s.region))[at : at+uint64(n) : at+uint64(n)]
}

// beside reports whether segment i begins where the one before it ends.
func (c *Chain) beside(i int) bool {
	a, b := &c.segs[i-1], &c.segs[i]
	return a.off+uint64(a.n) == b.off && (c.base != nil || a.region == b.region)
}

// Segments are the numbers of segments of both parts, for [Chain.Segment].
func (c *Chain) Segments() (readable, writable int) {
	return int(c.split), len(c.segs) - int(c.split)
}

// Segment returns segment i in place, counted from the beginning of the
// readable part. Segments are buffers or parts of buffers. It is for those who
// count nanoseconds and know what to expect; others use cursors.
func (c *Chain) Segment(i int) []byte {
	s := &c.segs[i]
	if c.base != nil {
		return within(c.base, s.off, s.n)
	}
	return c.elsewhere(s, 0, s.n)
}

// Reader returns a cursor at the beginning of the readable part.
func (c *Chain) Reader() Cursor { return Cursor{chain: c, end: int(c.split)} }

// Writer returns a cursor at the beginning of the writable part.
func (c *Chain) Writer() Cursor { return Cursor{chain: c, at: int(c.split), end: len(c.segs)} }

// Readable returns the readable part, in a list of its own.
func (c *Chain) Readable() [][]byte { return c.list(0, int(c.split)) }

// Writable does the same for the writable part.
func (c *Chain) Writable() [][]byte { return c.list(int(c.split), len(c.segs)) }

func (c *Chain) list(from, to int) [][]byte {
	var all [][]byte
	for at := (Cursor{chain: c, at: from, end: to}); at.at < at.end; {
		n := uint64(c.segs[at.at].n)
		for i := at.at + 1; i < to && c.beside(i) && n+uint64(c.segs[i].n) <= maxSegment; i++ {
			n += uint64(c.segs[i].n)
		}
		var b []byte
		b, at = at.Take(int(n))
		all = append(all, b)
	}
	return all
}

// SetLast writes the last byte of the writable part, which must not be empty.
func (c *Chain) SetLast(b byte) {
	s := &c.segs[len(c.segs)-1]
	if c.base != nil {
		*at(c.base, s.off+uint64(s.n)-1) = b
		return
	}
	c.elsewhere(s, s.n-1, 1)[0] = b
}

// Cursor walks over a part of a chain. The zero Cursor is at the end of
// nothing; copy one to remember a place.
type Cursor struct {
	chain   *Chain
	at, end int    // in chain.segs
	off     uint32 // in the segment
}

// rest returns what is left of the segment the cursor is in.
func (c *Cursor) rest() []byte {
	s := &c.chain.segs[c.at]
	return c.chain.bytes(s, c.off, s.n-c.off)
}

// Read copies from the chain to p, moves on, and returns how many bytes there
// were.
func (c *Cursor) Read(p []byte) int {
	done := 0
	for done < len(p) && c.at < c.end {
		n := copy(p[done:], c.rest())
		done += n
		c.advance(uint32(n))
	}
	return done
}

// Write copies p into the chain, moves on, and returns how many bytes fit.
func (c *Cursor) Write(p []byte) int {
	done := 0
	for done < len(p) && c.at < c.end {
		n := copy(c.rest(), p[done:])
		done += n
		c.advance(uint32(n))
	}
	return done
}

// Bytes returns the next n bytes in place and moves on, if they lie beside
// each other; otherwise it returns nil and stays.
func (c *Cursor) Bytes(n int) (b []byte) {
	b, *c = c.Take(n)
	return b
}

// Take is Bytes for those who count nanoseconds: it returns the moved cursor,
// so that both can stay in registers.
func (c Cursor) Take(n int) ([]byte, Cursor) {
	if c.at >= c.end {
		return nil, c
	}
	s := &c.chain.segs[c.at]
	if uint64(n) > uint64(s.n-c.off) {
		return c.takeMore(n)
	}
	b := c.chain.bytes(s, c.off, uint32(n))
	if c.off += uint32(n); c.off == s.n {
		c.at, c.off = c.at+1, 0
	}
	return b, c
}

// takeMore is Take for more than is left of a segment.
func (c Cursor) takeMore(n int) ([]byte, Cursor) {
	first, from := &c.chain.segs[c.at], c.off
	left := uint64(n) - uint64(first.n-from)
	if uint64(n) > maxSegment {
		return nil, c
	}
	for at := c.at + 1; at < c.end && c.chain.beside(at); at++ {
		size := uint64(c.chain.segs[at].n)
		if left <= size {
			b := c.chain.bytes(first, from, uint32(n))
			c.at, c.off = at, uint32(left)
			if left == size {
				c.at, c.off = at+1, 0
			}
			return b, c
		}
		left -= size
	}
	return nil, c
}

// maxSegment is the most that Take gives, in bytes.
const maxSegment = 1<<32 - 1

// Skip moves on by n bytes and reports whether there were so many.
func (c *Cursor) Skip(n int) bool {
	for n > 0 && c.at < c.end {
		step := min(n, int(c.chain.segs[c.at].n-c.off))
		c.advance(uint32(step))
		n -= step
	}
	return n == 0
}

// advance moves on by n bytes within the segment.
func (c *Cursor) advance(n uint32) {
	c.off += n
	if c.off == c.chain.segs[c.at].n {
		c.at++
		c.off = 0
	}
}

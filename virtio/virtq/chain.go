// SPDX-License-Identifier: Apache-2.0

package virtq

const (
	// inlineSegments is how many segments a chain holds before its list is
	// moved to the heap.
	inlineSegments = 8

	// keptSegments is the longest list that then stays for the queue's life:
	// chains of so many segments cost no allocation, and a guest that sends
	// the longest ones does not make the daemon keep memory for them.
	keptSegments = 128
)

// Chain is a descriptor chain: buffers the device may read, then buffers it
// may write. It belongs to its queue; it, and the memory that its cursors and
// segments lead to, may be used from [Split.Next] until [Split.Push].
//
// The segments are guest memory, in the driver's order. Neighbours that are
// contiguous in guest memory are joined; empty ones are left out.
type Chain struct {
	// ReadLen and WriteLen are the bytes of the two parts.
	ReadLen, WriteLen uint64

	// first is the region that the first segment is in, and base where that
	// begins: most chains lie in one region, and are reached without a look
	// at the table.
	base  base
	first uint32
	head  uint16    // the first descriptor; of a packed ring the chain's id
	write uint16    // descFWrite once a writable descriptor was seen
	split int       // index in segs of the first writable segment
	total uint64    // bytes
	end   uint64    // guest address after the last segment, or noEnd
	segs  []segment // all of them
	q     *Split

	places uint16 // descriptors, in a packed ring

	inline [inlineSegments]segment
}

// segment is a run of bytes in a region of the queue's memory table. It has
// no pointers, so that writing one costs the garbage collector nothing.
type segment struct {
	off    uint64 // in the region
	n      uint32 // bytes, at least 1
	region uint32 // its number
}

// noEnd is a guest address that no segment begins at: a region ends below it.
const noEnd = ^uint64(0)

func newChain(q *Split) *Chain {
	c := &Chain{q: q}
	c.segs = c.inline[:0]
	return c
}

// begin empties the chain.
func (c *Chain) begin() {
	c.segs = c.segs[:0]
	c.write, c.total, c.end = 0, 0, noEnd
}

// turn notes that what follows is writable.
func (c *Chain) turn(write uint16) {
	c.write = write
	c.split, c.ReadLen = len(c.segs), c.total
	c.end = noEnd
}

// finish divides the segments, and notes where the first one's region is.
func (c *Chain) finish() {
	if len(c.segs) > 0 {
		c.first = c.segs[0].region
		b := c.q.hotBase
		if c.first != c.q.hotRegion {
			b = baseOf(c.q.table.Data(int(c.first)))
		}
		if c.base != b { // to write a pointer costs more than to look
			c.base = b
		}
	}
	if c.write == 0 {
		c.split, c.ReadLen = len(c.segs), c.total
	}
	c.WriteLen = c.total - c.ReadLen
}

// shrink lets go of a list that is too long to keep.
func (c *Chain) shrink() { c.segs = c.inline[:0] }

// bytes returns n bytes of a segment, from off on in its region. They lie in
// the segment, which was checked against its region when it was made.
func (c *Chain) bytes(region uint32, off uint64, n uint32) []byte {
	if region == c.first {
		return within(c.base, off, n)
	}
	return c.q.table.Data(int(region))[off : off+uint64(n) : off+uint64(n)]
}

// Reader returns a cursor at the beginning of the readable part.
func (c *Chain) Reader() Cursor { return Cursor{chain: c, end: c.split} }

// Writer returns a cursor at the beginning of the writable part.
func (c *Chain) Writer() Cursor { return Cursor{chain: c, at: c.split, end: len(c.segs)} }

// Readable returns the segments of the readable part, in a list of their own.
func (c *Chain) Readable() [][]byte { return c.list(c.segs[:c.split]) }

// Writable does the same for the writable part.
func (c *Chain) Writable() [][]byte { return c.list(c.segs[c.split:]) }

func (c *Chain) list(segs []segment) [][]byte {
	var all [][]byte
	for i := range segs {
		all = append(all, c.bytes(segs[i].region, segs[i].off, segs[i].n))
	}
	return all
}

// LastWritable returns the last byte of the writable part, which must not be
// empty, as a slice.
func (c *Chain) LastWritable() []byte {
	s := &c.segs[len(c.segs)-1]
	return c.bytes(s.region, s.off+uint64(s.n)-1, 1)
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
	return c.chain.bytes(s.region, s.off+uint64(c.off), s.n-c.off)
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

// Bytes returns the next n bytes in place and moves on, if they lie in one
// segment; otherwise it returns nil and stays.
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
		return nil, c
	}
	b := c.chain.bytes(s.region, s.off+uint64(c.off), uint32(n))
	if c.off += uint32(n); c.off == s.n {
		c.at, c.off = c.at+1, 0
	}
	return b, c
}

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

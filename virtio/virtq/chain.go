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

	q     *Split
	head  uint16
	write uint16    // descFWrite once a writable descriptor was seen
	split int       // index in segs of the first writable segment
	total uint64    // bytes
	end   uint64    // guest address after the last segment, or noEnd
	segs  []segment // all of them

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

// finish divides the segments.
func (c *Chain) finish() {
	if c.write == 0 {
		c.split, c.ReadLen = len(c.segs), c.total
	}
	c.WriteLen = c.total - c.ReadLen
}

// shrink lets go of a list that is too long to keep.
func (c *Chain) shrink() { c.segs = c.inline[:0] }

// bytes returns a segment's memory. It was checked against its region when
// it was made.
func (c *Chain) bytes(s *segment) []byte {
	return c.q.table.Data(int(s.region))[s.off : s.off+uint64(s.n) : s.off+uint64(s.n)]
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
		all = append(all, c.bytes(&segs[i]))
	}
	return all
}

// LastWritable returns the last byte of the writable part, which must not be
// empty, as a slice.
func (c *Chain) LastWritable() []byte {
	s := &c.segs[len(c.segs)-1]
	last := s.off + uint64(s.n) - 1
	return c.q.table.Data(int(s.region))[last : last+1 : last+1]
}

// Cursor walks over a part of a chain. The zero Cursor is at the end of
// nothing; copy one to remember a place.
type Cursor struct {
	chain   *Chain
	at, end int    // in chain.segs
	off     uint32 // in the segment
}

// rest returns what is left of the segment the cursor is in.
func (c *Cursor) rest() []byte { return c.chain.bytes(&c.chain.segs[c.at])[c.off:] }

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
func (c *Cursor) Bytes(n int) []byte {
	if c.at >= c.end {
		return nil
	}
	s := &c.chain.segs[c.at]
	if uint64(n) > uint64(s.n-c.off) {
		return nil
	}
	from := s.off + uint64(c.off)
	c.advance(uint32(n))
	return c.chain.q.table.Data(int(s.region))[from : from+uint64(n) : from+uint64(n)]
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

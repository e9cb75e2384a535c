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
// may write. It belongs to its queue; it may be used from [Split.Next] until
// [Split.Push].
//
// The segments are guest memory, in the driver's order. Neighbours that are
// contiguous in guest memory are joined; empty ones are left out.
type Chain struct {
	// Readable and Writable are the segments. Use them, do not change them.
	Readable, Writable [][]byte
	// ReadLen and WriteLen are their sums in bytes.
	ReadLen, WriteLen uint64

	head  uint16
	write uint16   // descFWrite once a writable descriptor was seen
	split int      // index in segs of the first writable segment
	total uint64   // bytes
	end   uint64   // guest address after the last segment, or noEnd
	segs  [][]byte // all of them

	inline [inlineSegments][]byte
}

// noEnd is a guest address that no segment begins at: a region ends below it.
const noEnd = ^uint64(0)

func newChain() *Chain {
	c := new(Chain)
	c.segs = c.inline[:0]
	return c
}

// begin empties the chain.
func (c *Chain) begin() {
	c.segs = c.segs[:0]
	c.write, c.total, c.end = 0, 0, noEnd
}

// finish divides the segments.
func (c *Chain) finish() {
	if c.write == 0 {
		c.split, c.ReadLen = len(c.segs), c.total
	}
	c.WriteLen = c.total - c.ReadLen
	c.Readable, c.Writable = c.segs[:c.split:c.split], c.segs[c.split:len(c.segs):len(c.segs)]
}

// shrink lets go of a list that is too long to keep.
func (c *Chain) shrink() {
	c.Readable, c.Writable, c.segs = nil, nil, c.inline[:0]
}

// Cursor walks over segments. The zero Cursor is at the end of nothing; copy
// one to remember a place.
type Cursor struct {
	segs [][]byte
	off  int // in segs[0]
}

// NewCursor returns a cursor at the beginning of segs.
func NewCursor(segs [][]byte) Cursor { return Cursor{segs: segs} }

// Read copies from the segments to p, moves on, and returns how many bytes
// there were.
func (c *Cursor) Read(p []byte) int {
	done := 0
	for done < len(p) && len(c.segs) > 0 {
		n := copy(p[done:], c.segs[0][c.off:])
		done += n
		c.advance(n)
	}
	return done
}

// Write copies p into the segments, moves on, and returns how many bytes fit.
func (c *Cursor) Write(p []byte) int {
	done := 0
	for done < len(p) && len(c.segs) > 0 {
		n := copy(c.segs[0][c.off:], p[done:])
		done += n
		c.advance(n)
	}
	return done
}

// Bytes returns the next n bytes in place and moves on, if they lie in one
// segment; otherwise it returns nil and stays.
func (c *Cursor) Bytes(n int) []byte {
	if len(c.segs) == 0 || n > len(c.segs[0])-c.off {
		return nil
	}
	b := c.segs[0][c.off : c.off+n : c.off+n]
	c.advance(n)
	return b
}

// Skip moves on by n bytes and reports whether there were so many.
func (c *Cursor) Skip(n int) bool {
	for n > 0 && len(c.segs) > 0 {
		step := min(n, len(c.segs[0])-c.off)
		c.advance(step)
		n -= step
	}
	return n == 0
}

// advance moves on by n bytes within the first segment.
func (c *Cursor) advance(n int) {
	c.off += n
	if c.off == len(c.segs[0]) {
		c.segs, c.off = c.segs[1:], 0
	}
}

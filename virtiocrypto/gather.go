// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// place gives a request its source and destination of n bytes each: guest
// memory itself where both are contiguous and do not overlap by halves. Else
// the result is made in scratch memory and copied from there; a source that is
// not contiguous is copied there first.
func (w *dataWorker) place(r *request, src, dst virtq.Cursor, n int) Status {
	if n == 0 {
		r.Src, r.Dst = nil, nil
		return StatusOK
	}
	s, _ := src.Take(n)
	d, _ := dst.Take(n)
	if s != nil && d != nil && !overlaps(s, d) {
		r.Src, r.Dst = s, d
		return StatusOK
	}
	buf := w.take(n)
	if s == nil {
		src.Read(buf)
		s = buf
	}
	r.Src, r.Dst = s, buf
	r.scratch, r.dst = n, dst
	return StatusOK
}

// take returns n bytes of scratch memory, waiting for requests that use it if
// there is no room.
func (w *dataWorker) take(n int) []byte {
	for {
		if buf := w.scratch.take(n, w.d.maxSize); buf != nil {
			return buf
		}
		w.submit()
		w.reap(engine.Wait)
	}
}

const (
	// scratchFirst is what scratch memory begins with, and scratchHuge is how
	// many of the largest requests it has room for when it has grown, by
	// scratchGrowth at a time: what is left behind stays the process's for a
	// while, so that a few large steps take less memory than many small ones.
	scratchFirst  = 64 << 10
	scratchHuge   = 2
	scratchGrowth = 8
)

// scratch is memory for requests that cannot be done in place. It is handed
// out from one end and is all free again when everything was given back.
type scratch struct {
	mem  []byte
	used int
	out  int // bytes not given back

	// short: there was no room for a request since it last grew.
	short bool
}

// take returns n bytes, or nil if there is no room until some are given back.
func (s *scratch) take(n, largest int) []byte {
	if n > len(s.mem)-s.used && s.out > 0 {
		s.short = true
		return nil
	}
	if s.out == 0 && (s.short || n > len(s.mem)) {
		s.grow(n, largest)
	}
	b := s.mem[s.used : s.used+n : s.used+n]
	s.used += n
	s.out += n
	return b
}

// grow makes room for n bytes, up to the largest, and for more than before if
// it can. Nobody uses the old memory.
func (s *scratch) grow(n, largest int) {
	s.short = false
	size := min(max(scratchGrowth*len(s.mem), n, scratchFirst), scratchHuge*largest)
	if size > len(s.mem) {
		s.erase()
		s.mem = make([]byte, size)
	}
}

// give takes n bytes back.
func (s *scratch) give(n int) {
	if s.out -= n; s.out == 0 {
		s.used = 0
	}
}

// erase zeroes what guests' data was in.
func (s *scratch) erase() { clear(s.mem) }

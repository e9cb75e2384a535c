// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// place gives a request its source and destination of n bytes each: guest
// memory itself where both are contiguous and do not overlap by halves, else
// scratch memory that the source is copied to and the result copied from.
func (w *dataWorker) place(r *request, src, dst virtq.Cursor, n int) Status {
	if n == 0 {
		r.Src, r.Dst = nil, nil
		return StatusOK
	}
	from, to := src, dst
	s, d := src.Bytes(n), dst.Bytes(n)
	if s != nil && d != nil && !overlaps(s, d) {
		r.Src, r.Dst = s, d
		return StatusOK
	}
	buf := w.take(n)
	from.Read(buf)
	r.Src, r.Dst = buf, buf
	r.scratch, r.dst = n, to
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
	// many of the largest requests it has room for when it has grown.
	scratchFirst = 64 << 10
	scratchHuge  = 2
)

// scratch is memory for requests that cannot be done in place. It is handed
// out from one end and is all free again when everything was given back.
type scratch struct {
	mem  []byte
	used int
	out  int // bytes not given back
}

// take returns n bytes, or nil if there is no room until some are given back.
func (s *scratch) take(n, largest int) []byte {
	if n > len(s.mem)-s.used {
		if s.out > 0 {
			return nil
		}
		// Grow while nobody looks. An n up to the largest always fits.
		size := max(2*len(s.mem), n, scratchFirst)
		s.erase()
		s.mem = make([]byte, min(size, scratchHuge*largest))
		s.used = 0
	}
	b := s.mem[s.used : s.used+n : s.used+n]
	s.used += n
	s.out += n
	return b
}

// give takes n bytes back.
func (s *scratch) give(n int) {
	if s.out -= n; s.out == 0 {
		s.used = 0
	}
}

// erase zeroes what guests' data was in.
func (s *scratch) erase() { clear(s.mem) }

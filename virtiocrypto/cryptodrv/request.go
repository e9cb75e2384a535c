// SPDX-License-Identifier: Apache-2.0

package cryptodrv

import (
	"fmt"
	"slices"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
)

// Shape says how a cipher request lies in guest memory.
type Shape struct {
	IV   int // bytes
	Size int // bytes of the source, and of the destination

	// InPlace: the destination is the source's memory.
	InPlace bool

	// ReadCuts and WriteCuts, if not nil, say where the readable part (header,
	// IV, source) and the writable part (destination, status) are cut into
	// buffers: at these offsets, in ascending order. Buffers do not touch in
	// memory. Without cuts each of the five is one buffer. In place, the
	// destination is cut where the source is, and WriteCuts is not used.
	ReadCuts, WriteCuts []int

	// Align is what buffers' addresses are a multiple of, a power of two; 0
	// stands for 64, a cache line.
	Align int
}

const cacheLine = 64 // bytes

// Request is a cipher request in guest memory. It belongs to one goroutine at
// a time, and to the device while it is in flight.
type Request struct {
	// Readable and Writable are its buffers: the chain. They may be changed
	// before the request is sent.
	Readable, Writable []virtqdrv.Buf

	mem    *virtqdrv.Memory
	header []virtqdrv.Buf
	iv     []virtqdrv.Buf
	src    []virtqdrv.Buf
	dst    []virtqdrv.Buf
	status []byte
}

// NewRequest cuts a request's buffers from guest memory.
func NewRequest(m *virtqdrv.Memory, s Shape) (*Request, error) {
	if s.IV < 0 || s.Size < 0 {
		return nil, fmt.Errorf("%d bytes of IV, %d of source: %w", s.IV, s.Size, ErrShape)
	}
	if s.Align == 0 {
		s.Align = cacheLine
	}
	readCuts, writeCuts := s.ReadCuts, s.WriteCuts
	if readCuts == nil {
		readCuts = []int{HeaderSize, HeaderSize + s.IV}
	}
	if writeCuts == nil {
		writeCuts = []int{s.Size}
	}
	r := &Request{mem: m}
	var err error
	if r.Readable, err = scatter(m, HeaderSize+s.IV+s.Size, readCuts, s.Align); err != nil {
		return nil, fmt.Errorf("readable part: %w", err)
	}
	r.header = Part(r.Readable, 0, HeaderSize)
	r.iv = Part(r.Readable, HeaderSize, s.IV)
	r.src = Part(r.Readable, HeaderSize+s.IV, s.Size)
	if s.InPlace {
		status, err := scatter(m, StatusSize, nil, s.Align)
		if err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
		r.Writable = slices.Concat(r.src, status)
	} else if r.Writable, err = scatter(m, s.Size+StatusSize, writeCuts, s.Align); err != nil {
		return nil, fmt.Errorf("writable part: %w", err)
	}
	r.dst = Part(r.Writable, 0, s.Size)
	r.status = m.Bytes(Part(r.Writable, s.Size, StatusSize)[0])
	return r, nil
}

// scatter cuts n bytes of guest memory into buffers that do not touch.
func scatter(m *virtqdrv.Memory, n int, cuts []int, align int) ([]virtqdrv.Buf, error) {
	var bufs []virtqdrv.Buf
	from := 0
	for _, to := range append(slices.Clip(cuts), n) {
		if to < from || to > n {
			return nil, fmt.Errorf("cut at %d after one at %d of %d bytes: %w", to, from, n, ErrShape)
		}
		if to == from {
			continue
		}
		b, err := m.Alloc(to-from, uint64(align))
		if err != nil {
			return nil, err
		}
		if _, err := m.Alloc(1, 1); err != nil { // so that the next does not touch
			return nil, err
		}
		bufs = append(bufs, b)
		from = to
	}
	return bufs, nil
}

// Part returns the n bytes from offset off on of a list of buffers, as a list
// of buffers. It is shorter where there are not so many.
func Part(bufs []virtqdrv.Buf, off, n int) []virtqdrv.Buf {
	var part []virtqdrv.Buf
	for _, b := range bufs {
		if skip := min(off, int(b.Len)); skip > 0 {
			b.Addr += uint64(skip)
			b.Len -= uint32(skip)
			off -= skip
		}
		if take := min(n, int(b.Len)); take > 0 {
			part = append(part, virtqdrv.Buf{Addr: b.Addr, Len: uint32(take)})
			n -= take
		}
	}
	return part
}

// put copies data over bufs and returns how much of it there was room for.
func (r *Request) put(bufs []virtqdrv.Buf, data []byte) int {
	done := 0
	for _, b := range bufs {
		done += copy(r.mem.Bytes(b), data[done:])
	}
	return done
}

// appendBytes appends what bufs hold.
func (r *Request) appendBytes(to []byte, bufs []virtqdrv.Buf) []byte {
	for _, b := range bufs {
		to = append(to, r.mem.Bytes(b)...)
	}
	return to
}

// Fill writes a request: an honest header for the shape, the IV and the
// source.
func (r *Request) Fill(session uint64, opcode uint32, iv, src []byte) {
	r.SetHeader(r.Header(session, opcode))
	r.SetIV(iv)
	r.SetSource(src)
}

// Header returns an honest header for the shape.
func (r *Request) Header(session uint64, opcode uint32) Header {
	return Header{
		Opcode:    opcode,
		SessionID: session,
		IVLen:     size(r.iv),
		SrcLen:    size(r.src),
		DstLen:    size(r.dst),
		OpType:    virtiocrypto.SymOpCipher,
	}
}

func size(bufs []virtqdrv.Buf) (n uint32) {
	for _, b := range bufs {
		n += b.Len
	}
	return n
}

// SetHeader writes a header.
func (r *Request) SetHeader(h Header) {
	b := h.Bytes()
	r.put(r.header, b[:])
}

// SetIV writes the IV.
func (r *Request) SetIV(iv []byte) { r.put(r.iv, iv) }

// SetSource writes the source.
func (r *Request) SetSource(src []byte) { r.put(r.src, src) }

// Source returns a copy of what the source holds.
func (r *Request) Source() []byte { return r.appendBytes(nil, r.src) }

// Result returns a copy of what the destination holds.
func (r *Request) Result() []byte { return r.appendBytes(nil, r.dst) }

// AppendResult appends what the destination holds to b.
func (r *Request) AppendResult(b []byte) []byte { return r.appendBytes(b, r.dst) }

// Unanswered is the status of a request after Forget. No device writes it.
const Unanswered virtiocrypto.Status = 0xff

// Forget writes Unanswered where the status will be.
func (r *Request) Forget() { r.status[0] = byte(Unanswered) }

// Status returns what the device wrote as the status.
func (r *Request) Status() virtiocrypto.Status { return virtiocrypto.Status(r.status[0]) }

// Prepare writes the request's chain into a queue without sending it; see
// [virtqdrv.Queue.AddSlot]. Changing Readable and Writable later has no
// effect on it; changing what they hold has.
func (r *Request) Prepare(q *virtqdrv.Queue, cookie uint64) (virtqdrv.Slot, error) {
	return q.Prepare(r.Readable, r.Writable, cookie)
}

// Add makes the request available once; see [virtqdrv.Queue.Add].
func (r *Request) Add(q *virtqdrv.Queue, cookie uint64) error {
	return q.Add(r.Readable, r.Writable, cookie)
}

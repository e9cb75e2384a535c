// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// request is a data request in guest memory.
type request struct {
	mem                *virtqdrv.Memory
	readable, writable []virtqdrv.Buf // its chain
	want               []byte         // what the result begins with
}

// layOut lays out a request for each input. What is a driver's own, header, IV
// and status, is together for each request; header and IV are one buffer, as
// guest/driver has them. The sources of all requests are one array, and so are
// the destinations, as in the raw loop; with pieces each is that many buffers,
// of which none is beside another.
func layOut(m *virtqdrv.Memory, c Case, sessions []uint64, inputs []input, pieces int) ([]*request, error) {
	all := make([]*request, len(inputs))
	works := make([]cryptodrv.Work, len(inputs))
	for i := range inputs {
		in := &inputs[i]
		works[i] = c.work(in, sessions[in.key])
		all[i] = &request{mem: m, want: in.want}
	}
	for i, r := range all {
		readable, _, at := cryptodrv.Form{}.Data(works[i])
		src, err := buffers(m, len(readable)-at, pieces, i == 0)
		if err != nil {
			return nil, err
		}
		r.readable = src
		r.write(readable[at:])
	}
	for i, r := range all {
		dst, err := buffers(m, works[i].Dst+works[i].Result, pieces, i == 0)
		if err != nil {
			return nil, err
		}
		r.writable = dst
	}
	for i, r := range all {
		readable, _, at := cryptodrv.Form{}.Data(works[i])
		block, err := m.Alloc(at+cryptodrv.StatusSize, cacheLine)
		if err != nil {
			return nil, err
		}
		copy(m.Bytes(block), readable[:at])
		own := cryptodrv.Part([]virtqdrv.Buf{block}, 0, at)
		r.readable = append(own, r.readable...)
		r.writable = append(r.writable, cryptodrv.Part([]virtqdrv.Buf{block}, at, cryptodrv.StatusSize)...)
	}
	return all, nil
}

const cacheLine = 64 // bytes

// buffers cuts n bytes from guest memory. A single piece follows what was cut
// before, but for the first of an array.
func buffers(m *virtqdrv.Memory, n, pieces int, first bool) (all []virtqdrv.Buf, err error) {
	align := uint64(1)
	if first {
		align = cacheLine
	}
	for i := range max(pieces, 1) {
		b, err := m.Alloc(n*(i+1)/max(pieces, 1)-n*i/max(pieces, 1), align)
		if err != nil {
			return nil, err
		}
		if b.Len > 0 {
			all = append(all, b)
		}
		if pieces > 1 {
			if _, err := m.Alloc(1, 1); err != nil { // so that the next is not beside it
				return nil, err
			}
		}
	}
	return all, nil
}

// write writes over the readable part.
func (r *request) write(data []byte) {
	for _, b := range r.readable {
		data = data[copy(r.mem.Bytes(b), data):]
	}
}

// result is a copy of what the writable part holds, without the status.
func (r *request) result() (all []byte) {
	for _, b := range r.writable[:len(r.writable)-1] {
		all = append(all, r.mem.Bytes(b)...)
	}
	return all
}

// statusByte is where the status is.
func (r *request) statusByte() *byte { return &r.mem.Bytes(r.writable[len(r.writable)-1])[0] }

// forget writes what no device answers where the status and the result will be.
func (r *request) forget() {
	*r.statusByte() = byte(cryptodrv.Unanswered)
	for _, b := range r.writable[:len(r.writable)-1] {
		clear(r.mem.Bytes(b))
	}
}

func (r *request) status() virtiocrypto.Status { return virtiocrypto.Status(*r.statusByte()) }

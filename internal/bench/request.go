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

// layOut lays out a request for each input, as guest/driver does. What is a
// driver's own is together for each request: header and IV are one buffer; so
// are a hash, a MAC or a tag that the device writes and the status, in cache
// lines that the device's side alone writes to. The sources of all requests
// are one array, and so are the destinations, as in the raw loop; with pieces
// each is that many buffers, of which none is beside another.
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
		w := &works[i]
		dst, err := buffers(m, w.Dst+w.Result-c.answerSize(), pieces, i == 0)
		if err != nil {
			return nil, err
		}
		r.writable = dst
	}
	for i, r := range all {
		readable, _, at := cryptodrv.Form{}.Data(works[i])
		own, err := m.Alloc(at, cacheLine)
		if err != nil {
			return nil, err
		}
		copy(m.Bytes(own), readable[:at])
		answer, err := m.Alloc(c.answerSize()+cryptodrv.StatusSize, cacheLine)
		if err != nil {
			return nil, err
		}
		r.readable = append([]virtqdrv.Buf{own}, r.readable...)
		r.writable = append(r.writable, answer)
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
	for _, b := range r.writable {
		all = append(all, r.mem.Bytes(b)...)
	}
	return all[:len(all)-cryptodrv.StatusSize]
}

// statusByte is where the status is: the last byte of all.
func (r *request) statusByte() *byte {
	answer := r.mem.Bytes(r.writable[len(r.writable)-1])
	return &answer[len(answer)-cryptodrv.StatusSize]
}

// forget writes what no device answers where the status and the result will be.
func (r *request) forget() {
	for _, b := range r.writable {
		clear(r.mem.Bytes(b))
	}
	*r.statusByte() = byte(cryptodrv.Unanswered)
}

func (r *request) status() virtiocrypto.Status { return virtiocrypto.Status(*r.statusByte()) }

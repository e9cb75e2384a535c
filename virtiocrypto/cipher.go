// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// parseCipher fills in a request of a cipher session, section 5.9.7.4.1: after
// the header the readable part holds the IV and the source, the writable part
// the destination and the status. Every length is a copy of what the guest
// wrote, 32 bits wide and checked against its neighbours here; sums are made
// in 64 bits.
func (w *dataWorker) parseCipher(r *request, s *session, h dataHeader, in virtq.Cursor) Status {
	if h.opType != SymOpCipher {
		return StatusNotSupp
	}
	if (h.op == opCipherEncrypt) != (s.direction == engine.Encrypt) {
		return StatusErr
	}
	switch {
	case h.srcLen != h.dstLen, // a cipher's output is as long as its input
		uint64(h.srcLen) > uint64(w.d.maxSize),
		h.srcLen&s.partBlock != 0,
		r.chain.ReadLen < dataSize+uint64(h.ivLen)+uint64(h.srcLen),
		r.chain.WriteLen < uint64(h.dstLen)+statusSize:
		return StatusErr
	}
	if !w.takeIV(r, s, h.ivLen, &in) {
		return StatusErr
	}
	return w.place(r, in, r.chain.Writer(), int(h.srcLen))
}

// takeIV copies the IV. A cipher without one lets drivers send one all the
// same, as some do for ECB: it is passed over.
func (w *dataWorker) takeIV(r *request, s *session, ivLen uint32, in *virtq.Cursor) bool {
	r.IVLen = s.ivSize
	want := int(s.ivSize)
	switch {
	case want == 0:
		return in.Skip(int(ivLen))
	case int(ivLen) != want:
		return false
	}
	if b := in.Bytes(want); len(b) == engine.MaxIV { // in one piece, as most are
		r.IV = [engine.MaxIV]byte(b)
		return true
	} else if b != nil {
		copy(r.IV[:], b)
		return true
	}
	return in.Read(r.IV[:want]) == want
}

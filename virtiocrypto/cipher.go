// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// parseCipher fills in a request of a cipher session, section 5.9.7.7: after
// the header the readable part holds the IV and the source, the writable part
// the destination and the status.
func (w *dataWorker) parseCipher(r *request, s *session, op uint32, hdr *[dataSize]byte, in virtq.Cursor) Status {
	return w.cipher(r, s, op, dataSize,
		le.Uint32(hdr[reqIVLen:]), le.Uint32(hdr[reqSrcLen:]), le.Uint32(hdr[reqDstLen:]), in)
}

// cipher is parseCipher for a header of any form, with which so many bytes of
// the readable part are used up. Every length is a copy of what the guest
// wrote, 32 bits wide and checked against its neighbours here; sums are made
// in 64 bits.
func (w *dataWorker) cipher(r *request, s *session, op uint32, used uint64, ivLen, srcLen, dstLen uint32, in virtq.Cursor) Status {
	if (op == opCipherEncrypt) != (s.direction == engine.Encrypt) {
		return StatusErr
	}
	switch {
	case srcLen != dstLen, // a cipher's output is as long as its input
		uint64(srcLen) > uint64(w.d.maxSize),
		srcLen&s.partBlock != 0,
		r.chain.ReadLen < used+uint64(ivLen)+uint64(srcLen),
		r.chain.WriteLen < uint64(dstLen)+statusSize:
		return StatusErr
	}
	if !w.takeIV(r, s, ivLen, &in) {
		return StatusErr
	}
	return w.place(r, in, virtq.NewCursor(r.chain.Writable), int(srcLen))
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

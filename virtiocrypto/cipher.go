// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// parseCipher fills in a request of a cipher session, section 5.9.7.7: after
// the header, and the key if there is one, which use up so many bytes, the
// readable part holds the IV and the source; the writable part the destination
// and the status. Every length is a copy of what the guest wrote, 32 bits wide
// and checked against its neighbours here; sums are made in 64 bits.
func (w *dataWorker) parseCipher(r *request, s *session, h dataHeader, used uint64, in virtq.Cursor) Status {
	if (h.op == opCipherEncrypt) != (s.direction == engine.Encrypt) {
		return StatusErr
	}
	switch {
	case h.srcLen != h.dstLen, // a cipher's output is as long as its input
		uint64(h.srcLen) > uint64(w.d.maxSize),
		h.srcLen&s.partBlock != 0,
		r.chain.ReadLen < used+uint64(h.ivLen)+uint64(h.srcLen),
		r.chain.WriteLen < uint64(h.dstLen)+statusSize:
		return StatusErr
	}
	in, ok := takeIV(r, s, h.ivLen, in)
	if !ok {
		return StatusErr
	}
	return w.place(r, in, r.chain.Writer(), int(h.srcLen))
}

// takeIV copies the IV. A cipher without one lets drivers send one all the
// same, as some do for ECB: it is passed over.
func takeIV(r *request, s *session, ivLen uint32, in virtq.Cursor) (virtq.Cursor, bool) {
	r.IVLen = s.ivSize
	want := int(s.ivSize)
	switch {
	case want == 0:
		ok := in.Skip(int(ivLen))
		return in, ok
	case int(ivLen) != want:
		return in, false
	}
	b, rest := in.Take(want)
	if len(b) == engine.MaxIV { // in one piece, as most are
		r.IV = [engine.MaxIV]byte(b)
		return rest, true
	}
	ok := in.Read(r.IV[:want]) == want
	return in, ok
}

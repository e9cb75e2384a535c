// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// Lengths of an AEAD's nonce, in bytes.
const (
	gcmIV    = 12
	gcmJ0    = 16 // NIST SP 800-38D section 7.1 step 2
	ccmMinIV = 7  // NIST SP 800-38C appendix A.1
	ccmMaxIV = 13
	chachaIV = 12 // RFC 8439 section 2.8
)

// parseAEAD fills in a request of an AEAD, section 5.9.7.8: after the header
// the readable part holds the nonce, the source and the additional data; the
// writable part has the destination and the status.
//
// The specification says that the tag follows the ciphertext in the
// destination of an encryption, and not where it is when it comes back: here
// likewise, behind the ciphertext, at the end of the source, and src_data_len
// counts it.
func (w *dataWorker) parseAEAD(r *request, s *session, op uint32, f *fields, in virtq.Cursor) Status {
	encrypt := op == opAEADEncrypt
	if encrypt != (s.direction == engine.Encrypt) {
		return StatusErr
	}
	// Linux's header has no tag length in requests; 0 is what it sends.
	if f.tag != 0 && f.tag != s.result {
		return StatusErr
	}
	tag := uint64(s.result)
	text, room := uint64(f.src), uint64(f.src)+tag
	if !encrypt {
		if text < tag {
			return StatusErr
		}
		text -= tag
		room = text
	}
	switch {
	case text+uint64(f.aad) > uint64(w.d.maxSize),
		uint64(f.dst) < room, // more is room that stays as it is
		r.chain.ReadLen < f.used+uint64(f.iv)+uint64(f.src)+uint64(f.aad),
		r.chain.WriteLen < uint64(f.dst)+statusSize:
		return StatusErr
	}
	if status := r.takeNonce(s.aead, f.iv, &in); status != StatusOK {
		return status
	}
	r.TagLen = uint8(s.result)
	r.extra.chain.tag = encrypt
	w.placeAEAD(r, in, int(text), int(f.aad), encrypt)
	return StatusOK
}

// takeNonce copies the nonce.
//
// GCM takes 12 bytes, or 16 that are J0, the first counter block: what is made
// of a nonce of 12 bytes ends in a counter of 1, and no other J0 can be given
// to the libraries. CCM takes the 7 to 13 bytes of its nonce and nothing
// around them.
func (r *request) takeNonce(a engine.Algorithm, n uint32, in *virtq.Cursor) Status {
	ok := false
	switch a {
	case engine.AESGCM:
		ok = n == gcmIV || n == gcmJ0
	case engine.AESCCM:
		ok = n >= ccmMinIV && n <= ccmMaxIV
	case engine.ChaCha20Poly1305:
		ok = n == chachaIV
	}
	if !ok || in.Read(r.IV[:n]) != int(n) {
		return StatusErr
	}
	r.IVLen = uint8(n)
	if a == engine.AESGCM && n == gcmJ0 {
		if [gcmJ0 - gcmIV]byte(r.IV[gcmIV:]) != [gcmJ0 - gcmIV]byte{3: 1} {
			return StatusNotSupp
		}
		r.IVLen = gcmIV
	}
	return StatusOK
}

// placeAEAD gives a request its source and destination of n bytes each, its
// additional data, and the tag of a decryption.
func (w *dataWorker) placeAEAD(r *request, in virtq.Cursor, n, aadLen int, encrypt bool) {
	from := in
	src := in.Bytes(n)
	if src == nil {
		in.Skip(n)
	}
	if !encrypt {
		in.Read(r.Tag[:r.TagLen])
	}
	aadFrom := in
	aad := in.Bytes(aadLen)

	out := r.chain.Writer()
	to := out
	dst := out.Bytes(n)
	if dst == nil {
		out.Skip(n)
	}
	needDst, needAAD := 0, 0
	if n > 0 && (src == nil || dst == nil || overlaps(src, dst)) {
		needDst = n
	}
	if aadLen > 0 && (aad == nil || needDst == 0 && touches(aad, dst)) {
		needAAD = aadLen
	}
	buf := w.takeSome(r, needDst+needAAD)
	r.dst = out // where the tag goes
	if needDst > 0 {
		dst = buf[:n:n]
		if src == nil {
			from.Read(dst)
			src = dst
		}
		r.extra.copied, r.dst = true, to
	}
	if needAAD > 0 {
		aad = buf[needDst:]
		aadFrom.Read(aad)
	}
	r.Src, r.Dst, r.AAD = src, dst, aad
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// chain is the state of a chained request, which is two requests to the
// engine, one after the other. No engine knows of chains.
type chain struct {
	tag bool // an AEAD's: the tag is a result

	session *session
	second  bool // the second of the two is with the engine

	src, text []byte // all of the source, and of the destination
	aad       []byte // room for the AAD and what is hashed with it; nil without AAD
	aadLen    int
	result    []byte

	cipherStart, cipherLen int
	hashStart, hashLen     int
}

// parseChain fills in a request of a cipher chained with a hash or MAC,
// section 5.9.7.7. The destination is the source with the part that was
// ciphered replaced; behind it comes the hash's result. Both parts' offsets
// count from the beginning of the source. With the cipher first, the hash is
// of the destination.
//
// The additional data, if there is any, is hashed in front of the part that is
// hashed. It lies before the source in the forms without revision 1 (as QEMU
// has it) and in stateless form, and behind it in the form with a session.
func (w *dataWorker) parseChain(r *request, s *session, op uint32, f *fields, in virtq.Cursor) Status {
	if (op == opCipherEncrypt) != (s.direction == engine.Encrypt) {
		return StatusErr
	}
	switch {
	case f.src != f.dst,
		f.result != s.result,
		uint64(f.src)+uint64(f.aad)+uint64(f.result) > uint64(w.d.maxSize),
		uint64(f.cipherStart)+uint64(f.cipherLen) > uint64(f.src),
		uint64(f.hashStart)+uint64(f.hashLen) > uint64(f.src),
		f.cipherLen&s.partBlock != 0,
		r.chain.ReadLen < f.used+uint64(f.iv)+uint64(f.src)+uint64(f.aad),
		r.chain.WriteLen < uint64(f.dst)+uint64(f.result)+statusSize:
		return StatusErr
	}
	in, ok := takeIV(r, s, f.iv, in)
	if !ok {
		return StatusErr
	}
	c := &r.extra.chain
	*c = chain{
		session:     s,
		cipherStart: int(f.cipherStart), cipherLen: int(f.cipherLen),
		hashStart: int(f.hashStart), hashLen: int(f.hashLen),
		aadLen: int(f.aad),
	}
	aad := in
	if f.aadFirst {
		in.Skip(c.aadLen)
	} else {
		aad.Skip(int(f.src))
	}
	w.placeChain(r, in, aad, int(f.src), int(f.result))
	if s.hashFirst {
		r.hash(c.src)
	} else {
		r.cipher()
	}
	return StatusOK
}

// placeChain gives a chain its source and destination of n bytes each, its
// additional data, and room for its result.
func (w *dataWorker) placeChain(r *request, in, aad virtq.Cursor, n, result int) {
	c := &r.extra.chain
	from := in
	c.src = in.Bytes(n)
	out := r.chain.Writer()
	to := out
	c.text = out.Bytes(n)
	if c.text == nil {
		out.Skip(n)
	}
	needDst, needAAD, needResult := 0, 0, 0
	if n > 0 && (c.src == nil || c.text == nil || overlaps(c.src, c.text)) {
		needDst = n
	}
	if c.aadLen > 0 {
		needAAD = c.aadLen + c.hashLen
	}
	if result > maxDigest {
		needResult = result
	}
	buf := w.takeSome(r, needDst+needAAD+needResult)
	r.dst = out // where the result goes
	if needDst > 0 {
		c.text, buf = buf[:n:n], buf[n:]
		if c.src == nil {
			from.Read(c.text)
			c.src = c.text
		}
		r.extra.copied, r.dst = true, to
	}
	if needAAD > 0 {
		c.aad, buf = buf[:needAAD:needAAD], buf[needAAD:]
		aad.Read(c.aad[:c.aadLen])
	}
	c.result = r.extra.digest[:min(result, maxDigest)]
	if needResult > 0 {
		c.result = buf
	}
	// What is not ciphered is copied. In place that changes nothing.
	end := c.cipherStart + c.cipherLen
	copy(c.text[:c.cipherStart], c.src)
	copy(c.text[end:], c.src[end:])
}

// cipher makes the engine's request that of the cipher.
func (r *request) cipher() {
	c := &r.extra.chain
	start, end := c.cipherStart, c.cipherStart+c.cipherLen
	r.Session, r.IVLen = c.session.engine, c.session.ivSize
	r.Src, r.Dst = c.src[start:end:end], c.text[start:end:end]
}

// hash makes the engine's request that of the hash, of source or destination.
func (r *request) hash(of []byte) {
	c := &r.extra.chain
	r.Session, r.IVLen = c.session.hash, 0
	r.Src = of[c.hashStart : c.hashStart+c.hashLen]
	if c.aadLen > 0 {
		copy(c.aad[c.aadLen:], r.Src)
		r.Src = c.aad
	}
	r.Dst = c.result
}

// nextInChain hands the second request of a chain to the engine when the
// first is done. It reports whether there was one.
func (w *dataWorker) nextInChain(r *request) bool {
	c := &r.extra.chain
	if c.second {
		r.Src = c.src // what counts as done
		return false
	}
	c.second = true
	if c.session.hashFirst {
		r.cipher()
	} else {
		r.hash(c.text)
	}
	w.ready = append(w.ready, &r.Request)
	return true
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// quick fills in the commonest of all requests and reports whether it was
// that: a cipher's, in the form without revision 1, with an IV of 16 bytes,
// each part in one piece, of a session that other requests hold. It checks all
// that parse and parseCipher do. Of what it does not know it keeps nothing, and
// leaves it to them.
func (w *dataWorker) quick(r *request, c *virtq.Chain) bool {
	readable, writable := c.Segments()
	if readable == 0 || writable == 0 || w.layout.revision1 {
		return false
	}
	first := c.Segment(0)
	if len(first) < dataSize {
		return false
	}
	// Guest memory may change at any time: each field is read once.
	hdr := (*[dataSize]byte)(first)
	id := le.Uint64(hdr[dataSessionID:])
	slot := slotOf(id)
	if slot >= len(w.held) {
		return false
	}
	h := &w.held[slot]
	s := h.session
	if h.n == 0 || h.id != id || s.dead.Load() {
		return false
	}
	size := le.Uint32(hdr[reqSrcLen:])
	if le.Uint32(hdr[dataOpcode:]) != s.quickOp ||
		le.Uint32(hdr[reqOpType:]) != SymOpCipher ||
		le.Uint32(hdr[reqIVLen:]) != engine.MaxIV ||
		le.Uint32(hdr[reqDstLen:]) != size ||
		size&s.partBlock != 0 {
		return false
	}
	n := int(size)
	if n == 0 || n > w.d.maxSize || c.WriteLen < uint64(n)+statusSize {
		return false
	}
	// The IV is behind the header, and the source behind the IV.
	iv, at := first[dataSize:], 1
	if len(iv) == 0 && readable > at {
		iv = c.Segment(at)
		at++
	}
	if len(iv) < engine.MaxIV {
		return false
	}
	src := iv[engine.MaxIV:]
	if len(src) == 0 && readable > at {
		src = c.Segment(at)
	}
	dst := c.Segment(readable)
	if len(src) < n || len(dst) < n {
		return false
	}
	src, dst = src[:n:n], dst[:n:n]
	if overlaps(src, dst) {
		return false
	}
	h.n++
	r.chain, r.slot, r.scratch = c, int32(slot), 0
	r.Session, r.Src, r.Dst = s.engine, src, dst
	r.IV, r.IVLen = [engine.MaxIV]byte(iv), engine.MaxIV
	return true
}

// noQuickOp is no opcode.
const noQuickOp = ^uint32(0)

// quickOpOf returns the opcode of requests of a session that quick knows.
func quickOpOf(s *session) uint32 {
	switch {
	case s.kind != kindCipher || s.ivSize != engine.MaxIV:
		return noQuickOp
	case s.direction == engine.Encrypt:
		return opCipherEncrypt
	}
	return opCipherDecrypt
}

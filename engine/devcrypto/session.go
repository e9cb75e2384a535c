// SPDX-License-Identifier: Apache-2.0

package devcrypto

import (
	"encoding/binary"
	"math/bits"

	"vcrypto/cryptodev"
	"vcrypto/engine"
)

// maxChunk is the most bytes given to the node at once, a multiple of every
// block size. The API's own limit is 4 GiB, but what lies below a node may
// have others that it does not tell: the kernel's virtio_crypto driver under
// cryptodev-linux never answers a request whose source and destination are
// 64 pages together or more (128 KiB hang, 124 KiB pass, measured on Linux
// 6.1 with QEMU 7.2), and a caller of cryptodev-linux cannot be woken then.
const maxChunk = 64 << 10

// session is a session of the node, used in one direction.
type session struct {
	algorithm engine.Algorithm
	direction cryptodev.Direction
	node      *cryptodev.Session
}

// Close ends the node's session. Should that fail, the node is gone and the
// session with it.
func (s *session) Close() { s.node.Close() }

// do does a request. It may sleep in the kernel.
func (e *Engine) do(r *engine.Request) engine.Status {
	s, ok := r.Session.(*session)
	if !ok {
		return engine.Failed
	}
	if !s.fits(r) {
		return engine.BadRequest
	}
	if err := s.crypt(r); err != nil {
		e.trouble.Log(name, err)
		return engine.Failed
	}
	return engine.OK
}

// fits reports whether a request is one of the algorithm's.
func (s *session) fits(r *engine.Request) bool {
	return len(r.Src) == len(r.Dst) && len(r.Src)%s.algorithm.BlockSize() == 0 &&
		int(r.IVLen) == s.algorithm.IVSize()
}

// crypt does a request that fits, piece by piece if it is long. The IV of
// each piece is worked out here: drivers differ in what they leave behind
// for the next.
func (s *session) crypt(r *engine.Request) error {
	src, dst := r.Src, r.Dst
	buf := r.IV
	iv := buf[:r.IVLen]
	for len(src) > maxChunk {
		var last [engine.MaxIV]byte // before it may be overwritten in place
		copy(last[:], src[maxChunk-engine.MaxIV:])
		if err := s.node.Crypt(s.direction, dst[:maxChunk:maxChunk], src[:maxChunk:maxChunk], iv, 0); err != nil {
			return err
		}
		switch s.algorithm {
		case engine.AESCBC: // SP 800-38A section 6.2: the last ciphertext block
			if s.direction == cryptodev.Encrypt {
				copy(last[:], dst[maxChunk-engine.MaxIV:])
			}
			copy(iv, last[:])
		case engine.AESCTR:
			addToCounter(&buf, maxChunk/engine.AESCTR.IVSize())
		}
		src, dst = src[maxChunk:], dst[maxChunk:]
	}
	if len(src) == 0 {
		return nil
	}
	return s.node.Crypt(s.direction, dst, src, iv, 0)
}

// addToCounter adds blocks to a counter block, a 128-bit big-endian number
// (SP 800-38A appendix B.1).
func addToCounter(counter *[engine.MaxIV]byte, blocks int) {
	lo, carry := bits.Add64(binary.BigEndian.Uint64(counter[8:]), uint64(blocks), 0)
	binary.BigEndian.PutUint64(counter[8:], lo)
	binary.BigEndian.PutUint64(counter[:8], binary.BigEndian.Uint64(counter[:8])+carry)
}

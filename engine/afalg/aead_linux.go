// SPDX-License-Identifier: Apache-2.0

package afalg

import (
	"crypto/subtle"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
)

const (
	gcmNonce    = 12 // bytes: the kernel's gcm(aes) has no other
	chachaNonce = 12 // RFC 8439 section 2.8: bytes
	chachaTag   = 16 // RFC 8439 section 2.8: bytes

	// NIST SP 800-38C appendix A.1: the nonce and the field of the length
	// have 15 bytes together.
	ccmNonceMin = 7
	ccmNonceMax = 13
	ccmBoth     = 15
)

// aeadSession is an AEAD in one direction.
type aeadSession struct {
	base
	algorithm engine.Algorithm
	direction engine.Direction
	tagSize   int
}

// tagFits says whether an algorithm may have tags of n bytes; the kernel knows
// more.
func tagFits(a engine.Algorithm, n int) bool {
	if a == engine.ChaCha20Poly1305 {
		return n == chachaTag
	}
	return n > 0 && n <= engine.MaxTag
}

func (s *aeadSession) check(r *engine.Request) engine.Status {
	n, nonce := len(r.Src), int(r.IVLen)
	if n != len(r.Dst) || int(r.TagLen) != s.tagSize || nonce == 0 || nonce > engine.MaxIV {
		return engine.BadRequest
	}
	switch s.algorithm {
	case engine.AESGCM:
		if nonce != gcmNonce {
			return engine.NotSupported
		}
	case engine.ChaCha20Poly1305:
		if nonce != chachaNonce {
			return engine.BadRequest
		}
	case engine.AESCCM:
		if nonce < ccmNonceMin || nonce > ccmNonceMax || uint64(n)>>(8*(ccmBoth-nonce)) != 0 {
			return engine.BadRequest
		}
	}
	if n > s.engine.room || len(r.AAD) > s.engine.room || n+len(r.AAD)+s.tagSize > s.engine.room {
		return engine.NotSupported
	}
	return engine.OK
}

// iv gives a message the nonce, in the form that the kernel wants it in.
func (s *aeadSession) iv(m *message, r *engine.Request) {
	nonce := r.IV[:r.IVLen]
	if s.algorithm != engine.AESCCM {
		m.iv(nonce)
		return
	}
	// RFC 3610 section 2.3: the length of the length less one, the nonce, the
	// counter, which is the kernel's.
	var block [aesBlock]byte
	block[0] = byte(ccmBoth - len(nonce) - 1)
	copy(block[1:], nonce)
	m.iv(block[:])
}

// run does a request. The kernel takes additional data, text and, to decrypt, the
// tag as one; it gives back the additional data, text and, of encryption, the
// tag.
func (s *aeadSession) run(w *work, op int, r *engine.Request) error {
	if s.direction == engine.Decrypt && len(r.Src)+len(r.AAD) == 0 {
		return s.verifyNothing(w, op, r)
	}
	m, tag := &w.message, r.Tag[:s.tagSize]
	m.begin(operation(s.direction))
	s.iv(m, r)
	m.additional(len(r.AAD))
	m.add(r.AAD)
	m.add(r.Src)
	if s.direction == engine.Decrypt {
		m.add(tag)
	}
	if err := m.send(op, 0); err != nil {
		return err
	}
	m.add(w.room(len(r.AAD)))
	m.add(r.Dst)
	if s.direction == engine.Encrypt {
		m.add(tag)
	}
	return m.receive(op)
}

// verifyNothing checks the tag of an empty message without additional data. A
// decryption of that has no result to receive, so the kernel would not do it; the
// tag that encryption makes says the same.
func (s *aeadSession) verifyNothing(w *work, op int, r *engine.Request) error {
	m, tag := &w.message, w.room(s.tagSize)
	defer clear(tag)
	m.begin(unix.ALG_OP_ENCRYPT)
	s.iv(m, r)
	m.additional(0)
	if err := m.send(op, 0); err != nil {
		return err
	}
	m.add(tag)
	if err := m.receive(op); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(tag, r.Tag[:s.tagSize]) == 0 {
		return errTag
	}
	return nil
}

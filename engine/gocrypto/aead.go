// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"vcrypto/engine"
)

// What the library has of AES-GCM, of all that NIST SP 800-38D allows.
const (
	gcmMinTag = 12 // bytes
	gcmMaxTag = 16
)

// aeadSession is AES-GCM or ChaCha20-Poly1305. The library's objects may be
// used by many workers at once.
type aeadSession struct {
	limited
	aead      cipher.AEAD
	block     cipher.Block // nil for ChaCha20
	direction engine.Direction
	tagSize   int
}

func newAEAD(p engine.Params) (engine.Session, error) {
	s := &aeadSession{direction: p.Direction, tagSize: p.TagSize}
	var err error
	switch p.Algorithm {
	case engine.AESGCM:
		if p.TagSize < gcmMinTag || p.TagSize > gcmMaxTag {
			return nil, fmt.Errorf("a tag of %d bytes: %w", p.TagSize, engine.ErrNotSupported)
		}
		if s.block, err = aes.NewCipher(p.Key); err == nil {
			s.aead, err = cipher.NewGCMWithTagSize(s.block, p.TagSize)
		}
	case engine.ChaCha20Poly1305:
		if p.TagSize != chacha20poly1305.Overhead {
			return nil, fmt.Errorf("a tag of %d bytes: %w", p.TagSize, engine.ErrNotSupported)
		}
		s.aead, err = chacha20poly1305.New(p.Key)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// do works in the worker's buffer: the library wants text and tag in one
// piece.
func (s *aeadSession) do(w *worker, r *engine.Request) engine.Status {
	n := len(r.Src)
	if n != len(r.Dst) || int(r.TagLen) != s.tagSize || r.IVLen == 0 || r.IVLen > engine.MaxIV {
		return engine.BadRequest
	}
	if int(r.IVLen) != s.aead.NonceSize() {
		if s.block != nil {
			return engine.NotSupported // GCM has others
		}
		return engine.BadRequest
	}
	buf := w.room(n + s.tagSize)
	defer clear(buf)
	iv := r.IV[:r.IVLen]
	if s.direction == engine.Encrypt {
		s.aead.Seal(buf[:0], iv, r.Src, r.AAD)
		copy(r.Dst, buf)
		copy(r.Tag[:], buf[n:])
		return engine.OK
	}
	copy(buf, r.Src)
	copy(buf[n:], r.Tag[:s.tagSize])
	if _, err := s.aead.Open(buf[:0], iv, buf, r.AAD); err != nil {
		clear(r.Dst)
		return engine.BadTag
	}
	copy(r.Dst, buf)
	return engine.OK
}

func (s *aeadSession) Close() {
	erase(s.aead)
	if s.block != nil {
		erase(s.block)
	}
	s.closed()
}

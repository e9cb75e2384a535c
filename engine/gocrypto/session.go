// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"crypto/cipher"
	"reflect"
	"sync"

	"vcrypto/engine"
)

// session is an expanded key and the mode objects that use it: one for each
// worker that is in the session at the same moment, kept for the next.
type session struct {
	algorithm engine.Algorithm
	direction engine.Direction
	block     cipher.Block
	newMode   func(cipher.Block, engine.Direction) mode

	mu   sync.Mutex
	free []mode
}

// take returns a mode object set to iv, for the caller alone.
func (s *session) take(iv []byte) mode {
	var m mode
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		m = s.free[n-1]
		s.free = s.free[:n-1]
	}
	s.mu.Unlock()
	if m == nil {
		m = s.newMode(s.block, s.direction)
	}
	m.start(iv)
	return m
}

// put gives a mode object back.
func (s *session) put(m mode) {
	s.mu.Lock()
	s.free = append(s.free, m)
	s.mu.Unlock()
}

// Close zeroes the expanded key, and its copies in the mode objects.
func (s *session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.free {
		m.erase()
	}
	s.free = nil
	erase(s.block)
}

// erase zeroes the struct behind a pointer in an interface. The library gives
// no way to zero a key schedule; its structs hold it by value, so zeroing the
// struct does.
func erase(pointer any) {
	v := reflect.ValueOf(pointer)
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v.Elem().SetZero()
	}
}

// mode is a cipher mode at work.
type mode interface {
	start(iv []byte)
	crypt(dst, src []byte)
	erase()
}

// ivSetter is what the library's CBC has beyond cipher.BlockMode.
type ivSetter interface {
	cipher.BlockMode
	SetIV([]byte)
}

type cbc struct {
	block     cipher.Block
	direction engine.Direction
	mode      cipher.BlockMode
}

func newCBC(b cipher.Block, d engine.Direction) mode { return &cbc{block: b, direction: d} }

func (c *cbc) start(iv []byte) {
	if s, ok := c.mode.(ivSetter); ok {
		s.SetIV(iv)
		return
	}
	if c.direction == engine.Encrypt {
		c.mode = cipher.NewCBCEncrypter(c.block, iv)
	} else {
		c.mode = cipher.NewCBCDecrypter(c.block, iv)
	}
}

func (c *cbc) crypt(dst, src []byte) { c.mode.CryptBlocks(dst, src) }
func (c *cbc) erase()                { erase(c.mode) }

// ctr holds a stream for the time of one request: the library's has no way to
// set another counter.
type ctr struct {
	block  cipher.Block
	stream cipher.Stream
}

func newCTR(b cipher.Block, _ engine.Direction) mode { return &ctr{block: b} }

func (c *ctr) start(iv []byte) { c.stream = cipher.NewCTR(c.block, iv) }

func (c *ctr) crypt(dst, src []byte) {
	c.stream.XORKeyStream(dst, src)
	c.erase()
	c.stream = nil
}

func (c *ctr) erase() { erase(c.stream) }

// ecb calls the block cipher block by block: the library has no ECB.
type ecb struct {
	block cipher.Block
	one   func(dst, src []byte)
}

func newECB(b cipher.Block, d engine.Direction) mode {
	if d == engine.Encrypt {
		return &ecb{b, b.Encrypt}
	}
	return &ecb{b, b.Decrypt}
}

func (*ecb) start([]byte) {}

func (e *ecb) crypt(dst, src []byte) {
	for n := e.block.BlockSize(); len(src) >= n; src, dst = src[n:], dst[n:] {
		e.one(dst, src)
	}
}

func (*ecb) erase() {}

// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rc4"

	"golang.org/x/crypto/xts"

	"vcrypto/engine"
)

// cipherSession is an expanded key and the mode objects that use it: one for
// each worker that is in the session at the same moment, kept for the next.
type cipherSession struct {
	algorithm engine.Algorithm
	block     cipher.Block
	modes     pool[mode]
}

// newCipher expands a cipher's key.
func newCipher(p engine.Params) (engine.Session, error) {
	switch p.Algorithm {
	case engine.AESXTS:
		return newXTS(p)
	case engine.ARC4:
		return newARC4(p)
	}
	m := modes[p.Algorithm]
	block, err := m.newBlock(p.Key)
	if err != nil {
		return nil, err
	}
	return &cipherSession{
		algorithm: p.Algorithm,
		block:     block,
		modes:     pool[mode]{make: func() mode { return m.newMode(block, p.Direction) }},
	}, nil
}

func (s *cipherSession) do(_ *worker, r *engine.Request) engine.Status {
	if len(r.Src) != len(r.Dst) || len(r.Src)%s.algorithm.BlockSize() != 0 ||
		int(r.IVLen) != s.algorithm.IVSize() {
		return engine.BadRequest
	}
	if len(r.Src) == 0 {
		return engine.OK
	}
	m := s.modes.take()
	m.start(r.IV[:r.IVLen])
	m.crypt(r.Dst, r.Src)
	s.modes.put(m)
	return engine.OK
}

// Close zeroes the expanded key, and its copies in the mode objects.
func (s *cipherSession) Close() {
	s.modes.close(mode.erase)
	erase(s.block)
}

// modes are block ciphers in their modes.
var modes = map[engine.Algorithm]struct {
	newBlock func(key []byte) (cipher.Block, error)
	newMode  func(cipher.Block, engine.Direction) mode
}{
	engine.AESECB:       {aes.NewCipher, newECB},
	engine.AESCBC:       {aes.NewCipher, newCBC},
	engine.AESCTR:       {aes.NewCipher, newCTR},
	engine.DESECB:       {des.NewCipher, newECB},
	engine.DESCBC:       {des.NewCipher, newCBC},
	engine.TripleDESECB: {des.NewTripleDESCipher, newECB},
	engine.TripleDESCBC: {des.NewTripleDESCipher, newCBC},
	engine.TripleDESCTR: {des.NewTripleDESCipher, newCTR},
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

// arc4 is a stream cipher with no IV: each request begins its stream anew.
type arc4 struct {
	keyed *rc4.Cipher // the session's; never used up
	at    rc4.Cipher
}

func newARC4(p engine.Params) (engine.Session, error) {
	keyed, err := rc4.NewCipher(p.Key)
	if err != nil {
		return nil, err
	}
	return &arc4Session{cipherSession{
		algorithm: p.Algorithm,
		modes:     pool[mode]{make: func() mode { return &arc4{keyed: keyed} }},
	}, keyed}, nil
}

func (a *arc4) start([]byte)          { a.at = *a.keyed }
func (a *arc4) crypt(dst, src []byte) { a.at.XORKeyStream(dst, src) }
func (a *arc4) erase()                { erase(&a.at) }

type arc4Session struct {
	cipherSession
	keyed *rc4.Cipher
}

func (s *arc4Session) Close() {
	s.modes.close(mode.erase)
	erase(s.keyed)
}

// xtsSession is AES-XTS. The library's does whole blocks only and has a tweak
// of 64 bits; see tweak.
type xtsSession struct {
	limited
	k1, k2    cipher.Block
	direction engine.Direction
	modes     pool[*xtsMode]
}

type xtsMode struct {
	cipher *xts.Cipher
	tweak  tweak
}

// tweak stands in for the cipher that XTS encrypts its tweak with. The library
// asks it to encrypt a sector number of 64 bits; it encrypts the 128 bits of
// the request instead.
type tweak struct {
	cipher.Block
	iv [aes.BlockSize]byte
}

func (t *tweak) Encrypt(dst, _ []byte) { t.Block.Encrypt(dst, t.iv[:]) }

func newXTS(p engine.Params) (engine.Session, error) {
	s := &xtsSession{direction: p.Direction}
	var err error
	half := len(p.Key) / 2
	if s.k1, err = aes.NewCipher(p.Key[:half]); err != nil {
		return nil, err
	}
	if s.k2, err = aes.NewCipher(p.Key[half:]); err != nil {
		return nil, err
	}
	s.modes.make = s.newMode
	return s, nil
}

func (s *xtsSession) newMode() *xtsMode {
	m := &xtsMode{tweak: tweak{Block: s.k2}}
	blocks := []cipher.Block{s.k1, &m.tweak}
	// The keys were expanded already: the library gets two of nothing, and
	// the ciphers in the order it asks for them. It cannot fail then.
	m.cipher, _ = xts.NewCipher(func([]byte) (cipher.Block, error) {
		b := blocks[0]
		blocks = blocks[1:]
		return b, nil
	}, nil)
	return m
}

func (s *xtsSession) do(_ *worker, r *engine.Request) engine.Status {
	n := len(r.Src)
	if n != len(r.Dst) || int(r.IVLen) != engine.AESXTS.IVSize() || n < aes.BlockSize {
		return engine.BadRequest
	}
	if n%aes.BlockSize != 0 {
		return engine.NotSupported // ciphertext stealing
	}
	m := s.modes.take()
	m.tweak.iv = r.IV
	if s.direction == engine.Encrypt {
		m.cipher.Encrypt(r.Dst, r.Src, 0)
	} else {
		m.cipher.Decrypt(r.Dst, r.Src, 0)
	}
	s.modes.put(m)
	return engine.OK
}

func (s *xtsSession) Close() {
	s.modes.close(func(*xtsMode) {})
	erase(s.k1)
	erase(s.k2)
	s.closed()
}

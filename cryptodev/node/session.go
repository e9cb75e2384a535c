// SPDX-License-Identifier: Apache-2.0

package node

import (
	"hash"
	"sync"
	"syscall"

	"vcrypto/cryptodev/abi"
	"vcrypto/engine"
)

// session is a key for a cipher, or for a hash, or for both. Its operations
// are done one after the other.
type session struct {
	node   *Node
	cipher *cipherAlg // or nil
	hash   *hashAlg   // or nil

	mu     sync.Mutex
	ended  bool
	key    []byte            // of the cipher
	both   [2]engine.Session // by abi.OpEncrypt, abi.OpDecrypt
	tag    int               // of an AEAD, bytes
	iv     [abi.MaxIVLen]byte
	digest hash.Hash // running
}

// defaultTag is the length of an AEAD's tag until a caller wants another.
const defaultTag = 16

// newSession is CIOCGSESSION.
func (f *File) newSession(m Memory, arg uint64, ptr int) error {
	b, err := get(m, arg, sessionSize(ptr), true)
	if err != nil {
		return err
	}
	o := parseSession(b, ptr)
	if o.cipher == 0 && o.mac == 0 || !knownCipher(o.cipher) || !knownMAC(o.mac) {
		return syscall.EINVAL
	}
	s := &session{node: f.node, tag: defaultTag}
	if o.cipher != 0 {
		err = s.readKey(m, o)
	}
	if err == nil && o.mac != 0 && !ownMAC(o.cipher) {
		err = s.readMACKey(m, o)
	}
	if err != nil {
		s.end()
		return err
	}
	id, err := f.publish(s)
	if err != nil {
		s.end()
		return err
	}
	order.PutUint32(b[o.at:], id)
	return m.Write(arg, b)
}

// readKey gives the session its cipher.
func (s *session) readKey(m Memory, o sessionOp) error {
	if o.keyLen > abi.MaxCipherKeyLen || ownMAC(o.cipher) && o.macKeyLen > abi.MaxMACKeyLen {
		return syscall.EINVAL
	}
	if err := m.Prepare([]Span{{o.key, uint64(o.keyLen)}}, nil); err != nil {
		return err
	}
	key := make([]byte, o.keyLen)
	s.key = key
	if err := m.Read(o.key, key); err != nil {
		return err
	}
	s.cipher = cipherAlgs[o.cipher]
	if s.cipher == nil || s.cipher.aead && o.macKeyLen > 0 {
		return syscall.EINVAL
	}
	return s.open()
}

// open opens the engine's sessions.
func (s *session) open() error {
	if s.cipher.id == abi.CipherNull {
		return nil
	}
	s.close()
	for op, d := range []engine.Direction{abi.OpEncrypt: engine.Encrypt, abi.OpDecrypt: engine.Decrypt} {
		p := engine.Params{Algorithm: s.cipher.engine, Direction: d, Key: s.key}
		if s.cipher.aead {
			p.TagSize = s.tag
		}
		var err error
		if s.both[op], err = s.node.o.Engine.NewSession(p); err != nil {
			s.both[op] = nil
			return syscall.EINVAL // what drivers say for all of its reasons
		}
	}
	return nil
}

func (s *session) close() {
	for i, e := range s.both {
		if e != nil {
			e.Close()
		}
		s.both[i] = nil
	}
}

// readMACKey gives the session its hash.
func (s *session) readMACKey(m Memory, o sessionOp) error {
	if o.macKeyLen > abi.MaxMACKeyLen {
		return syscall.EINVAL
	}
	var key []byte
	if o.macKey != 0 {
		if err := m.Prepare([]Span{{o.macKey, uint64(o.macKeyLen)}}, nil); err != nil {
			return err
		}
		key = make([]byte, o.macKeyLen)
		defer clear(key)
		if err := m.Read(o.macKey, key); err != nil {
			return err
		}
	}
	h := hashAlgs[o.mac]
	if h == nil || h.keyed && key == nil && o.macKeyLen > 0 {
		return syscall.EINVAL
	}
	s.hash = h
	s.digest = h.start(key)
	return nil
}

// end closes the session, after the operation under way.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	s.close()
	clear(s.key)
	// The library keeps an HMAC's key; it has no way to forget it but its end.
	s.digest = nil
}

// copyFrom takes over another session's running hash. Both are locked.
func (s *session) copyFrom(src *session) error {
	if s.ended || src.ended {
		return syscall.ENOENT
	}
	if src.hash == nil || src.hash != s.hash {
		return syscall.EINVAL
	}
	c, ok := src.digest.(hash.Cloner)
	if !ok {
		return syscall.EOPNOTSUPP
	}
	d, err := c.Clone()
	if err != nil {
		return syscall.EOPNOTSUPP
	}
	s.digest = d
	return nil
}

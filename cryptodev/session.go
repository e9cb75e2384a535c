// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"syscall"

	"vcrypto/cryptodev/abi"
)

// SessionParams describes a session: a cipher, or a hash, or both.
type SessionParams struct {
	Cipher Cipher
	// Key is read by the kernel during the call. No copy is kept here; the
	// caller zeroes its own.
	Key []byte

	Hash Hash
	// HashKey is a MAC's, likewise; of 1 to 512 bytes.
	HashKey []byte
}

// String names what the session is for, and no key.
func (p SessionParams) String() string {
	var parts []string
	if p.Cipher != 0 || p.Hash == 0 {
		parts = append(parts, fmt.Sprintf("%s with %d key bytes", p.Cipher, len(p.Key)))
	}
	if p.Hash != 0 {
		parts = append(parts, fmt.Sprintf("%s with %d key bytes", p.Hash, len(p.HashKey)))
	}
	return strings.Join(parts, " and ")
}

func (p SessionParams) check() error {
	_, cipher := ciphers[p.Cipher]
	hash, hashed := hashes[p.Hash]
	switch {
	case p.Cipher == 0 && p.Hash == 0, p.Cipher != 0 && !cipher, p.Hash != 0 && !hashed:
	case p.Cipher != 0 && (len(p.Key) == 0 || len(p.Key) > abi.MaxCipherKeyLen):
	case p.Cipher == 0 && len(p.Key) > 0:
	case p.Cipher.AEAD() && p.Hash != 0:
	case hash.keyed && (len(p.HashKey) == 0 || len(p.HashKey) > abi.MaxMACKeyLen):
	case !hash.keyed && len(p.HashKey) > 0:
	default:
		return nil
	}
	return syscall.EINVAL
}

// Session is keys in the kernel, ready for one cipher in both directions, for
// one hash, or for both. It is safe for concurrent use, but for messages that
// come in parts: a session has one of those at a time.
type Session struct {
	dev    *Device
	cipher Cipher
	hash   Hash
	id     uint32

	// mu is read-locked during each request. The kernel may give the number
	// of an ended session to the next one: without the lock a late request
	// could be done with another session's key.
	mu     sync.RWMutex
	closed bool
}

// NewSession hands keys to the kernel. The error is EINVAL if the node does
// not have the algorithms or not with keys of these lengths.
func (d *Device) NewSession(p SessionParams) (*Session, error) {
	err := p.check()
	var id uint32
	if err == nil {
		id, err = d.newSession(p)
	}
	if err != nil {
		return nil, &Error{opNewSession, d.path, fmt.Errorf("%s: %w", p, err)}
	}
	return &Session{dev: d, cipher: p.Cipher, hash: p.Hash, id: id}, nil
}

// Cipher returns the session's cipher, 0 if it has none.
func (s *Session) Cipher() Cipher { return s.cipher }

// Hash returns the session's hash, 0 if it has none.
func (s *Session) Hash() Hash { return s.hash }

// Encrypt is Crypt in that direction, without flags.
func (s *Session) Encrypt(dst, src, iv []byte) error { return s.Crypt(Encrypt, dst, src, iv, 0) }

// Decrypt is Crypt in that direction, without flags.
func (s *Session) Decrypt(dst, src, iv []byte) error { return s.Crypt(Decrypt, dst, src, iv, 0) }

// Crypt does one request and returns when it is done.
//
// dst and src have the same length, a multiple of the cipher's block size and
// below 4 GiB; they begin at the same address or do not overlap. They are the
// caller's again on return. iv has the cipher's IV size (it may be nil where
// that is 0) and is left alone unless flags has [WriteIV].
//
// If it fails, what dst holds is undefined. The error is EINVAL for lengths
// that do not fit.
func (s *Session) Crypt(dir Direction, dst, src, iv []byte, flags Flags) error {
	return s.CryptSum(dir, dst, src, iv, nil, flags)
}

// CryptSum is Crypt on a session that has a hash too: sum becomes the hash or
// MAC of the plaintext. It has the hash's size, or is nil.
func (s *Session) CryptSum(dir Direction, dst, src, iv, sum []byte, flags Flags) error {
	op := opEncrypt
	if dir == Decrypt {
		op = opDecrypt
	}
	if err := s.check(dir, dst, src, iv); err != nil {
		return &Error{op, s.dev.path, err}
	}
	if sum != nil {
		if err := s.checkSum(sum); err != nil {
			return &Error{op, s.dev.path, err}
		}
	}
	if s.hash != 0 {
		// Without it a request with other flags goes on with the last one's
		// hash.
		flags |= reset
	}
	return s.do(op, func() error { return s.crypt(dir, dst, src, iv, sum, flags) })
}

// do makes a call on the session.
func (s *Session) do(op string, call func() error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return &Error{op, s.dev.path, os.ErrClosed}
	}
	if err := call(); err != nil {
		return &Error{op, s.dev.path, err}
	}
	return nil
}

// check refuses what the kernel would refuse, or would do wrongly: it reads
// as many bytes as it takes the lengths to be.
func (s *Session) check(dir Direction, dst, src, iv []byte) error {
	switch n := len(src); {
	case dir != Encrypt && dir != Decrypt:
		return fmt.Errorf("%s: %w", dir, syscall.EINVAL)
	case s.cipher == 0:
		return fmt.Errorf("the session is for %s alone: %w", s.hash, syscall.EINVAL)
	case s.cipher.AEAD():
		return fmt.Errorf("%s has Seal and Open: %w", s.cipher, syscall.EINVAL)
	case len(dst) != n:
		return fmt.Errorf("%d bytes of source, %d of destination: %w", n, len(dst), syscall.EINVAL)
	case n%s.cipher.BlockSize() != 0:
		return fmt.Errorf("%d bytes are no multiple of the %d of a block of %s: %w", n, s.cipher.BlockSize(), s.cipher, syscall.EINVAL)
	case uint64(n) > math.MaxUint32:
		return fmt.Errorf("%d bytes, at most %d in one request: %w", n, uint32(math.MaxUint32), syscall.EINVAL)
	case len(iv) != s.cipher.IVSize():
		return fmt.Errorf("%d bytes of IV, %s takes %d: %w", len(iv), s.cipher, s.cipher.IVSize(), syscall.EINVAL)
	case overlap(dst, src):
		return fmt.Errorf("source and destination overlap: %w", syscall.EINVAL)
	}
	return nil
}

// Info is what the kernel tells about a session.
type Info struct {
	Name   string // the cipher, such as "cbc(aes)"; "" without
	Driver string // what does the work, such as "cbc-aes-aesni"

	HashName   string // the hash, such as "hmac(sha256)"; "" without
	HashDriver string

	// AlignMask: buffers at addresses that are a multiple of AlignMask+1 are
	// not copied.
	AlignMask uint16

	// KernelDriverOnly: the work is done by something that only the kernel
	// can reach, a device rather than CPU instructions.
	KernelDriverOnly bool
}

// Info asks the kernel about the session.
func (s *Session) Info() (Info, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return Info{}, &Error{opInfo, s.dev.path, os.ErrClosed}
	}
	raw, err := s.dev.info(s.id)
	if err != nil {
		return Info{}, &Error{opInfo, s.dev.path, err}
	}
	return Info{
		Name:             cString(raw.Cipher.Name[:]),
		Driver:           cString(raw.Cipher.Driver[:]),
		HashName:         cString(raw.Hash.Name[:]),
		HashDriver:       cString(raw.Hash.Driver[:]),
		AlignMask:        raw.AlignMask,
		KernelDriverOnly: raw.Flags&abi.InfoKernelDriverOnly != 0,
	}, nil
}

// cString returns what stands before the first zero byte.
func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// Close ends the session after the requests that are under way; the kernel
// forgets the key. A second Close returns os.ErrClosed.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return &Error{opEnd, s.dev.path, os.ErrClosed}
	}
	s.closed = true
	if err := s.dev.endSession(s.id); err != nil {
		return &Error{opEnd, s.dev.path, err}
	}
	return nil
}

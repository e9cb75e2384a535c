// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"fmt"
	"math"
	"os"
	"syscall"

	"vcrypto/cryptodev/abi"
)

// Sizes of AES-GCM in bytes (NIST SP 800-38D): those that every node with the
// algorithm takes.
const (
	GCMNonceSize = 12
	GCMTagSize   = 16
)

// GCM is a key in the kernel for AES-GCM, in both directions. It is safe for
// concurrent use.
type GCM struct{ s Session }

// NewGCM hands an AES key to the kernel. The error is EINVAL if the node does
// not have AES-GCM or not with a key of this length. The kernel reads the key
// during the call; the caller zeroes its own.
func (d *Device) NewGCM(key []byte) (*GCM, error) {
	if len(key) == 0 || len(key) > abi.MaxCipherKeyLen {
		return nil, &Error{opNewSession, d.path, fmt.Errorf("gcm(aes) with %d key bytes: %w", len(key), syscall.EINVAL)}
	}
	id, err := d.newSession(abi.CipherAESGCM, key)
	if err != nil {
		return nil, &Error{opNewSession, d.path, fmt.Errorf("gcm(aes) with %d key bytes: %w", len(key), err)}
	}
	return &GCM{Session{dev: d, cipher: abi.CipherAESGCM, id: id}}, nil
}

// Seal encrypts src and puts ciphertext and tag into dst, which is longer by
// GCMTagSize. They begin at the same address or do not overlap. The nonce has
// GCMNonceSize bytes and must never be used twice with one key.
func (g *GCM) Seal(dst, src, aad, nonce []byte) error {
	if len(dst) != len(src)+GCMTagSize {
		return &Error{opEncrypt, g.s.dev.path, fmt.Errorf("%d bytes of text, room for %d and no tag: %w", len(src), len(dst), syscall.EINVAL)}
	}
	return g.do(Encrypt, opEncrypt, dst, src, aad, nonce)
}

// Open checks and decrypts src, ciphertext and tag, into dst, which is shorter
// by GCMTagSize. The error is EBADMSG if src, aad and nonce are not authentic;
// dst holds nothing of use then.
func (g *GCM) Open(dst, src, aad, nonce []byte) error {
	if len(src) != len(dst)+GCMTagSize {
		return &Error{opDecrypt, g.s.dev.path, fmt.Errorf("%d bytes of text and tag, room for %d: %w", len(src), len(dst), syscall.EINVAL)}
	}
	return g.do(Decrypt, opDecrypt, dst, src, aad, nonce)
}

func (g *GCM) do(dir Direction, op string, dst, src, aad, nonce []byte) error {
	switch {
	case len(nonce) != GCMNonceSize:
		return &Error{op, g.s.dev.path, fmt.Errorf("%d bytes of nonce, %d are needed: %w", len(nonce), GCMNonceSize, syscall.EINVAL)}
	case uint64(max(len(src), len(dst))) > math.MaxUint32 || uint64(len(aad)) > math.MaxUint32:
		return &Error{op, g.s.dev.path, fmt.Errorf("%d bytes: %w", len(src), syscall.EINVAL)}
	case overlap(dst, src):
		return &Error{op, g.s.dev.path, fmt.Errorf("source and destination overlap: %w", syscall.EINVAL)}
	}
	g.s.mu.RLock()
	defer g.s.mu.RUnlock()
	if g.s.closed {
		return &Error{op, g.s.dev.path, os.ErrClosed}
	}
	if err := g.s.authCrypt(dir, dst, src, aad, nonce); err != nil {
		return &Error{op, g.s.dev.path, err}
	}
	return nil
}

// Info asks the kernel about the key's session.
func (g *GCM) Info() (Info, error) { return g.s.Info() }

// Close ends the session after the requests that are under way; the kernel
// forgets the key. A second Close returns os.ErrClosed.
func (g *GCM) Close() error { return g.s.Close() }

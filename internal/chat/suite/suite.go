// SPDX-License-Identifier: Apache-2.0

// Package suite seals and opens the chat's messages.
//
// A suite is a way to encrypt and authenticate at once: AES-128-GCM, or, where
// there is no GCM, AES-128-CBC and then HMAC-SHA-256. The package decides what
// is encrypted with which key; where AES is computed is the caller's choice,
// through a [Place].
//
// A [Sealer] and an [Opener] are made from one secret of 32 bytes, for one
// direction. Each message has a number, which its owner never uses twice with
// one secret, and additional data that is authenticated and not sent. The
// plaintext is padded to whole blocks in both suites, so that lengths tell no
// more in one than in the other.
package suite

import (
	"crypto/aes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
)

// ID is a suite, a bit each; a set of suites has several.
type ID uint16

const (
	CBC ID = 1 << 0 // AES-128-CBC (SP 800-38A), then HMAC-SHA-256 (RFC 2104)
	GCM ID = 1 << 1 // AES-128-GCM (SP 800-38D)
)

// Best returns the best suite of a set, 0 if the set has none that we know.
func (set ID) Best() ID {
	switch {
	case set&GCM != 0:
		return GCM
	case set&CBC != 0:
		return CBC
	}
	return 0
}

// Known says whether id is one suite that this package has.
func (id ID) Known() bool { return bits.OnesCount16(uint16(id)) == 1 && id&(CBC|GCM) != 0 }

// String returns the suite's name for people.
func (id ID) String() string {
	switch id {
	case CBC:
		return "AES-128-CBC with HMAC-SHA-256"
	case GCM:
		return "AES-128-GCM"
	}
	return fmt.Sprintf("suites %#x", uint16(id))
}

// Sizes in bytes.
const (
	SecretSize = sha256.Size // what a Sealer and an Opener are made from
	KeySize    = 16          // AES-128 (FIPS 197)
	NonceSize  = 12          // of GCM (SP 800-38D section 5.2.1.1)
	TagSize    = 16          // of GCM, not truncated

	blockSize = aes.BlockSize // also the size of CBC's IV (SP 800-38A section 6.2)
	macSize   = sha256.Size   // HMAC-SHA-256, not truncated
)

// MaxPlain is the largest plaintext in bytes. With padding and additional data
// it is below what every AES device and library we know of takes in one
// request (the smallest limit is 65,520).
const MaxPlain = 32<<10 + 256

// SealedSize is the size of n bytes of plaintext when sealed.
func (id ID) SealedSize(n int) int {
	padded := n + blockSize - n%blockSize
	if id == GCM {
		return padded + TagSize
	}
	return blockSize + padded + macSize
}

// MaxSealed is the largest size of something sealed, in any suite.
const MaxSealed = blockSize + (MaxPlain/blockSize+1)*blockSize + macSize

// Fits says whether n bytes can be something sealed in this suite: the sizes
// go in steps of a block.
func (id ID) Fits(n int) bool {
	return n >= id.SealedSize(0) && n <= id.SealedSize(MaxPlain) && (n-id.SealedSize(0))%blockSize == 0
}

var (
	// ErrForged: what was to be opened was changed, or sealed with other keys
	// or other additional data.
	ErrForged = errors.New("it is not authentic")
	// ErrCipher: the place that computes AES failed. Nothing was sealed or
	// opened.
	ErrCipher = errors.New("the cipher failed")
	// ErrSize: a plaintext is too long, or something sealed cannot be.
	ErrSize = errors.New("impossible length")
	// ErrSuite: the place does not have the suite.
	ErrSuite = errors.New("the place that computes AES lacks the suite")
)

// Place is where AES is computed.
type Place interface {
	// Suites is the set of what it can do. It has CBC.
	Suites() ID
	// Encrypter and Decrypter open AES-128-CBC with a 16-byte key. The key is
	// borrowed for the call; the caller zeroes it.
	Encrypter(key []byte) (BlockMode, error)
	Decrypter(key []byte) (BlockMode, error)
	// GCMSealer and GCMOpener open AES-128-GCM likewise.
	GCMSealer(key []byte) (AEAD, error)
	GCMOpener(key []byte) (AEAD, error)
}

// BlockMode is one direction of AES-CBC under one key. One goroutine uses it
// at a time.
type BlockMode interface {
	// Crypt encrypts or decrypts src into dst. They have the same length, a
	// multiple of 16 bytes, and do not overlap; iv is 16 bytes. All three are
	// borrowed for the call. After an error dst is undefined and nothing of
	// it is used.
	Crypt(dst, src, iv []byte) error
	// Close gives the key back.
	Close() error
}

// AEAD is one direction of AES-GCM under one key. One goroutine uses it at a
// time.
type AEAD interface {
	// Crypt seals src into dst, which is TagSize longer, or opens src into
	// dst, which is TagSize shorter. The nonce has NonceSize bytes. Nothing
	// overlaps; all are borrowed for the call. What is not authentic gives
	// ErrForged. After an error dst is undefined and nothing of it is used.
	Crypt(dst, src, aad, nonce []byte) error
	// Close gives the key back.
	Close() error
}

// keys are what a secret is expanded to, a key a purpose.
type keys struct{ cipher, mac, iv []byte }

func (k *keys) zero() {
	clear(k.cipher)
	clear(k.mac)
	clear(k.iv)
}

func expand(id ID, secret []byte) (k keys, err error) {
	if len(secret) != SecretSize {
		return k, fmt.Errorf("a secret of %d bytes, %d are needed", len(secret), SecretSize)
	}
	name := map[ID]string{CBC: "vchat cbc ", GCM: "vchat gcm "}[id]
	for _, d := range []struct {
		into    *[]byte
		purpose string
		size    int
	}{
		{&k.cipher, "cipher", KeySize},
		{&k.mac, "mac", macSize}, // RFC 2104 section 3: at least the hash's output
		{&k.iv, "nonce", NonceSize},
	} {
		if *d.into, err = hkdf.Expand(sha256.New, secret, name+d.purpose, d.size); err != nil {
			k.zero()
			return keys{}, fmt.Errorf("derive keys: %w", err)
		}
	}
	return k, nil
}

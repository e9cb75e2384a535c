// SPDX-License-Identifier: Apache-2.0

// Package cryptodev is a client of the cryptodev API: the ioctls through
// which a program hands cryptographic work to the kernel, and the kernel to
// whatever does it best (an accelerator, a virtio-crypto device, the CPU's
// own instructions).
//
// A node such as /dev/crypto is opened once ([Open]). A [Session] holds a key
// for one cipher; the kernel keeps it, this package keeps no copy. Each call
// of [Session.Encrypt] or [Session.Decrypt] is one ioctl that returns when
// the work is done:
//
//	dev, err := cryptodev.Open("")
//	...
//	ses, err := dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: key})
//	...
//	err = ses.Encrypt(ciphertext, plaintext, iv)
//
// [Session.Submit] and [Device.Fetch] keep many requests under way.
//
// Sessions belong to the open file. A [Device] that two processes share
// (one opened it, the other inherited it) shows both of them all sessions,
// and the last to close it ends them.
//
// # Concurrency
//
// A Device and its Sessions may be used by any number of goroutines at once.
// Every request carries its IV, so that requests of one session do not touch
// each other. cryptodev-linux does the requests of one session one after the
// other and lets requests of other sessions of the same open file wait for
// some of that time; programs that want more open the node again.
//
// # Errors
//
// Errors are of type *[Error]; the kernel's errno is found with errors.Is:
//
//	errors.Is(err, unix.EINVAL)
//	errors.Is(err, fs.ErrNotExist)
//
// The package is for Linux; elsewhere it builds, and Open says so. Source of
// the interface: crypto/cryptodev.h of cryptodev-linux 1.14.
package cryptodev

import (
	"fmt"

	"vcrypto/cryptodev/abi"
)

// DefaultPath is the node that programs use when none is named.
const DefaultPath = "/dev/crypto"

// Cipher is a cipher and its mode.
type Cipher uint32

const (
	AESCBC Cipher = abi.CipherAESCBC
	AESCTR Cipher = abi.CipherAESCTR // a 128-bit counter; lengths of any number of bytes
	AESECB Cipher = abi.CipherAESECB
	AESXTS Cipher = abi.CipherAESXTS // two keys, one behind the other
	Null   Cipher = abi.CipherNull   // what goes in comes out; any key
)

type cipherInfo struct {
	name  string // the kernel's
	iv    int    // bytes
	block int    // lengths are a multiple of this, in bytes
}

var ciphers = map[Cipher]cipherInfo{
	AESCBC: {"cbc(aes)", 16, 16},
	AESCTR: {"ctr(aes)", 16, 1},
	AESECB: {"ecb(aes)", 0, 16},
	AESXTS: {"xts(aes)", 16, 16},
	Null:   {"ecb(cipher_null)", 0, 1},
}

// String returns the kernel's name of the cipher, such as "cbc(aes)".
func (c Cipher) String() string {
	if i, ok := ciphers[c]; ok {
		return i.name
	}
	return fmt.Sprintf("cipher(%d)", uint32(c))
}

// IVSize returns the length of the cipher's IV or counter block in bytes, 0
// where there is none.
func (c Cipher) IVSize() int { return ciphers[c].iv }

// BlockSize returns the number of bytes that lengths are a multiple of, 1 for
// stream ciphers.
func (c Cipher) BlockSize() int { return max(ciphers[c].block, 1) }

// Direction says which way a request goes. One session serves both.
type Direction uint16

const (
	Encrypt Direction = abi.OpEncrypt
	Decrypt Direction = abi.OpDecrypt
)

// String returns "encrypt" or "decrypt".
func (d Direction) String() string {
	switch d {
	case Encrypt:
		return "encrypt"
	case Decrypt:
		return "decrypt"
	}
	return fmt.Sprintf("direction(%d)", uint16(d))
}

// Flags change how a request is done.
type Flags uint16

const (
	// WriteIV writes the IV that would continue this request back over the
	// caller's: the last ciphertext block for CBC, the next counter for CTR.
	WriteIV Flags = abi.FlagWriteIV
	// NoZeroCopy has the kernel copy the data rather than pin the caller's
	// pages.
	NoZeroCopy Flags = abi.FlagNoZeroCopy
)

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
// A session may be for a hash or a MAC: [Session.Sum] for a message that is
// there, [Session.Message] for one that comes in parts. One for an AEAD has
// [Session.Seal] and [Session.Open]. One for a cipher and a hash together does
// both in one call ([Session.CryptSum]), and TLS records and SRTP packets.
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

	AESGCM Cipher = abi.CipherAESGCM // an AEAD: see Session.Seal
	AESCCM Cipher = abi.CipherAESCCM // likewise

	// For those who must talk to what is old.
	DESCBC       Cipher = abi.CipherDESCBC
	TripleDESCBC Cipher = abi.Cipher3DESCBC
)

type cipherInfo struct {
	name  string // the kernel's
	iv    int    // bytes
	block int    // lengths are a multiple of this, in bytes
	aead  bool
}

var ciphers = map[Cipher]cipherInfo{
	AESCBC:       {"cbc(aes)", 16, 16, false},
	AESCTR:       {"ctr(aes)", 16, 1, false},
	AESECB:       {"ecb(aes)", 0, 16, false},
	AESXTS:       {"xts(aes)", 16, 16, false},
	Null:         {"ecb(cipher_null)", 0, 1, false},
	AESGCM:       {"gcm(aes)", 12, 1, true},
	AESCCM:       {"ccm(aes)", maxCCMNonce, 1, true},
	DESCBC:       {"cbc(des)", 8, 8, false},
	TripleDESCBC: {"cbc(des3_ede)", 8, 8, false},
}

// String returns the kernel's name of the cipher, such as "cbc(aes)".
func (c Cipher) String() string {
	if i, ok := ciphers[c]; ok {
		return i.name
	}
	return fmt.Sprintf("cipher(%d)", uint32(c))
}

// AEAD reports whether the cipher authenticates too.
func (c Cipher) AEAD() bool { return ciphers[c].aead }

// IVSize returns the length of the cipher's IV, nonce or counter block in
// bytes, 0 where there is none. CCM takes shorter ones too.
func (c Cipher) IVSize() int { return ciphers[c].iv }

// BlockSize returns the number of bytes that lengths are a multiple of, 1 for
// stream ciphers.
func (c Cipher) BlockSize() int { return max(ciphers[c].block, 1) }

// Hash is a hash, or an HMAC with it.
type Hash uint32

const (
	MD5        Hash = abi.HashMD5
	SHA1       Hash = abi.HashSHA1
	SHA224     Hash = abi.HashSHA224
	SHA256     Hash = abi.HashSHA256
	SHA384     Hash = abi.HashSHA384
	SHA512     Hash = abi.HashSHA512
	HMACMD5    Hash = abi.HashHMACMD5
	HMACSHA1   Hash = abi.HashHMACSHA1
	HMACSHA224 Hash = abi.HashHMACSHA224
	HMACSHA256 Hash = abi.HashHMACSHA256
	HMACSHA384 Hash = abi.HashHMACSHA384
	HMACSHA512 Hash = abi.HashHMACSHA512

	// Where the kernel has it: not on the wire.
	RIPEMD160     Hash = abi.HashRIPEMD160
	HMACRIPEMD160 Hash = abi.HashHMACRIPEMD160
)

type hashInfo struct {
	name  string // the kernel's
	size  int    // of the result, bytes
	keyed bool
}

var hashes = map[Hash]hashInfo{
	MD5:           {"md5", 16, false},
	SHA1:          {"sha1", 20, false},
	SHA224:        {"sha224", 28, false},
	SHA256:        {"sha256", 32, false},
	SHA384:        {"sha384", 48, false},
	SHA512:        {"sha512", 64, false},
	RIPEMD160:     {"rmd160", 20, false},
	HMACMD5:       {"hmac(md5)", 16, true},
	HMACSHA1:      {"hmac(sha1)", 20, true},
	HMACSHA224:    {"hmac(sha224)", 28, true},
	HMACSHA256:    {"hmac(sha256)", 32, true},
	HMACSHA384:    {"hmac(sha384)", 48, true},
	HMACSHA512:    {"hmac(sha512)", 64, true},
	HMACRIPEMD160: {"hmac(rmd160)", 20, true},
}

// String returns the kernel's name of the hash, such as "hmac(sha256)".
func (h Hash) String() string {
	if i, ok := hashes[h]; ok {
		return i.name
	}
	return fmt.Sprintf("hash(%d)", uint32(h))
}

// Size returns the length of the result in bytes, 0 for what is no hash.
func (h Hash) Size() int { return hashes[h].size }

// Keyed reports whether the hash is a MAC.
func (h Hash) Keyed() bool { return hashes[h].keyed }

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

	// What this package sets itself.
	update Flags = abi.FlagUpdate
	final  Flags = abi.FlagFinal
	reset  Flags = abi.FlagReset
)

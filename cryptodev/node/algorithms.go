// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"vcrypto/cryptodev/abi"
	"vcrypto/engine"
)

// chain is what an operation makes of the IV, for the next to go on from.
type chain uint8

const (
	keep    chain = iota
	block         // CBC: the last block of ciphertext
	counter       // CTR: the next one
)

// cipherAlg is a cipher or an AEAD.
type cipherAlg struct {
	id     uint32
	name   string // the kernel's
	engine engine.Algorithm
	block  int // lengths are a multiple of this, in bytes
	iv     int // bytes
	chain  chain
	aead   bool
	stream bool // SRTP takes it
	whole  bool // may not be done in pieces
}

var cipherAlgs = map[uint32]*cipherAlg{}

func init() {
	for _, c := range []cipherAlg{
		{id: abi.CipherAESCBC, name: "cbc(aes)", engine: engine.AESCBC, block: 16, iv: 16, chain: block},
		{id: abi.CipherAESECB, name: "ecb(aes)", engine: engine.AESECB, block: 16},
		{id: abi.CipherAESCTR, name: "ctr(aes)", engine: engine.AESCTR, block: 1, iv: 16, chain: counter, stream: true},
		{id: abi.CipherAESXTS, name: "xts(aes)", engine: engine.AESXTS, block: 16, iv: 16, whole: true},
		{id: abi.CipherDESCBC, name: "cbc(des)", engine: engine.DESCBC, block: 8, iv: 8, chain: block},
		{id: abi.Cipher3DESCBC, name: "cbc(des3_ede)", engine: engine.TripleDESCBC, block: 8, iv: 8, chain: block},
		{id: abi.CipherAESGCM, name: "gcm(aes)", engine: engine.AESGCM, block: 1, iv: 12, aead: true, stream: true},
		{id: abi.CipherAESCCM, name: "ccm(aes)", engine: engine.AESCCM, block: 1, iv: 16, aead: true, stream: true},
		{id: abi.CipherNull, name: "ecb(cipher_null)", block: 1, stream: true},
	} {
		cipherAlgs[c.id] = &c
	}
}

// otherCiphers are those that cryptodev-linux knows beside: they are refused
// after the key was read, all others before.
var otherCiphers = map[uint32]bool{
	0:                            true,
	abi.CipherBlowfishCBC:        true,
	abi.CipherAESCFB:             true,
	abi.CipherAESOFB:             true,
	abi.CipherCamelliaCBC:        true,
	abi.CipherTLS11AESCBCHMACSHA: true,
	abi.CipherTLS12AESCBCHMACSHA: true,
}

func knownCipher(id uint32) bool { return cipherAlgs[id] != nil || otherCiphers[id] }

// ownMAC says of which ciphers cryptodev-linux ignores the MAC.
func ownMAC(id uint32) bool {
	return id == abi.CipherAESGCM || id == abi.CipherAESCCM ||
		id == abi.CipherTLS11AESCBCHMACSHA || id == abi.CipherTLS12AESCBCHMACSHA
}

// hashAlg is a hash or an HMAC.
type hashAlg struct {
	id    uint32
	name  string // the kernel's
	new   func() hash.Hash
	keyed bool
}

var hashAlgs = map[uint32]*hashAlg{}

func init() {
	for _, h := range []hashAlg{
		{abi.HashMD5, "md5", md5.New, false},
		{abi.HashSHA1, "sha1", sha1.New, false},
		{abi.HashSHA224, "sha224", sha256.New224, false},
		{abi.HashSHA256, "sha256", sha256.New, false},
		{abi.HashSHA384, "sha384", sha512.New384, false},
		{abi.HashSHA512, "sha512", sha512.New, false},
		{abi.HashRIPEMD160, "rmd160", newRIPEMD160, false},
		{abi.HashHMACMD5, "hmac(md5)", md5.New, true},
		{abi.HashHMACSHA1, "hmac(sha1)", sha1.New, true},
		{abi.HashHMACSHA224, "hmac(sha224)", sha256.New224, true},
		{abi.HashHMACSHA256, "hmac(sha256)", sha256.New, true},
		{abi.HashHMACSHA384, "hmac(sha384)", sha512.New384, true},
		{abi.HashHMACSHA512, "hmac(sha512)", sha512.New, true},
		{abi.HashHMACRIPEMD160, "hmac(rmd160)", newRIPEMD160, true},
	} {
		hashAlgs[h.id] = &h
	}
}

// start makes the hash at work.
func (h *hashAlg) start(key []byte) hash.Hash {
	if h.keyed {
		return hmac.New(h.new, key)
	}
	return h.new()
}

func knownMAC(id uint32) bool { return id == 0 || hashAlgs[id] != nil }

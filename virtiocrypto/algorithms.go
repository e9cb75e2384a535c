// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"slices"

	"vcrypto/engine"
)

// Algorithm numbers of section 5.9.4. They are bit numbers in the
// configuration space and values in requests. docs/support.md says of each
// number whether it is supported, and why not.
type (
	CipherAlgo   uint32 // VIRTIO_CRYPTO_CIPHER_*
	HashAlgo     uint32 // VIRTIO_CRYPTO_HASH_*
	MACAlgo      uint32 // VIRTIO_CRYPTO_MAC_*
	AEADAlgo     uint32 // VIRTIO_CRYPTO_AEAD_*
	AKCipherAlgo uint32 // VIRTIO_CRYPTO_AKCIPHER_*
)

// Numbers of what can be supported.
const (
	CipherARC4    CipherAlgo = 1
	CipherAESECB  CipherAlgo = 2
	CipherAESCBC  CipherAlgo = 3
	CipherAESCTR  CipherAlgo = 4
	CipherDESECB  CipherAlgo = 5
	CipherDESCBC  CipherAlgo = 6
	Cipher3DESECB CipherAlgo = 7
	Cipher3DESCBC CipherAlgo = 8
	Cipher3DESCTR CipherAlgo = 9
	CipherAESXTS  CipherAlgo = 13

	HashMD5      HashAlgo = 1
	HashSHA1     HashAlgo = 2
	HashSHA224   HashAlgo = 3
	HashSHA256   HashAlgo = 4
	HashSHA384   HashAlgo = 5
	HashSHA512   HashAlgo = 6
	HashSHA3_224 HashAlgo = 7
	HashSHA3_256 HashAlgo = 8
	HashSHA3_384 HashAlgo = 9
	HashSHA3_512 HashAlgo = 10
	HashSHAKE128 HashAlgo = 11
	HashSHAKE256 HashAlgo = 12

	MACHMACMD5    MACAlgo = 1
	MACHMACSHA1   MACAlgo = 2
	MACHMACSHA224 MACAlgo = 3
	MACHMACSHA256 MACAlgo = 4
	MACHMACSHA384 MACAlgo = 5
	MACHMACSHA512 MACAlgo = 6
	MACCMACAES    MACAlgo = 26

	AEADGCM              AEADAlgo = 1
	AEADCCM              AEADAlgo = 2
	AEADChaCha20Poly1305 AEADAlgo = 3

	AKCipherRSA AKCipherAlgo = 1
	// AKCipherECDSA is the specification's number. Linux's header has DSA
	// there and gives ECDSA AKCipherECDSALinux; both are taken for ECDSA.
	AKCipherECDSA      AKCipherAlgo = 2
	AKCipherECDSALinux AKCipherAlgo = 3
)

// Parameters of public-key sessions, section 5.9.7.2.1.
const (
	KeyPublic  = 1 // VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PUBLIC
	KeyPrivate = 2 // VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PRIVATE

	RSAPaddingRaw   = 0 // VIRTIO_CRYPTO_RSA_RAW_PADDING
	RSAPaddingPKCS1 = 1 // VIRTIO_CRYPTO_RSA_PKCS1_PADDING
)

// By number: an algorithm is at its wire number.
var (
	cipherAlgos = []engine.Algorithm{
		CipherARC4:    engine.ARC4,
		CipherAESECB:  engine.AESECB,
		CipherAESCBC:  engine.AESCBC,
		CipherAESCTR:  engine.AESCTR,
		CipherDESECB:  engine.DESECB,
		CipherDESCBC:  engine.DESCBC,
		Cipher3DESECB: engine.TripleDESECB,
		Cipher3DESCBC: engine.TripleDESCBC,
		Cipher3DESCTR: engine.TripleDESCTR,
		CipherAESXTS:  engine.AESXTS,
	}
	hashAlgos = []engine.Algorithm{
		HashMD5:      engine.MD5,
		HashSHA1:     engine.SHA1,
		HashSHA224:   engine.SHA224,
		HashSHA256:   engine.SHA256,
		HashSHA384:   engine.SHA384,
		HashSHA512:   engine.SHA512,
		HashSHA3_224: engine.SHA3_224,
		HashSHA3_256: engine.SHA3_256,
		HashSHA3_384: engine.SHA3_384,
		HashSHA3_512: engine.SHA3_512,
		HashSHAKE128: engine.SHAKE128,
		HashSHAKE256: engine.SHAKE256,
	}
	macAlgos = []engine.Algorithm{
		MACHMACMD5:    engine.HMACMD5,
		MACHMACSHA1:   engine.HMACSHA1,
		MACHMACSHA224: engine.HMACSHA224,
		MACHMACSHA256: engine.HMACSHA256,
		MACHMACSHA384: engine.HMACSHA384,
		MACHMACSHA512: engine.HMACSHA512,
		MACCMACAES:    engine.CMACAES,
	}
	aeadAlgos = []engine.Algorithm{
		AEADGCM:              engine.AESGCM,
		AEADCCM:              engine.AESCCM,
		AEADChaCha20Poly1305: engine.ChaCha20Poly1305,
	}
	rsaPaddings = []engine.Algorithm{
		RSAPaddingRaw:   engine.RSARaw,
		RSAPaddingPKCS1: engine.RSAPKCS1,
	}
	// VIRTIO_CRYPTO_RSA_*: the hashes that signatures name. 1 to 4 are MD2 to
	// MD5.
	rsaHashes = []engine.Algorithm{
		5: engine.SHA1,
		6: engine.SHA256,
		7: engine.SHA384,
		8: engine.SHA512,
		9: engine.SHA224,
	}
	// VIRTIO_CRYPTO_CURVE_*.
	ecdsaCurves = []engine.Algorithm{
		1: engine.ECDSAP192,
		2: engine.ECDSAP224,
		3: engine.ECDSAP256,
		4: engine.ECDSAP384,
		5: engine.ECDSAP521,
	}
)

// CipherNumber returns the wire's number of a cipher, if it has one.
func CipherNumber(a engine.Algorithm) (CipherAlgo, bool) { return number[CipherAlgo](cipherAlgos, a) }

// HashNumber returns the wire's number of a hash, if it has one.
func HashNumber(a engine.Algorithm) (HashAlgo, bool) { return number[HashAlgo](hashAlgos, a) }

// MACNumber returns the wire's number of a MAC, if it has one.
func MACNumber(a engine.Algorithm) (MACAlgo, bool) { return number[MACAlgo](macAlgos, a) }

// AEADNumber returns the wire's number of an AEAD, if it has one.
func AEADNumber(a engine.Algorithm) (AEADAlgo, bool) { return number[AEADAlgo](aeadAlgos, a) }

// RSAPadding returns the wire's number of the padding that makes RSA one of
// the engines' algorithms.
func RSAPadding(a engine.Algorithm) (uint32, bool) { return number[uint32](rsaPaddings, a) }

func number[N ~uint32](numbers []engine.Algorithm, a engine.Algorithm) (N, bool) {
	i := slices.Index(numbers, a)
	return N(max(i, 0)), a != 0 && i >= 0
}

// find returns the algorithm with a number, if the device's engine has it.
func (d *Device) find(numbers []engine.Algorithm, n uint32) (engine.Algorithm, error) {
	if uint64(n) >= uint64(len(numbers)) || !d.has[numbers[n]] {
		return 0, ErrUnsupported
	}
	return numbers[n], nil
}

// mask returns the bits of the algorithms that the engine has.
func (d *Device) mask(numbers []engine.Algorithm) (bits uint64) {
	for n, a := range numbers {
		if d.has[a] {
			bits |= 1 << n
		}
	}
	return bits
}

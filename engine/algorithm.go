// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"slices"
	"strings"
)

// Algorithm names an algorithm and its mode, without the key's length.
type Algorithm uint16

const (
	AESECB Algorithm = iota + 1 // NIST SP 800-38A section 6.1
	AESCBC                      // NIST SP 800-38A section 6.2
	AESCTR                      // NIST SP 800-38A section 6.5, a 128-bit counter
	AESXTS                      // IEEE 1619, NIST SP 800-38E; two keys in one

	SHA1     // FIPS 180-4
	SHA224   // FIPS 180-4
	SHA256   // FIPS 180-4
	SHA384   // FIPS 180-4
	SHA512   // FIPS 180-4
	SHA3_224 // FIPS 202
	SHA3_256 // FIPS 202
	SHA3_384 // FIPS 202
	SHA3_512 // FIPS 202
	SHAKE128 // FIPS 202, any length of result
	SHAKE256 // FIPS 202, any length of result

	HMACSHA1   // RFC 2104
	HMACSHA224 // RFC 2104
	HMACSHA256 // RFC 2104
	HMACSHA384 // RFC 2104
	HMACSHA512 // RFC 2104
	CMACAES    // NIST SP 800-38B

	AESGCM           // NIST SP 800-38D
	AESCCM           // NIST SP 800-38C
	ChaCha20Poly1305 // RFC 8439

	RSARaw   // the RSA primitives of RFC 8017 section 5
	RSAPKCS1 // RSAES and RSASSA-PKCS1-v1_5, RFC 8017 sections 7.2 and 8.2
	ECDSAP224
	ECDSAP256
	ECDSAP384
	ECDSAP521

	// For those who must talk to what is old: see Legacy.
	DESECB       // FIPS 46-3, FIPS 81
	DESCBC       // FIPS 46-3, FIPS 81
	TripleDESECB // NIST SP 800-67
	TripleDESCBC // NIST SP 800-67
	TripleDESCTR // NIST SP 800-67, a 64-bit counter
	MD5          // RFC 1321
	HMACMD5      // RFC 2104
	ARC4         // RFC 6229; each request begins the key stream anew
	ECDSAP192    // FIPS 186-4 appendix D.1.2.1

	endAlgorithms
)

// Kind is what an algorithm is for.
type Kind uint8

const (
	Cipher Kind = iota + 1
	Hash
	MAC
	AEAD
	PublicKey
)

var kindNames = [...]string{
	Cipher: "cipher", Hash: "hash", MAC: "mac", AEAD: "aead", PublicKey: "akcipher",
}

// String returns the name used on the command line and in configuration: that
// of the virtio-crypto service.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// ParseKind finds a kind by its name.
func ParseKind(name string) (Kind, error) {
	if i := slices.Index(kindNames[1:], name); i >= 0 {
		return Kind(i + 1), nil
	}
	return 0, fmt.Errorf("unknown service %q: there are %s", name, strings.Join(kindNames[1:], ", "))
}

// algorithmInfo is what the rest of the program must know of an algorithm.
type algorithmInfo struct {
	name     string
	kind     Kind
	keySizes []int // bytes; nil: none, or any
	ivSize   int   // bytes; of an AEAD, the usual one
	block    int   // lengths are a multiple of this, in bytes
	result   int   // bytes, of a hash or MAC; 0: any length
}

const aesBlock = 16 // FIPS 197: bytes

const desBlock = 8 // FIPS 46-3: bytes

var (
	arc4KeySizes      = []int{5, 7, 8, 10, 16, 24, 32} // those of RFC 6229
	desKeySizes       = []int{8}
	tripleDESKeySizes = []int{24}

	aesKeySizes    = []int{16, 24, 32} // FIPS 197 section 6.1
	xtsKeySizes    = []int{32, 64}     // twice AES-128, twice AES-256
	chachaKeySizes = []int{32}         // RFC 8439 section 2.8
)

// The order of fields is that of algorithmInfo.
var algorithms = [endAlgorithms]algorithmInfo{
	AESECB: {"aes-ecb", Cipher, aesKeySizes, 0, aesBlock, 0},
	AESCBC: {"aes-cbc", Cipher, aesKeySizes, aesBlock, aesBlock, 0},
	AESCTR: {"aes-ctr", Cipher, aesKeySizes, aesBlock, 1, 0},
	AESXTS: {"aes-xts", Cipher, xtsKeySizes, aesBlock, 1, 0}, // at least a block: ciphertext stealing

	SHA1:     {"sha1", Hash, nil, 0, 1, 20},
	SHA224:   {"sha224", Hash, nil, 0, 1, 28},
	SHA256:   {"sha256", Hash, nil, 0, 1, 32},
	SHA384:   {"sha384", Hash, nil, 0, 1, 48},
	SHA512:   {"sha512", Hash, nil, 0, 1, 64},
	SHA3_224: {"sha3-224", Hash, nil, 0, 1, 28},
	SHA3_256: {"sha3-256", Hash, nil, 0, 1, 32},
	SHA3_384: {"sha3-384", Hash, nil, 0, 1, 48},
	SHA3_512: {"sha3-512", Hash, nil, 0, 1, 64},
	SHAKE128: {"shake128", Hash, nil, 0, 1, 0},
	SHAKE256: {"shake256", Hash, nil, 0, 1, 0},

	HMACSHA1:   {"hmac-sha1", MAC, nil, 0, 1, 20},
	HMACSHA224: {"hmac-sha224", MAC, nil, 0, 1, 28},
	HMACSHA256: {"hmac-sha256", MAC, nil, 0, 1, 32},
	HMACSHA384: {"hmac-sha384", MAC, nil, 0, 1, 48},
	HMACSHA512: {"hmac-sha512", MAC, nil, 0, 1, 64},
	CMACAES:    {"cmac-aes", MAC, aesKeySizes, 0, 1, aesBlock},

	AESGCM:           {"aes-gcm", AEAD, aesKeySizes, 12, 1, 0},
	AESCCM:           {"aes-ccm", AEAD, aesKeySizes, 12, 1, 0},
	ChaCha20Poly1305: {"chacha20-poly1305", AEAD, chachaKeySizes, 12, 1, 0},

	RSARaw:    {"rsa-raw", PublicKey, nil, 0, 1, 0},
	RSAPKCS1:  {"rsa-pkcs1", PublicKey, nil, 0, 1, 0},
	ECDSAP224: {"ecdsa-p224", PublicKey, nil, 0, 1, 0},
	ECDSAP256: {"ecdsa-p256", PublicKey, nil, 0, 1, 0},
	ECDSAP384: {"ecdsa-p384", PublicKey, nil, 0, 1, 0},
	ECDSAP521: {"ecdsa-p521", PublicKey, nil, 0, 1, 0},

	DESECB:       {"des-ecb", Cipher, desKeySizes, 0, desBlock, 0},
	DESCBC:       {"des-cbc", Cipher, desKeySizes, desBlock, desBlock, 0},
	TripleDESECB: {"3des-ecb", Cipher, tripleDESKeySizes, 0, desBlock, 0},
	TripleDESCBC: {"3des-cbc", Cipher, tripleDESKeySizes, desBlock, desBlock, 0},
	TripleDESCTR: {"3des-ctr", Cipher, tripleDESKeySizes, desBlock, 1, 0},
	MD5:          {"md5", Hash, nil, 0, 1, 16},
	HMACMD5:      {"hmac-md5", MAC, nil, 0, 1, 16},
	ARC4:         {"arc4", Cipher, arc4KeySizes, 0, 1, 0},
	ECDSAP192:    {"ecdsa-p192", PublicKey, nil, 0, 1, 0},
}

// Valid reports whether a is one of the constants above.
func (a Algorithm) Valid() bool { return a > 0 && a < endAlgorithms }

// Legacy reports whether the algorithm is one that nothing new should use:
// devices offer it only where they are told to.
func (a Algorithm) Legacy() bool { return a >= DESECB && a < endAlgorithms }

// String returns the name used on the command line and in configuration,
// such as "aes-cbc".
func (a Algorithm) String() string {
	if !a.Valid() {
		return fmt.Sprintf("algorithm(%d)", uint16(a))
	}
	return algorithms[a].name
}

// Kind returns what the algorithm is for.
func (a Algorithm) Kind() Kind {
	if !a.Valid() {
		return 0
	}
	return algorithms[a].kind
}

// ResultSize returns the length of a hash's or MAC's result in bytes; 0 for
// those of any length, and for other kinds.
func (a Algorithm) ResultSize() int {
	if !a.Valid() {
		return 0
	}
	return algorithms[a].result
}

// KeySizes returns the key lengths the algorithm is defined for, in bytes.
// The slice is shared; do not change it.
func (a Algorithm) KeySizes() []int {
	if !a.Valid() {
		return nil
	}
	return algorithms[a].keySizes
}

// IVSize returns the length of the IV, nonce, tweak or counter block in bytes,
// 0 where there is none. AEADs take others too; it is their usual one.
func (a Algorithm) IVSize() int {
	if !a.Valid() {
		return 0
	}
	return algorithms[a].ivSize
}

// BlockSize returns the number of bytes that lengths are a multiple of; 1 for
// stream ciphers.
func (a Algorithm) BlockSize() int {
	if !a.Valid() {
		return 1
	}
	return algorithms[a].block
}

// MarshalText returns the algorithm's name.
func (a Algorithm) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// ParseAlgorithm finds an algorithm by its name.
func ParseAlgorithm(name string) (Algorithm, error) {
	for a := Algorithm(1); a < endAlgorithms; a++ {
		if algorithms[a].name == name {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown algorithm %q: `vcrypto engines` lists them", name)
}

// Algorithms returns all algorithms in order.
func Algorithms() []Algorithm {
	all := make([]Algorithm, 0, endAlgorithms-1)
	for a := Algorithm(1); a < endAlgorithms; a++ {
		all = append(all, a)
	}
	return all
}

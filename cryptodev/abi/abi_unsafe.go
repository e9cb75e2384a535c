// SPDX-License-Identifier: Apache-2.0

// Package abi is the binary interface of the cryptodev API as
// cryptodev-linux 1.14 defines it in crypto/cryptodev.h: structs in the C
// compiler's layout and the ioctl numbers made from their sizes.
//
// The layouts are those of 64-bit machines, where Go and C agree on them; the
// numbers are those of the architectures that use Linux's generic ioctl
// encoding (all but alpha, mips, parisc, powerpc and sparc).
//
// The package holds no behaviour. Programs use package cryptodev; this one is
// for those that stand on the other side of the ioctl.
package abi

import "unsafe"

// SessionOp is the argument of CIOCGSESSION, struct session_op. The kernel
// reads all of it and fills in Session.
type SessionOp struct {
	Cipher    uint32 // enum cryptodev_crypto_op_t, 0 for none
	MAC       uint32 // enum cryptodev_crypto_op_t, 0 for none
	KeyLen    uint32 // bytes
	Key       unsafe.Pointer
	MACKeyLen uint32 // bytes
	MACKey    unsafe.Pointer
	Session   uint32 // the new session's identifier
}

// CryptOp is the argument of CIOCCRYPT, struct crypt_op.
type CryptOp struct {
	Session uint32
	Op      uint16 // OpEncrypt or OpDecrypt
	Flags   uint16 // Flag...
	Len     uint32 // bytes at Src and at Dst
	Src     unsafe.Pointer
	Dst     unsafe.Pointer
	MAC     unsafe.Pointer // where a digest goes
	IV      unsafe.Pointer // as many bytes as the cipher's IV has
}

// AuthOp is the argument of CIOCAUTHCRYPT, struct crypt_auth_op.
type AuthOp struct {
	Session uint32
	Op      uint16 // OpEncrypt or OpDecrypt
	Flags   uint16 // Flag...
	Len     uint32 // bytes at Src; out: at Dst
	AuthLen uint32 // bytes at AuthSrc
	AuthSrc unsafe.Pointer
	Src     unsafe.Pointer
	Dst     unsafe.Pointer // an AEAD's tag follows the ciphertext
	Tag     unsafe.Pointer
	TagLen  uint32 // 0: the algorithm's own
	IV      unsafe.Pointer
	IVLen   uint32
}

// CopyHashOp is the argument of CIOCCPHASH, struct cphash_op.
type CopyHashOp struct {
	Dst uint32
	Src uint32
}

// AlgInfo names an algorithm and the driver that does it, struct alg_info.
// The strings end with a zero byte.
type AlgInfo struct {
	Name   [MaxAlgName]byte // such as "cbc(aes)"
	Driver [MaxAlgName]byte // such as "cbc-aes-aesni"
}

// SessionInfoOp is the argument of CIOCGSESSINFO, struct session_info_op. The
// kernel reads Session and fills in the rest.
type SessionInfoOp struct {
	Session   uint32
	Cipher    AlgInfo
	Hash      AlgInfo
	AlignMask uint16 // addresses that are a multiple of AlignMask+1 are fastest
	Flags     uint32 // InfoKernelDriverOnly
}

// Sizes, in bytes.
const (
	MaxAlgName      = 64  // CRYPTODEV_MAX_ALG_NAME
	MaxCipherKeyLen = 64  // CRYPTO_CIPHER_MAX_KEY_LEN
	MaxIVLen        = 16  // EALG_MAX_BLOCK_LEN
	MaxMACKeyLen    = 512 // CRYPTO_HMAC_MAX_KEY_LEN
	MaxDigestLen    = 64  // AALG_MAX_RESULT_LEN
)

// Ciphers, of enum cryptodev_crypto_op_t.
const (
	CipherAESCBC = 11 // CRYPTO_AES_CBC
	CipherAESCTR = 21 // CRYPTO_AES_CTR
	CipherAESECB = 23 // CRYPTO_AES_ECB
	CipherAESXTS = 22 // CRYPTO_AES_XTS
	CipherAESGCM = 50 // CRYPTO_AES_GCM
	CipherAESCCM = 51 // CRYPTO_AES_CCM
	CipherNull   = 16 // CRYPTO_NULL

	CipherDESCBC             = 1   // CRYPTO_DES_CBC
	Cipher3DESCBC            = 2   // CRYPTO_3DES_CBC
	CipherBlowfishCBC        = 3   // CRYPTO_BLF_CBC
	CipherAESCFB             = 24  // CRYPTO_AES_CFB
	CipherAESOFB             = 25  // CRYPTO_AES_OFB
	CipherCamelliaCBC        = 101 // CRYPTO_CAMELLIA_CBC
	CipherTLS11AESCBCHMACSHA = 108 // CRYPTO_TLS11_AES_CBC_HMAC_SHA1
	CipherTLS12AESCBCHMACSHA = 109 // CRYPTO_TLS12_AES_CBC_HMAC_SHA256
)

// Hashes and MACs, likewise.
const (
	HashMD5        = 13  // CRYPTO_MD5
	HashSHA1       = 14  // CRYPTO_SHA1
	HashSHA224     = 103 // CRYPTO_SHA2_224
	HashSHA256     = 104 // CRYPTO_SHA2_256
	HashSHA384     = 105 // CRYPTO_SHA2_384
	HashSHA512     = 106 // CRYPTO_SHA2_512
	HashHMACMD5    = 6   // CRYPTO_MD5_HMAC
	HashHMACSHA1   = 7   // CRYPTO_SHA1_HMAC
	HashHMACSHA224 = 107 // CRYPTO_SHA2_224_HMAC
	HashHMACSHA256 = 18  // CRYPTO_SHA2_256_HMAC
	HashHMACSHA384 = 19  // CRYPTO_SHA2_384_HMAC
	HashHMACSHA512 = 20  // CRYPTO_SHA2_512_HMAC

	HashRIPEMD160     = 102 // CRYPTO_RIPEMD160
	HashHMACRIPEMD160 = 8   // CRYPTO_RIPEMD160_HMAC
)

// Operations of CryptOp.Op.
const (
	OpEncrypt = 0 // COP_ENCRYPT
	OpDecrypt = 1 // COP_DECRYPT
)

// Flags of CryptOp.Flags and AuthOp.Flags.
const (
	FlagUpdate     = 1 << 0 // COP_FLAG_UPDATE: of a hash, more is to come
	FlagFinal      = 1 << 1 // COP_FLAG_FINAL: of a hash, this was the last
	FlagReset      = 1 << 6 // COP_FLAG_RESET: of a hash, begin anew
	FlagWriteIV    = 1 << 2 // COP_FLAG_WRITE_IV
	FlagNoZeroCopy = 1 << 3 // COP_FLAG_NO_ZC
	FlagAEADTLS    = 1 << 4 // COP_FLAG_AEAD_TLS_TYPE: TLS record rules
	FlagAEADSRTP   = 1 << 5 // COP_FLAG_AEAD_SRTP_TYPE: SRTP packet rules
)

// InfoKernelDriverOnly in SessionInfoOp.Flags, SIOP_FLAG_KERNEL_DRIVER_ONLY:
// the work is done by something that only the kernel can reach.
const InfoKernelDriverOnly = 1

// Requests, the ioctl numbers.
const (
	CRIOGET       = iocRead | iocWrite | 4<<iocSizeShift | iocType | 101
	CIOCGSESSION  = iocRead | iocWrite | unsafe.Sizeof(SessionOp{})<<iocSizeShift | iocType | 102
	CIOCFSESSION  = iocWrite | 4<<iocSizeShift | iocType | 103
	CIOCCRYPT     = iocRead | iocWrite | unsafe.Sizeof(CryptOp{})<<iocSizeShift | iocType | 104
	CIOCASYMFEAT  = iocRead | 4<<iocSizeShift | iocType | 106
	CIOCGSESSINFO = iocRead | iocWrite | unsafe.Sizeof(SessionInfoOp{})<<iocSizeShift | iocType | 107

	CIOCAUTHCRYPT  = iocRead | iocWrite | unsafe.Sizeof(AuthOp{})<<iocSizeShift | iocType | 109
	CIOCASYNCCRYPT = iocWrite | unsafe.Sizeof(CryptOp{})<<iocSizeShift | iocType | 110
	CIOCASYNCFETCH = iocRead | unsafe.Sizeof(CryptOp{})<<iocSizeShift | iocType | 111
	CIOCCPHASH     = iocWrite | unsafe.Sizeof(CopyHashOp{})<<iocSizeShift | iocType | 112
)

// The generic encoding of ioctl numbers, Linux include/uapi/asm-generic/ioctl.h.
const (
	iocWrite     = 1 << 30 // the kernel reads the argument
	iocRead      = 2 << 30 // the kernel writes the argument
	iocSizeShift = 16
	iocType      = 'c' << 8
)

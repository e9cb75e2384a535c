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

// AuthCryptOp is the argument of CIOCAUTHCRYPT, struct crypt_auth_op. Where
// the cipher is an AEAD the tag follows the text at Dst, or at Src.
type AuthCryptOp struct {
	Session uint32
	Op      uint16 // OpEncrypt or OpDecrypt
	Flags   uint16 // Flag...
	Len     uint32 // bytes at Src: the text, and when decrypting the tag
	AuthLen uint32 // bytes at AuthSrc
	AuthSrc unsafe.Pointer
	Src     unsafe.Pointer
	Dst     unsafe.Pointer
	Tag     unsafe.Pointer // not used for AEADs
	TagLen  uint32         // bytes
	IV      unsafe.Pointer
	IVLen   uint32 // bytes
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
	MaxAlgName      = 64 // CRYPTODEV_MAX_ALG_NAME
	MaxCipherKeyLen = 64 // CRYPTO_CIPHER_MAX_KEY_LEN
	MaxIVLen        = 16 // EALG_MAX_BLOCK_LEN
)

// Ciphers, of enum cryptodev_crypto_op_t.
const (
	CipherAESCBC = 11 // CRYPTO_AES_CBC
	CipherAESCTR = 21 // CRYPTO_AES_CTR
	CipherAESECB = 23 // CRYPTO_AES_ECB
	CipherAESGCM = 50 // CRYPTO_AES_GCM, an AEAD
)

// Operations of CryptOp.Op.
const (
	OpEncrypt = 0 // COP_ENCRYPT
	OpDecrypt = 1 // COP_DECRYPT
)

// Flags of CryptOp.Flags that mean something to ciphers.
const (
	FlagWriteIV    = 1 << 2 // COP_FLAG_WRITE_IV
	FlagNoZeroCopy = 1 << 3 // COP_FLAG_NO_ZC
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
	CIOCGSESSINFO = iocRead | iocWrite | unsafe.Sizeof(SessionInfoOp{})<<iocSizeShift | iocType | 107
	CIOCAUTHCRYPT = iocRead | iocWrite | unsafe.Sizeof(AuthCryptOp{})<<iocSizeShift | iocType | 109
)

// The generic encoding of ioctl numbers, Linux include/uapi/asm-generic/ioctl.h.
const (
	iocWrite     = 1 << 30 // the kernel reads the argument
	iocRead      = 2 << 30 // the kernel writes the argument
	iocSizeShift = 16
	iocType      = 'c' << 8
)

// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/binary"

	"vcrypto/cryptodev/abi"
)

// The structs of the API as bytes, for callers of 64 and of 32 bits: the same
// fields, each at a multiple of its own size, pointers of 8 or 4 bytes.

var order = binary.NativeEndian

// Sizes of a caller's pointer, in bytes.
const (
	wide   = 8
	narrow = 4
)

// form walks over the fields of a struct, in order.
type form struct {
	b   []byte
	ptr int // bytes of a pointer
	off int
}

// next returns the next field, of n bytes.
func (f *form) next(n int) []byte {
	f.off = (f.off + n - 1) / n * n
	f.off += n
	return f.b[f.off-n : f.off]
}

func (f *form) word() uint32 { return order.Uint32(f.next(4)) }
func (f *form) half() uint16 { return order.Uint16(f.next(2)) }
func (f *form) addr() uint64 {
	if f.ptr == narrow {
		return uint64(order.Uint32(f.next(narrow)))
	}
	return order.Uint64(f.next(wide))
}

// Sizes of the structs, in bytes, by the caller's pointers.
func sessionSize(ptr int) int { return pick(ptr, 48, 28) }
func cryptSize(ptr int) int   { return pick(ptr, 48, 28) }
func authSize(ptr int) int    { return pick(ptr, 72, 44) }

func pick(ptr, ifWide, ifNarrow int) int {
	if ptr == narrow {
		return ifNarrow
	}
	return ifWide
}

const (
	infoSize   = 268 // struct session_info_op
	cphashSize = 8   // struct cphash_op
)

// sessionOp is struct session_op.
type sessionOp struct {
	cipher, mac uint32
	keyLen      uint32
	key         uint64
	macKeyLen   uint32
	macKey      uint64
	at          int // of the answer in the struct
}

func parseSession(b []byte, ptr int) (o sessionOp) {
	f := form{b: b, ptr: ptr}
	o = sessionOp{cipher: f.word(), mac: f.word(), keyLen: f.word(), key: f.addr(), macKeyLen: f.word(), macKey: f.addr()}
	f.word()
	o.at = f.off - 4
	return o
}

// cryptOp is struct crypt_op.
type cryptOp struct {
	session           uint32
	op, flags         uint16
	len               uint32
	src, dst, mac, iv uint64
}

func parseCrypt(b []byte, ptr int) cryptOp {
	f := form{b: b, ptr: ptr}
	return cryptOp{session: f.word(), op: f.half(), flags: f.half(), len: f.word(), src: f.addr(), dst: f.addr(), mac: f.addr(), iv: f.addr()}
}

// authOp is struct crypt_auth_op.
type authOp struct {
	session      uint32
	op, flags    uint16
	len, authLen uint32
	auth         uint64
	src, dst     uint64
	tag          uint64
	tagLen       uint32
	iv           uint64
}

func parseAuth(b []byte, ptr int) authOp {
	f := form{b: b, ptr: ptr}
	return authOp{session: f.word(), op: f.half(), flags: f.half(), len: f.word(), authLen: f.word(),
		auth: f.addr(), src: f.addr(), dst: f.addr(), tag: f.addr(), tagLen: f.word(), iv: f.addr()}
}

// answer puts what an operation changed into its struct.
func (o *authOp) answer(b []byte, ptr int) {
	f := form{b: b, ptr: ptr}
	f.word()
	f.half()
	f.half()
	order.PutUint32(f.next(4), o.len)
	f.word()
	f.addr()
	f.addr()
	f.addr()
	if ptr == narrow {
		order.PutUint32(f.next(narrow), uint32(o.tag))
	} else {
		order.PutUint64(f.next(wide), o.tag)
	}
	order.PutUint32(f.next(4), o.tagLen)
}

// Offsets in struct session_info_op.
const (
	infoCipher = 4
	infoHash   = infoCipher + 2*abi.MaxAlgName
	infoAlign  = infoHash + 2*abi.MaxAlgName
	infoFlags  = infoAlign + 4
)

// putInfo fills in a struct alg_info.
func putInfo(b []byte, name, driver string) {
	clear(b[:2*abi.MaxAlgName])
	copy(b[:abi.MaxAlgName-1], name)
	copy(b[abi.MaxAlgName:2*abi.MaxAlgName-1], driver)
}

// The generic encoding of ioctl numbers, Linux
// include/uapi/asm-generic/ioctl.h: what a request is, and of which size.
func requestNumber(cmd uintptr) uintptr { return cmd & 0xff }
func requestSize(cmd uintptr) int       { return int(cmd >> 16 & 0x3fff) }

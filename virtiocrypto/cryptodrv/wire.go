// SPDX-License-Identifier: Apache-2.0

package cryptodrv

import (
	"encoding/binary"

	"vcrypto/virtiocrypto"
)

// Layouts and numbers of virtio 1.3 section 5.9, little-endian, written down
// a second time and not taken from the device's side: where the two disagree,
// a test of one against the other fails.

var le = binary.LittleEndian

// Opcodes, section 5.9.7.2 and 5.9.7.4: service<<8 | operation.
const (
	OpCipherEncrypt uint32 = 0x000 // data
	OpCipherDecrypt uint32 = 0x001
	OpHash          uint32 = 0x100
	OpMAC           uint32 = 0x200
	OpAEADEncrypt   uint32 = 0x300
	OpAEADDecrypt   uint32 = 0x301
	OpAKEncrypt     uint32 = 0x400
	OpAKDecrypt     uint32 = 0x401
	OpAKSign        uint32 = 0x402
	OpAKVerify      uint32 = 0x403

	OpCipherCreate  uint32 = 0x002 // control
	OpCipherDestroy uint32 = 0x003
	OpHashCreate    uint32 = 0x102
	OpHashDestroy   uint32 = 0x103
	OpMACCreate     uint32 = 0x202
	OpAEADCreate    uint32 = 0x302
	OpAKCreate      uint32 = 0x404
	OpAKDestroy     uint32 = 0x405
)

// Sizes in bytes, of the layout that drivers use which did not negotiate
// VIRTIO_CRYPTO_F_REVISION_1: a header and a union padded to its largest
// member.
const (
	// ControlSize is struct virtio_crypto_op_ctrl_req: 16 + 56.
	ControlSize = 72
	// InputSize is struct virtio_crypto_session_input, the answer to create.
	InputSize = 16
	// DestroyAnswerSize is struct virtio_crypto_inhdr.
	DestroyAnswerSize = 1
	// HeaderSize is struct virtio_crypto_op_data_req: 24 + 48.
	HeaderSize = 72
	// StatusSize is struct virtio_crypto_inhdr, the last byte of a data
	// request's writable part.
	StatusSize = 1
)

// CreateRequest returns the readable part of a control request that creates a
// session, in the form without revision 1.
func CreateRequest(p virtiocrypto.SessionParams) []byte { return Form{}.Control(p) }

// DestroyRequest returns the readable part of a control request that destroys
// a cipher session, in the form without revision 1.
func DestroyRequest(id uint64) []byte { return Form{}.Destroy(OpCipherDestroy, id) }

// Input takes apart the answer to a create request, InputSize bytes.
func Input(b []byte) (id uint64, status virtiocrypto.Status) {
	return le.Uint64(b[0:]), virtiocrypto.Status(le.Uint32(b[8:]))
}

// Header is the header of a cipher request. It can lie: its lengths need not
// be those of the buffers that follow.
type Header struct {
	Opcode    uint32 // OpCipherEncrypt or OpCipherDecrypt
	Algo      uint32 // ignored by devices: the session has it
	SessionID uint64
	Flag      uint32
	IVLen     uint32 // bytes
	SrcLen    uint32 // bytes
	DstLen    uint32 // bytes
	OpType    uint32 // virtiocrypto.SymOp...
}

// Bytes returns the header as it is sent.
func (h Header) Bytes() (b [HeaderSize]byte) {
	le.PutUint32(b[0:], h.Opcode)
	le.PutUint32(b[4:], h.Algo)
	le.PutUint64(b[8:], h.SessionID)
	le.PutUint32(b[16:], h.Flag)
	// Section 5.9.7.4.1: struct virtio_crypto_cipher_para, then op_type after
	// 40 bytes.
	le.PutUint32(b[24:], h.IVLen)
	le.PutUint32(b[28:], h.SrcLen)
	le.PutUint32(b[32:], h.DstLen)
	le.PutUint32(b[64:], h.OpType)
	return b
}

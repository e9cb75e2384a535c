// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import "encoding/binary"

// Numbers and layouts of virtio 1.3 section 5.9, little-endian. Offsets count
// bytes from the beginning of the structure they are named for.

var le = binary.LittleEndian

// Service is a service of the device, section 5.9.4.
type Service uint32

const (
	ServiceCipher   Service = 0
	ServiceHash     Service = 1
	ServiceMAC      Service = 2
	ServiceAEAD     Service = 3
	ServiceAKCipher Service = 4
)

// opcode makes VIRTIO_CRYPTO_OPCODE(service, op).
const opcodeServiceShift = 8

// Control opcodes, section 5.9.7.2.
const (
	opCipherCreate  = uint32(ServiceCipher)<<opcodeServiceShift | 0x02
	opCipherDestroy = uint32(ServiceCipher)<<opcodeServiceShift | 0x03
	opHashDestroy   = uint32(ServiceHash)<<opcodeServiceShift | 0x03
	opMACDestroy    = uint32(ServiceMAC)<<opcodeServiceShift | 0x03
	opAEADDestroy   = uint32(ServiceAEAD)<<opcodeServiceShift | 0x03
	opAKDestroy     = uint32(ServiceAKCipher)<<opcodeServiceShift | 0x05
)

// Data opcodes, section 5.9.7.4.
const (
	opCipherEncrypt = uint32(ServiceCipher) << opcodeServiceShift // | 0x00
	opCipherDecrypt = uint32(ServiceCipher)<<opcodeServiceShift | 0x01
)

// Status is the outcome of a request, section 5.9.7.
type Status uint8

const (
	StatusOK          Status = 0 // VIRTIO_CRYPTO_OK
	StatusErr         Status = 1 // VIRTIO_CRYPTO_ERR: any failure not named below
	StatusBadMsg      Status = 2 // VIRTIO_CRYPTO_BADMSG: a tag did not verify
	StatusNotSupp     Status = 3 // VIRTIO_CRYPTO_NOTSUPP
	StatusInvSess     Status = 4 // VIRTIO_CRYPTO_INVSESS: no such session
	StatusNoSpc       Status = 5 // VIRTIO_CRYPTO_NOSPC: no free session
	StatusKeyRejected Status = 6 // VIRTIO_CRYPTO_KEY_REJECTED: a signature did not verify
)

var statusNames = [...]string{"OK", "ERR", "BADMSG", "NOTSUPP", "INVSESS", "NOSPC", "KEY_REJECTED"}

// String returns the specification's name without its prefix.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// CipherAlgo is a cipher's number on the wire, section 5.9.7.2.1.1.
type CipherAlgo uint32

const (
	CipherAESECB CipherAlgo = 2
	CipherAESCBC CipherAlgo = 3
	CipherAESCTR CipherAlgo = 4
)

// Direction values of sessions: VIRTIO_CRYPTO_OP_ENCRYPT and _DECRYPT.
const (
	DirectionEncrypt = 1
	DirectionDecrypt = 2
)

// What a symmetric session or request is: VIRTIO_CRYPTO_SYM_OP_*.
const (
	SymOpNone   = 0
	SymOpCipher = 1
	SymOpChain  = 2
)

// A control request as drivers without VIRTIO_CRYPTO_F_REVISION_1 send it:
// struct virtio_crypto_op_ctrl_req, section 5.9.7.2, whose union is padded to
// a fixed size, followed by keys.
const (
	ctrlOpcode   = 0  // le32
	ctrlAlgo     = 4  // le32
	ctrlFlag     = 8  // le32
	ctrlQueueID  = 12 // le32
	ctrlUnion    = 16
	ctrlSize     = ctrlUnion + 56
	symOpType    = ctrlUnion + 48 // le32 op_type, behind the parameters
	paraCipher   = ctrlUnion      // struct virtio_crypto_cipher_session_para
	cipherAlgo   = paraCipher + 0 // le32
	cipherKeyLen = paraCipher + 4 // le32
	cipherOp     = paraCipher + 8 // le32
	destroyID    = ctrlUnion      // le64 session_id

	// The answer to create: struct virtio_crypto_session_input.
	inputSessionID = 0 // le64
	inputStatus    = 8 // le32
	inputSize      = 16

	// The answer to destroy is one byte, struct virtio_crypto_inhdr.
)

// A data request in the same, fixed-size layout: struct
// virtio_crypto_op_data_req, section 5.9.7.4.
const (
	dataOpcode    = 0  // le32
	dataSessionID = 8  // le64
	dataUnion     = 24 // le32 algo, le32 flag and padding lie before it
	dataSize      = dataUnion + 48
	reqIVLen      = dataUnion + 0 // le32, struct virtio_crypto_cipher_para
	reqSrcLen     = dataUnion + 4 // le32
	reqDstLen     = dataUnion + 8 // le32
	reqOpType     = dataUnion + 40

	// The status is the last byte of the writable part: struct
	// virtio_crypto_inhdr.
	statusSize = 1
)

// The configuration space: struct virtio_crypto_config, section 5.9.4.
const (
	cfgStatus      = 0  // le32
	cfgDataQueues  = 4  // le32 max_dataqueues
	cfgServices    = 8  // le32 crypto_services
	cfgCipherAlgoL = 12 // le32; cipher_algo_h follows
	cfgHashAlgo    = 20 // le32
	cfgMACAlgoL    = 24 // le32; mac_algo_h follows
	cfgAEADAlgo    = 32 // le32
	cfgMaxKey      = 36 // le32 max_cipher_key_len
	cfgMaxAuthKey  = 40 // le32 max_auth_key_len
	cfgAKAlgo      = 44 // le32 akcipher_algo
	cfgMaxSize     = 48 // le64 max_size

	// ConfigSize is the size of the configuration space in bytes.
	ConfigSize = 56

	statusHWReady = 1 // VIRTIO_CRYPTO_S_HW_READY
)

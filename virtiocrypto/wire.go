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
	opCreate  = 0x02 // of all services but AKCIPHER
	opDestroy = 0x03

	opCipherCreate  = uint32(ServiceCipher)<<opcodeServiceShift | opCreate
	opCipherDestroy = uint32(ServiceCipher)<<opcodeServiceShift | opDestroy
	opHashCreate    = uint32(ServiceHash)<<opcodeServiceShift | opCreate
	opHashDestroy   = uint32(ServiceHash)<<opcodeServiceShift | opDestroy
	opMACCreate     = uint32(ServiceMAC)<<opcodeServiceShift | opCreate
	opMACDestroy    = uint32(ServiceMAC)<<opcodeServiceShift | opDestroy
	opAEADCreate    = uint32(ServiceAEAD)<<opcodeServiceShift | opCreate
	opAEADDestroy   = uint32(ServiceAEAD)<<opcodeServiceShift | opDestroy
	opAKCreate      = uint32(ServiceAKCipher)<<opcodeServiceShift | 0x04
	opAKDestroy     = uint32(ServiceAKCipher)<<opcodeServiceShift | 0x05
)

// Data opcodes, section 5.9.7.4.
const (
	opCipherEncrypt = uint32(ServiceCipher) << opcodeServiceShift
	opCipherDecrypt = uint32(ServiceCipher)<<opcodeServiceShift | 0x01
	opHash          = uint32(ServiceHash) << opcodeServiceShift
	opMAC           = uint32(ServiceMAC) << opcodeServiceShift
	opAEADEncrypt   = uint32(ServiceAEAD) << opcodeServiceShift
	opAEADDecrypt   = uint32(ServiceAEAD)<<opcodeServiceShift | 0x01
	opAKEncrypt     = uint32(ServiceAKCipher) << opcodeServiceShift
	opAKDecrypt     = uint32(ServiceAKCipher)<<opcodeServiceShift | 0x01
	opAKSign        = uint32(ServiceAKCipher)<<opcodeServiceShift | 0x02
	opAKVerify      = uint32(ServiceAKCipher)<<opcodeServiceShift | 0x03
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

// How a chain's parts follow each other: VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_*.
const (
	ChainHashThenCipher = 1
	ChainCipherThenHash = 2
)

// What a chain's hash is: VIRTIO_CRYPTO_SYM_HASH_MODE_*.
const (
	HashModePlain  = 1
	HashModeAuth   = 2 // a MAC
	HashModeNested = 3
)

// Feature bits, section 5.9.3.
const (
	FeatureRevision1         = 1 << 0 // VIRTIO_CRYPTO_F_REVISION_1
	FeatureCipherStateless   = 1 << 1 // VIRTIO_CRYPTO_F_CIPHER_STATELESS_MODE
	FeatureHashStateless     = 1 << 2 // VIRTIO_CRYPTO_F_HASH_STATELESS_MODE
	FeatureMACStateless      = 1 << 3 // VIRTIO_CRYPTO_F_MAC_STATELESS_MODE
	FeatureAEADStateless     = 1 << 4 // VIRTIO_CRYPTO_F_AEAD_STATELESS_MODE
	FeatureAKCipherStateless = 1 << 5 // VIRTIO_CRYPTO_F_AKCIPHER_STATELESS_MODE
)

// A control request, section 5.9.7.2: struct virtio_crypto_op_ctrl_req, then
// keys. Offsets in the opcode's fixed part count from its beginning; they are
// the same in both layouts, which differ in its size: see layout.
const (
	ctrlOpcode  = 0 // le32; le32 algo, flag and queue_id follow
	ctrlHdrSize = 16
	ctrlFLFSize = 56 // VIRTIO_CRYPTO_CTRLQ_OP_SPEC_HDR_LEGACY

	// struct virtio_crypto_cipher_session_para, also in chains.
	cipherAlgo    = 0 // le32
	cipherKeyLen  = 4 // le32
	cipherOp      = 8 // le32
	cipherParSize = 16

	// struct virtio_crypto_hash_session_para and _mac_session_para, also in
	// chains.
	hashAlgo      = 0 // le32
	hashResultLen = 4 // le32
	macKeyLen     = 8 // le32

	// struct virtio_crypto_alg_chain_session_para.
	chainOrder    = 0 // le32
	chainHashMode = 4 // le32
	chainCipher   = 8
	chainHash     = chainCipher + cipherParSize

	symOpType = 48 // le32, behind the parameters of a cipher or chain

	// struct virtio_crypto_aead_session_para.
	aeadAlgo   = 0  // le32
	aeadKeyLen = 4  // le32
	aeadTagLen = 8  // le32; le32 aad_len follows
	aeadOp     = 16 // le32

	// struct virtio_crypto_akcipher_session_para.
	akAlgo    = 0  // le32
	akKeyType = 4  // le32
	akKeyLen  = 8  // le32
	akPara    = 12 // of RSA: le32 padding_algo, le32 hash_algo; of ECDSA: le32 curve_id

	destroyID = 0 // le64 session_id

	// The answer to create: struct virtio_crypto_session_input.
	inputSessionID = 0 // le64
	inputStatus    = 8 // le32
	inputSize      = 16
)

// A data request, section 5.9.7.4: struct virtio_crypto_op_data_req, whose
// opcode's fixed part has 48 bytes for drivers without
// VIRTIO_CRYPTO_F_REVISION_1, and otherwise as many as it needs: see layout.
const (
	dataOpcode    = 0  // le32; le32 algo follows
	dataSessionID = 8  // le64
	dataFlag      = 16 // le32; padding follows
	dataHdrSize   = 24
	dataFLFSize   = 48 // VIRTIO_CRYPTO_DATAQ_OP_SPEC_HDR_LEGACY
	dataSize      = dataHdrSize + dataFLFSize

	// Of a cipher request with a session.
	reqIVLen  = dataHdrSize + 0 // le32, struct virtio_crypto_cipher_para
	reqSrcLen = dataHdrSize + 4 // le32
	reqDstLen = dataHdrSize + 8 // le32
	reqOpType = dataHdrSize + 40

	flagSessionMode = 1 // VIRTIO_CRYPTO_FLAG_SESSION_MODE

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

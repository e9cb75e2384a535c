// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// order is the byte order of the protocol: the machine's own
// (vhost-user.rst, "Message Specification").
var order = binary.NativeEndian

const (
	// HeaderSize is the size of a message header in bytes.
	HeaderSize = 12

	// MaxPayload bounds a payload in bytes. The largest that is defined are
	// a session message of 1072 bytes and a configuration space of 12 + 256.
	MaxPayload = 4096

	// MaxFDs is the number of descriptors a message carries at most
	// (VHOST_MEMORY_BASELINE_NREGIONS in QEMU).
	MaxFDs = 8

	headerRequest = 0
	headerFlags   = 4
	headerSize    = 8
)

// Header flags, vhost-user.rst "Header".
const (
	flagVersionMask = 0x3
	flagVersion     = 0x1

	// FlagReply is set in a reply.
	FlagReply = 1 << 2
	// FlagNeedReply asks for an answer to a request that has none of its own.
	FlagNeedReply = 1 << 3
)

// FeatureProtocolFeatures is VHOST_USER_F_PROTOCOL_FEATURES: a feature bit
// that a driver never sees, by which a back-end says that it knows protocol
// features.
const FeatureProtocolFeatures uint64 = 1 << 30

// Protocol features, vhost-user.rst "Protocol features".
const (
	ProtocolMQ                uint64 = 1 << 0  // VHOST_USER_PROTOCOL_F_MQ
	ProtocolReplyAck          uint64 = 1 << 3  // VHOST_USER_PROTOCOL_F_REPLY_ACK
	ProtocolBackendReq        uint64 = 1 << 5  // VHOST_USER_PROTOCOL_F_BACKEND_REQ
	ProtocolConfig            uint64 = 1 << 9  // VHOST_USER_PROTOCOL_F_CONFIG
	ProtocolResetDevice       uint64 = 1 << 13 // VHOST_USER_PROTOCOL_F_RESET_DEVICE
	ProtocolConfigureMemSlots uint64 = 1 << 15 // VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS
	ProtocolStatus            uint64 = 1 << 16 // VHOST_USER_PROTOCOL_F_STATUS
)

// Request is the number of a request, vhost-user.rst "Front-end message
// types". Those that belong to a kind of device are not named here.
type Request uint32

// Requests of a front-end.
const (
	ReqNone                Request = 0
	ReqGetFeatures         Request = 1
	ReqSetFeatures         Request = 2
	ReqSetOwner            Request = 3
	ReqResetOwner          Request = 4
	ReqSetMemTable         Request = 5
	ReqSetLogBase          Request = 6
	ReqSetLogFD            Request = 7
	ReqSetVringNum         Request = 8
	ReqSetVringAddr        Request = 9
	ReqSetVringBase        Request = 10
	ReqGetVringBase        Request = 11
	ReqSetVringKick        Request = 12
	ReqSetVringCall        Request = 13
	ReqSetVringErr         Request = 14
	ReqGetProtocolFeatures Request = 15
	ReqSetProtocolFeatures Request = 16
	ReqGetQueueNum         Request = 17
	ReqSetVringEnable      Request = 18
	ReqSetBackendReqFD     Request = 21
	ReqGetConfig           Request = 24
	ReqSetConfig           Request = 25
	ReqGetInflightFD       Request = 31
	ReqSetInflightFD       Request = 32
	ReqResetDevice         Request = 34
	ReqGetMaxMemSlots      Request = 36
	ReqAddMemReg           Request = 37
	ReqRemMemReg           Request = 38
	ReqSetStatus           Request = 39
	ReqGetStatus           Request = 40
)

// BackendConfigChange is VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, a request of
// the back-end (vhost-user.rst "Back-end message types").
const BackendConfigChange Request = 2

var requestNames = map[Request]string{
	ReqNone:                "NONE",
	ReqGetFeatures:         "GET_FEATURES",
	ReqSetFeatures:         "SET_FEATURES",
	ReqSetOwner:            "SET_OWNER",
	ReqResetOwner:          "RESET_OWNER",
	ReqSetMemTable:         "SET_MEM_TABLE",
	ReqSetLogBase:          "SET_LOG_BASE",
	ReqSetLogFD:            "SET_LOG_FD",
	ReqSetVringNum:         "SET_VRING_NUM",
	ReqSetVringAddr:        "SET_VRING_ADDR",
	ReqSetVringBase:        "SET_VRING_BASE",
	ReqGetVringBase:        "GET_VRING_BASE",
	ReqSetVringKick:        "SET_VRING_KICK",
	ReqSetVringCall:        "SET_VRING_CALL",
	ReqSetVringErr:         "SET_VRING_ERR",
	ReqGetProtocolFeatures: "GET_PROTOCOL_FEATURES",
	ReqSetProtocolFeatures: "SET_PROTOCOL_FEATURES",
	ReqGetQueueNum:         "GET_QUEUE_NUM",
	ReqSetVringEnable:      "SET_VRING_ENABLE",
	ReqSetBackendReqFD:     "SET_BACKEND_REQ_FD",
	ReqGetConfig:           "GET_CONFIG",
	ReqSetConfig:           "SET_CONFIG",
	ReqGetInflightFD:       "GET_INFLIGHT_FD",
	ReqSetInflightFD:       "SET_INFLIGHT_FD",
	ReqResetDevice:         "RESET_DEVICE",
	ReqGetMaxMemSlots:      "GET_MAX_MEM_SLOTS",
	ReqAddMemReg:           "ADD_MEM_REG",
	ReqRemMemReg:           "REM_MEM_REG",
	ReqSetStatus:           "SET_STATUS",
	ReqGetStatus:           "GET_STATUS",
}

func (r Request) String() string {
	if name, ok := requestNames[r]; ok {
		return name
	}
	return fmt.Sprintf("request %d", uint32(r))
}

// Errors of the protocol. Test with errors.Is.
var (
	// ErrProtocol: the peer broke the protocol.
	ErrProtocol = errors.New("vhost-user protocol violation")
	// ErrUnknownRequest: nobody here knows the request. An [Extension]
	// returns it for what it does not know.
	ErrUnknownRequest = errors.New("unknown vhost-user request")
)

// violation makes an ErrProtocol.
func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// Header is the beginning of each message.
type Header struct {
	Request Request
	Flags   uint32
	Size    uint32 // of the payload, in bytes
}

// Append appends the header's wire form to b.
func (h Header) Append(b []byte) []byte {
	b = order.AppendUint32(b, uint32(h.Request))
	b = order.AppendUint32(b, h.Flags)
	return order.AppendUint32(b, h.Size)
}

// DecodeHeader reads a header and checks its version and its size.
func DecodeHeader(b []byte) (Header, error) {
	if len(b) != HeaderSize {
		return Header{}, violation("header of %d bytes", len(b))
	}
	h := Header{
		Request: Request(order.Uint32(b[headerRequest:])),
		Flags:   order.Uint32(b[headerFlags:]),
		Size:    order.Uint32(b[headerSize:]),
	}
	if v := h.Flags & flagVersionMask; v != flagVersion {
		return h, violation("%v has version %d, this is version %d", h.Request, v, flagVersion)
	}
	if h.Size > MaxPayload {
		return h, violation("%v announces %d bytes, more than %d", h.Request, h.Size, MaxPayload)
	}
	return h, nil
}

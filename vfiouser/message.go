// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// order is the byte order of the protocol: the machine's own
// (vfio-user.rst, "Protocol Specification").
var order = binary.NativeEndian

const (
	// HeaderSize is the size of a message header in bytes.
	HeaderSize = 16

	// MaxTransfer is the most bytes that one REGION_READ or REGION_WRITE
	// moves: more than any region here has.
	MaxTransfer = 64 << 10

	// MaxPayload bounds what follows a header, in bytes.
	MaxPayload = sizeRegionAccess + MaxTransfer

	// MaxFDs is the number of descriptors a message carries at most.
	MaxFDs = 16

	headerID      = 0
	headerCommand = 2
	headerSize    = 4
	headerFlags   = 8
	headerError   = 12
)

// Header flags, vfio-user.rst "Header".
const (
	flagType    = 0xf
	typeCommand = 0x0
	typeReply   = 0x1

	// FlagNoReply: the command is not to be answered.
	FlagNoReply = 1 << 4
	// FlagError: the reply is an errno.
	FlagError = 1 << 5
)

// Command is the number of a command, vfio-user.rst "Commands".
type Command uint16

// Commands.
const (
	CmdVersion     Command = 1
	CmdDMAMap      Command = 2
	CmdDMAUnmap    Command = 3
	CmdGetInfo     Command = 4
	CmdRegionInfo  Command = 5
	CmdRegionIOFDs Command = 6
	CmdIRQInfo     Command = 7
	CmdSetIRQs     Command = 8
	CmdRegionRead  Command = 9
	CmdRegionWrite Command = 10
	CmdDMARead     Command = 11 // of the server
	CmdDMAWrite    Command = 12 // of the server
	CmdReset       Command = 13
	CmdDirtyPages  Command = 14 // in older revisions
	CmdWriteMulti  Command = 15
	CmdFeature     Command = 16

	numCommands = 17
)

var commandNames = [numCommands]string{
	CmdVersion:     "VERSION",
	CmdDMAMap:      "DMA_MAP",
	CmdDMAUnmap:    "DMA_UNMAP",
	CmdGetInfo:     "DEVICE_GET_INFO",
	CmdRegionInfo:  "DEVICE_GET_REGION_INFO",
	CmdRegionIOFDs: "DEVICE_GET_REGION_IO_FDS",
	CmdIRQInfo:     "DEVICE_GET_IRQ_INFO",
	CmdSetIRQs:     "DEVICE_SET_IRQS",
	CmdRegionRead:  "REGION_READ",
	CmdRegionWrite: "REGION_WRITE",
	CmdDMARead:     "DMA_READ",
	CmdDMAWrite:    "DMA_WRITE",
	CmdReset:       "DEVICE_RESET",
	CmdDirtyPages:  "DIRTY_PAGES",
	CmdWriteMulti:  "REGION_WRITE_MULTI",
	CmdFeature:     "DEVICE_FEATURE",
}

func (c Command) String() string {
	if int(c) < len(commandNames) && commandNames[c] != "" {
		return commandNames[c]
	}
	return fmt.Sprintf("command %d", uint16(c))
}

// ErrProtocol: the peer broke the protocol, so that what follows cannot be
// understood. Test with errors.Is.
var ErrProtocol = errors.New("vfio-user protocol violation")

// violation makes an ErrProtocol.
func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// Header is the beginning of each message.
type Header struct {
	ID      uint16 // the sender's; a reply has that of its command
	Command Command
	Size    uint32 // of the whole message, in bytes
	Flags   uint32
	Error   uint32 // an errno, where FlagError is set
}

// Reply reports whether this is a reply.
func (h Header) Reply() bool { return h.Flags&flagType == typeReply }

// Append appends the header's wire form to b.
func (h Header) Append(b []byte) []byte {
	b = order.AppendUint16(b, h.ID)
	b = order.AppendUint16(b, uint16(h.Command))
	b = order.AppendUint32(b, h.Size)
	b = order.AppendUint32(b, h.Flags)
	return order.AppendUint32(b, h.Error)
}

// DecodeHeader reads a header and checks its size and its type.
func DecodeHeader(b []byte) (Header, error) {
	if len(b) != HeaderSize {
		return Header{}, violation("header of %d bytes", len(b))
	}
	h := Header{
		ID:      order.Uint16(b[headerID:]),
		Command: Command(order.Uint16(b[headerCommand:])),
		Size:    order.Uint32(b[headerSize:]),
		Flags:   order.Uint32(b[headerFlags:]),
		Error:   order.Uint32(b[headerError:]),
	}
	if t := h.Flags & flagType; t != typeCommand && t != typeReply {
		return h, violation("%v is of type %d, neither command nor reply", h.Command, t)
	}
	if h.Size < HeaderSize || h.Size > HeaderSize+MaxPayload {
		return h, violation("%v announces %d bytes, must be %d to %d", h.Command, h.Size, HeaderSize, HeaderSize+MaxPayload)
	}
	return h, nil
}

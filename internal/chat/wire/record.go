// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"

	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/transfer"
)

// A record on the wire:
//
//	offset  size  field
//	     0     4  length: of all that follows the header, in bytes
//	     4     8  counter: 0, 1, 2, ... in each direction
//	    12     1  direction: the sender's role
//	    13     1  kind
//	    14     n  the payload, sealed with the header as additional data
//
// Numbers are big endian.
const (
	offLength    = 0
	offCounter   = 4
	offDirection = 12
	offKind      = 13
	headerSize   = 14
	offSealed    = headerSize
)

// header is a record's header, taken apart.
type header struct {
	length    uint32
	counter   uint64
	direction Role
	kind      Kind
}

func (h header) put(b []byte) {
	binary.BigEndian.PutUint32(b[offLength:], h.length)
	binary.BigEndian.PutUint64(b[offCounter:], h.counter)
	b[offDirection] = byte(h.direction)
	b[offKind] = byte(h.kind)
}

// parseHeader takes a header apart and checks the length, the one field that
// is used before the MAC is verified. The others are for later.
func parseHeader(b *[headerSize]byte, id suite.ID) (header, error) {
	h := header{
		length:    binary.BigEndian.Uint32(b[offLength:]),
		counter:   binary.BigEndian.Uint64(b[offCounter:]),
		direction: Role(b[offDirection]),
		kind:      Kind(b[offKind]),
	}
	if h.length > uint32(id.SealedSize(MaxPayload)) || !id.Fits(int(h.length)) {
		return header{}, fmt.Errorf("length %d, expected %d to %d in steps of a block: %w", h.length, id.SealedSize(0), id.SealedSize(MaxPayload), ErrFrame)
	}
	return h, nil
}

// checkKind says whether a payload of n bytes fits the kind.
func checkKind(k Kind, n int) error {
	switch k {
	case Data, Act:
		return nil
	case Offer, Get, Block, Refuse:
		if least, most := fileSizes(k); n < least || n > most {
			return fmt.Errorf("record of kind %d with %d bytes of payload, expected %d to %d: %w", k, n, least, most, ErrFrame)
		}
		return nil
	case End, Received, Bye, rekey:
		if n != 0 {
			return fmt.Errorf("record of kind %d with %d bytes of payload: %w", k, n, ErrFrame)
		}
		return nil
	case Nick:
		if n > MaxNick {
			return fmt.Errorf("nick of %d bytes, at most %d: %w", n, MaxNick, ErrFrame)
		}
		return nil
	}
	return fmt.Errorf("record of unknown kind %d: %w", k, ErrFrame)
}

// fileSizes are the bounds of the payload of a record about a file, in bytes.
func fileSizes(k Kind) (least, most int) {
	switch k {
	case Offer:
		return transfer.OfferHead, transfer.OfferHead + transfer.MaxName
	case Get:
		return transfer.RequestSize, transfer.RequestSize
	case Block:
		return transfer.BlockHead + 1, transfer.BlockHead + transfer.BlockSize
	default:
		return transfer.RefusalSize, transfer.RefusalSize
	}
}

// MaxNick is the largest payload of a Nick record in bytes.
const MaxNick = 128

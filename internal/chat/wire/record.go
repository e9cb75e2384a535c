// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"
)

// A record on the wire:
//
//	offset  size  field
//	     0     4  length: of all that follows the header, in bytes
//	     4     8  counter: 0, 1, 2, ... in each direction
//	    12     1  direction: the sender's role
//	    13     1  kind
//	    14    16  IV
//	    30   16n  ciphertext: payload and PKCS #7 padding (RFC 5652 section 6.3)
//	30+16n    32  MAC over everything before it
//
// Numbers are big endian.
const (
	offLength    = 0
	offCounter   = 4
	offDirection = 12
	offKind      = 13
	headerSize   = 14

	offIV         = headerSize
	offCiphertext = offIV + blockSize

	maxPadded = MaxPayload + blockSize
	minBody   = blockSize + blockSize + macSize // an empty payload: IV, one block of padding, MAC
	maxBody   = blockSize + maxPadded + macSize
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
func parseHeader(b *[headerSize]byte) (header, error) {
	h := header{
		length:    binary.BigEndian.Uint32(b[offLength:]),
		counter:   binary.BigEndian.Uint64(b[offCounter:]),
		direction: Role(b[offDirection]),
		kind:      Kind(b[offKind]),
	}
	if h.length < minBody || h.length > maxBody || (h.length-minBody)%blockSize != 0 {
		return header{}, fmt.Errorf("length %d, expected %d to %d in steps of %d: %w", h.length, minBody, maxBody, blockSize, ErrFrame)
	}
	return h, nil
}

// pad appends PKCS #7 padding to b, up to the next block.
func pad(b []byte) []byte {
	n := blockSize - len(b)%blockSize
	for range n {
		b = append(b, byte(n))
	}
	return b
}

// unpad takes the padding off. It runs on authenticated plaintext only, so
// its time tells a stranger nothing.
func unpad(b []byte) ([]byte, error) {
	if len(b) == 0 || len(b)%blockSize != 0 {
		return nil, fmt.Errorf("padded length %d: %w", len(b), ErrFrame)
	}
	n := int(b[len(b)-1])
	if n < 1 || n > blockSize {
		return nil, fmt.Errorf("padding of %d: %w", n, ErrFrame)
	}
	for _, p := range b[len(b)-n:] {
		if int(p) != n {
			return nil, fmt.Errorf("padding bytes differ: %w", ErrFrame)
		}
	}
	return b[:len(b)-n], nil
}

// checkKind says whether a payload of n bytes fits the kind.
func checkKind(k Kind, n int) error {
	switch k {
	case Data:
		return nil
	case End, Received, Bye:
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

// MaxNick is the largest payload of a Nick record in bytes.
const MaxNick = 128

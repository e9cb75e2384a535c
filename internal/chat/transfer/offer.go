// SPDX-License-Identifier: Apache-2.0

// Package transfer has what is the same wherever a file goes from one to
// another in the chat, in rooms and between two: what an offer says, how a
// file is read in blocks, and how what comes is kept, checked and named.
//
// Who has a file offers it: name, size and SHA-256 ([Open]). Who wants it asks
// for a run of blocks at an offset, and for the next when those have come
// ([Incoming]). What has come is in a hidden file named after the SHA-256, so
// that a transfer goes on where it stopped, in another session, too. The name
// is given when the SHA-256 is right.
//
// How offers, requests and blocks travel is for others: packages member and
// chat.
package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// IDSize is the size of a file's ID in bytes. It is random.
	IDSize = 16
	// BlockSize is how many bytes of a file a block has; the last has fewer.
	BlockSize = 16 << 10
	// Run is how many blocks are asked for at once.
	Run = 16
	// MaxName is the most bytes of a file's name.
	MaxName = 255

	offsetSize = 8
	countSize  = 2
	// OfferHead is the size of an Offer without its name in bytes.
	OfferHead = IDSize + 8 + sha256.Size
	// RequestSize is the size of a Request in bytes.
	RequestSize = IDSize + offsetSize + countSize
	// BlockHead is what a block has before the bytes of the file, in bytes.
	BlockHead = IDSize + offsetSize
)

// ErrFormat: what came is not what it should be.
var ErrFormat = errors.New("it breaks the protocol of files")

// Offer is a file that somebody would send.
type Offer struct {
	ID   [IDSize]byte      // random
	Size int64             // bytes
	Sum  [sha256.Size]byte // SHA-256 of the file
	Name string            // as the sender has it: hostile
}

// Marshal returns the offer as it travels.
func (o *Offer) Marshal() []byte {
	b := append(make([]byte, 0, OfferHead+len(o.Name)), o.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(o.Size))
	b = append(b, o.Sum[:]...)
	return append(b, o.Name...)
}

// ParseOffer takes one apart.
func ParseOffer(b []byte) (Offer, error) {
	if len(b) < OfferHead || len(b) > OfferHead+MaxName || !utf8.Valid(b[OfferHead:]) {
		return Offer{}, fmt.Errorf("an offer of %d bytes: %w", len(b), ErrFormat)
	}
	o := Offer{
		ID: [IDSize]byte(b), Size: int64(binary.BigEndian.Uint64(b[IDSize:])),
		Sum: [sha256.Size]byte(b[IDSize+8:]), Name: string(b[OfferHead:]),
	}
	if o.Size < 0 {
		return Offer{}, fmt.Errorf("an offer of a file of %d bytes: %w", uint64(o.Size), ErrFormat)
	}
	return o, nil
}

// Request asks for blocks of a file.
type Request struct {
	ID     [IDSize]byte
	Offset int64
	Blocks int
}

// Append appends the request as it travels.
func (r *Request) Append(b []byte) []byte {
	b = append(b, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Offset))
	return binary.BigEndian.AppendUint16(b, uint16(r.Blocks))
}

// ParseRequest takes one apart. There are at most Run blocks in it.
func ParseRequest(b []byte) (Request, error) {
	if len(b) != RequestSize {
		return Request{}, fmt.Errorf("a request for a file of %d bytes: %w", len(b), ErrFormat)
	}
	r := Request{
		ID: [IDSize]byte(b), Offset: int64(binary.BigEndian.Uint64(b[IDSize:])),
		Blocks: min(int(binary.BigEndian.Uint16(b[BlockHead:])), Run),
	}
	if r.Offset < 0 {
		return Request{}, fmt.Errorf("a request at offset %d: %w", uint64(r.Offset), ErrFormat)
	}
	return r, nil
}

// ParseBlock takes a block apart. The bytes are b's.
func ParseBlock(b []byte) (id [IDSize]byte, offset int64, bytes []byte, err error) {
	if len(b) <= BlockHead || len(b) > BlockHead+BlockSize {
		return id, 0, nil, fmt.Errorf("a block of a file of %d bytes: %w", len(b), ErrFormat)
	}
	if offset = int64(binary.BigEndian.Uint64(b[IDSize:])); offset < 0 {
		return id, 0, nil, fmt.Errorf("a block at offset %d: %w", uint64(offset), ErrFormat)
	}
	return [IDSize]byte(b), offset, b[BlockHead:], nil
}

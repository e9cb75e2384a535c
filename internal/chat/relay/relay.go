// SPDX-License-Identifier: Apache-2.0

// Package relay is the language between a hub and its clients: frames over
// TCP.
//
// A client says [Preface], the hub answers with its own, and from then on both
// send frames: a length, a type, and fields of that type. What members of a
// room say to each other is an [Envelope], of which the hub understands the
// header and nothing else; who may read it, and who it is from, is decided by
// package room. The hub numbers envelopes; clients that come back say which
// number they saw last.
//
// Nothing here is secret or authentic. Parsers take any bytes, from either
// side: sizes are bounded before anything is read, and what does not fit is an
// error that ends the connection. Every field is in docs/chat.md.
package relay

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"vcrypto/internal/chat/suite"
)

// Version is the protocol's version, the byte after the magic.
const Version = 1

const (
	magic       = "\x89vhub\r\n\x00" // as the two-ended chat's, see package wire
	prefaceSize = len(magic) + 1 + IDSize
)

// IDSize is the size of an ID in bytes.
const IDSize = 16

// ID names a room or a member: 16 bytes that say nothing to the hub.
type ID [IDSize]byte

// String returns the ID in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns what tells two of the same nick apart. It is too short to tell
// that one is not made up: another ID with this beginning is found in hours.
func (id ID) Short() string { return hex.EncodeToString(id[:4]) }

// Fingerprint returns what people compare: 80 bits, which begin like Short. To
// make a key whose ID has a given fingerprint is out of reach.
func (id ID) Fingerprint() string { return hex.EncodeToString(id[:10]) }

// Sizes in bytes.
const (
	MaxLabel    = 256                           // the sealed name of a room
	MaxEnvelope = envelopeHead + maxSealed      // as a member may send it
	MaxFrame    = 1 + IDSize + 32 + MaxEnvelope // type and fields of any frame
	maxSealed   = 24 << 10
)

// MaxListed is how many rooms a list has at most.
const MaxListed = MaxFrame/(IDSize+2+MaxLabel) - 1

var (
	// ErrProtocol: what came is not what the other side may say.
	ErrProtocol = errors.New("it breaks the hub's protocol")
	// ErrVersion: the other side speaks another version.
	ErrVersion = errors.New("it speaks another version of the hub's protocol")
)

// Preface is what a connection begins with, in either direction. The client
// says under which ID others may reach it; the hub says zeros.
func Preface(id ID) []byte {
	return append(append([]byte(magic), Version), id[:]...)
}

// ReadPreface reads the other side's, and stops at the first byte that cannot
// be one.
func ReadPreface(r io.Reader) (ID, error) {
	var b [prefaceSize]byte
	for have := 0; have < len(b); {
		n, err := r.Read(b[have:])
		have += n
		if k := min(have, len(magic)); string(b[:k]) != magic[:k] {
			return ID{}, fmt.Errorf("it is no hub's or client's: %w", ErrProtocol)
		}
		if have > len(magic) && b[len(magic)] != Version {
			return ID{}, fmt.Errorf("%w: it has %d, we have %d; use the same release on both ends", ErrVersion, b[len(magic)], Version)
		}
		if err != nil && have < len(b) {
			return ID{}, fmt.Errorf("read the preface: %w", err)
		}
	}
	return ID(b[len(magic)+1:]), nil
}

// Type says what a frame is.
type Type uint8

const (
	// From clients.
	Join   Type = 1 // Room, Stream, Seq: what was seen last; Data: the room's label
	Part   Type = 2 // Room
	Post   Type = 3 // Data: an envelope, for all in its room
	Direct Type = 4 // To; Data: an envelope, for one member. From the hub: Data
	List   Type = 5 // -
	Ping   Type = 6 // -

	// From hubs.
	Joined  Type = 16 // Room, Stream, Seq, Lost: all that there is has been sent
	Message Type = 17 // Seq; Data: an envelope
	Rooms   Type = 18 // More, Rooms
	Pong    Type = 19 // -
	Refused Type = 20 // Room, Code
	Closing Type = 21 // Code
)

// Code says why.
type Code uint8

const (
	CodeFull     Code = 1 // the hub has as many clients, or the client as many rooms, as it may
	CodeSlow     Code = 2 // the client does not read what is sent to it
	CodeShutdown Code = 3 // the hub ends
	CodeTrouble  Code = 4 // the hub cannot reach the others: try another one
)

// String says it in words of ours: what a hub writes is not shown.
func (c Code) String() string {
	switch c {
	case CodeFull:
		return "the hub is full"
	case CodeSlow:
		return "we read too slowly"
	case CodeShutdown:
		return "the hub ends"
	case CodeTrouble:
		return "the hub cannot reach its network"
	}
	return fmt.Sprintf("reason %d", uint8(c))
}

// Listed is a room of a list.
type Listed struct {
	Room  ID
	Label []byte // the name, sealed; see package room
}

// Frame is a frame of any type; fields that its type does not have are zero.
type Frame struct {
	Type   Type
	Room   ID
	To     ID
	Stream uint64 // which numbering Seq belongs to
	Seq    uint64
	Lost   bool // what follows the Seq that was asked for is no longer there
	Code   Code
	Data   []byte
	Rooms  []Listed
	More   uint32 // rooms that there are beside these
}

// Append appends the frame as it is sent.
func (f *Frame) Append(b []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0, byte(f.Type))
	switch f.Type {
	case Join:
		b = append(b, f.Room[:]...)
		b = binary.BigEndian.AppendUint64(b, f.Stream)
		b = binary.BigEndian.AppendUint64(b, f.Seq)
		b = append(b, f.Data...)
	case Part:
		b = append(b, f.Room[:]...)
	case Direct:
		b = append(b, f.To[:]...)
		b = append(b, f.Data...)
	case Post:
		b = append(b, f.Data...)
	case Joined:
		b = append(b, f.Room[:]...)
		b = binary.BigEndian.AppendUint64(b, f.Stream)
		b = binary.BigEndian.AppendUint64(b, f.Seq)
		b = append(b, bit(f.Lost))
	case Message:
		b = binary.BigEndian.AppendUint64(b, f.Seq)
		b = append(b, f.Data...)
	case Rooms:
		b = binary.BigEndian.AppendUint32(b, f.More)
		for _, l := range f.Rooms {
			b = append(b, l.Room[:]...)
			b = binary.BigEndian.AppendUint16(b, uint16(len(l.Label)))
			b = append(b, l.Label...)
		}
	case Refused:
		b = append(b, f.Room[:]...)
		b = append(b, byte(f.Code))
	case Closing:
		b = append(b, byte(f.Code))
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// Read reads the next frame. Its Data and labels are the caller's.
func Read(r *bufio.Reader) (*Frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > MaxFrame {
		return nil, fmt.Errorf("a frame of %d bytes, 1 to %d can be: %w", n, MaxFrame, ErrProtocol)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return parse(body)
}

// parse takes a frame apart; it keeps b.
func parse(b []byte) (*Frame, error) {
	f := &Frame{Type: Type(b[0])}
	p := parser{rest: b[1:]}
	switch f.Type {
	case Join:
		f.Room, f.Stream, f.Seq = p.id(), p.uint64(), p.uint64()
		f.Data = p.all(MaxLabel)
	case Part:
		f.Room = p.id()
	case Direct:
		f.To = p.id()
		f.Data = p.all(MaxEnvelope)
	case Post:
		f.Data = p.all(MaxEnvelope)
	case Joined:
		f.Room, f.Stream, f.Seq, f.Lost = p.id(), p.uint64(), p.uint64(), p.byte() != 0
	case Message:
		f.Seq = p.uint64()
		f.Data = p.all(MaxEnvelope)
	case Rooms:
		f.More = p.uint32()
		for len(p.rest) > 0 && !p.short {
			l := Listed{Room: p.id()}
			l.Label = p.take(int(p.uint16()))
			f.Rooms = append(f.Rooms, l)
		}
	case Refused:
		f.Room, f.Code = p.id(), Code(p.byte())
	case Closing:
		f.Code = Code(p.byte())
	case List, Ping, Pong:
	default:
		return nil, fmt.Errorf("a frame of the unknown type %d: %w", b[0], ErrProtocol)
	}
	if p.short || len(p.rest) > 0 {
		return nil, fmt.Errorf("a frame of type %d with %d bytes: %w", b[0], len(b)-1, ErrProtocol)
	}
	return f, nil
}

// parser takes fields off the front of a frame.
type parser struct {
	rest  []byte
	short bool // something was asked for that is not there, or too long
}

func (p *parser) take(n int) []byte {
	if n > len(p.rest) {
		p.short, p.rest = true, nil
		return make([]byte, min(n, IDSize)) // for the fixed sizes below
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) all(most int) []byte {
	if len(p.rest) > most {
		p.short = true
	}
	return p.take(len(p.rest))
}

func (p *parser) id() ID         { return ID(p.take(IDSize)) }
func (p *parser) uint64() uint64 { return binary.BigEndian.Uint64(p.take(8)) }
func (p *parser) uint32() uint32 { return binary.BigEndian.Uint32(p.take(4)) }
func (p *parser) uint16() uint16 { return binary.BigEndian.Uint16(p.take(2)) }
func (p *parser) byte() byte     { return p.take(1)[0] }

// Envelope is what members send to each other: a header that the hub reads,
// and what is sealed for members. All of the header is authenticated by what
// is sealed.
type Envelope struct {
	Room   ID
	Sender ID
	Salt   [IDSize]byte // of the sender's keys
	Seq    uint64       // the sender's own numbering
	Suite  suite.ID
	Sealed []byte
}

// envelopeHead is the size of an envelope's header in bytes: what it is sealed
// with as additional data.
const envelopeHead = 3*IDSize + 8 + 2

// Head appends the envelope's header.
func (e *Envelope) Head(b []byte) []byte {
	b = append(b, e.Room[:]...)
	b = append(b, e.Sender[:]...)
	b = append(b, e.Salt[:]...)
	b = binary.BigEndian.AppendUint64(b, e.Seq)
	return binary.BigEndian.AppendUint16(b, uint16(e.Suite))
}

// ParseEnvelope takes an envelope apart. Sealed is a part of b.
func ParseEnvelope(b []byte) (Envelope, error) {
	if len(b) > MaxEnvelope {
		return Envelope{}, fmt.Errorf("an envelope of %d bytes, at most %d: %w", len(b), MaxEnvelope, ErrProtocol)
	}
	p := parser{rest: b}
	e := Envelope{Room: p.id(), Sender: p.id(), Salt: [IDSize]byte(p.take(IDSize)), Seq: p.uint64(), Suite: suite.ID(p.uint16())}
	if p.short {
		return Envelope{}, fmt.Errorf("an envelope of %d bytes: %w", len(b), ErrProtocol)
	}
	e.Sealed = p.rest
	if !e.Suite.Known() || !e.Suite.Fits(len(e.Sealed)) {
		return Envelope{}, fmt.Errorf("an envelope with %d bytes sealed in %s: %w", len(e.Sealed), e.Suite, ErrProtocol)
	}
	return e, nil
}

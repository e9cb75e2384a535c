// SPDX-License-Identifier: Apache-2.0

package room

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/transfer"
)

// kind is what a message says.
type kind uint8

const (
	kindHere    kind = 1 // I am here: see here
	kindLeave   kind = 2 // I go
	kindSay     kind = 3 // UTF-8
	kindAct     kind = 4 // UTF-8: what I do
	kindTopic   kind = 5 // UTF-8: what the room is about
	kindPrivate kind = 6 // see private.go
	kindOffer   kind = 7 // a file: see Offer
)

// hashSize is the size in bytes of the hashes in messages: 128 bits of
// SHA-256. To find another message of the same hash takes 2^128 tries.
const hashSize = 16

type hash [hashSize]byte

func hashOf(envelope []byte) hash {
	h := sha256.Sum256(envelope)
	return hash(h[:])
}

// message is what is sealed: its head, and a body that depends on the kind.
type message struct {
	prev  hash // of the sender's message before
	after hash // of the message that the sender saw last
	kind  kind
	// recent is how many messages before this one the sender sealed in the
	// last staleAfter, as far as they count in a byte: when this one shows
	// that the sender is here, those may have been said since we came, and
	// others not.
	recent uint8
	nick   string
	body   []byte
}

// messageHead is the size in bytes of what all messages have, and of the
// nick's length.
const messageHead = 2*hashSize + 3

var errMessage = errors.New("it breaks the rooms' protocol")

func (m *message) marshal() []byte {
	b := make([]byte, 0, messageHead+len(m.nick)+len(m.body))
	b = append(b, m.prev[:]...)
	b = append(b, m.after[:]...)
	b = append(b, byte(m.kind), m.recent, byte(len(m.nick)))
	b = append(b, m.nick...)
	return append(b, m.body...)
}

// parseMessage copies what it keeps of b.
func parseMessage(b []byte) (*message, error) {
	if len(b) < messageHead {
		return nil, fmt.Errorf("a message of %d bytes: %w", len(b), errMessage)
	}
	m := &message{prev: hash(b), after: hash(b[hashSize:]), kind: kind(b[2*hashSize]), recent: b[2*hashSize+1]}
	nick := int(b[2*hashSize+2])
	b = b[messageHead:]
	if nick > len(b) {
		return nil, fmt.Errorf("a nick of %d bytes in %d: %w", nick, len(b), errMessage)
	}
	m.nick = string(b[:nick])
	if err := CheckNick(m.nick); err != nil {
		return nil, fmt.Errorf("%w: %w", errMessage, err)
	}
	m.body = append([]byte(nil), b[nick:]...)
	switch m.kind {
	case kindSay, kindAct, kindTopic:
		if len(m.body) > MaxText || !utf8.Valid(m.body) {
			return nil, fmt.Errorf("text of %d bytes: %w", len(m.body), errMessage)
		}
	case kindHere:
		_, err := parseHere(m.body)
		return m, err
	case kindOffer:
		_, err := parseOffer(m.body)
		return m, err
	case kindLeave, kindPrivate:
	default:
		return nil, fmt.Errorf("a message of kind %d: %w", m.kind, errMessage)
	}
	return m, nil
}

// here says what others need to know of a member.
type here struct {
	joining bool // I have just come: say that you are here
	claims  bool // my nick is new
	suites  suite.ID
	public  [32]byte // X25519; its hash is the member's ID
	answers []hash   // greetings that this one answers: it is fresh to their senders
}

const (
	flagJoining = 1 << 0
	flagClaims  = 1 << 1
	hereSize    = 1 + 2 + 32
	maxAnswers  = 64 // in one greeting
)

func (h *here) marshal() []byte {
	var flags byte
	if h.joining {
		flags |= flagJoining
	}
	if h.claims {
		flags |= flagClaims
	}
	b := binary.BigEndian.AppendUint16([]byte{flags}, uint16(h.suites))
	b = append(b, h.public[:]...)
	for _, a := range h.answers {
		b = append(b, a[:]...)
	}
	return b
}

func parseHere(b []byte) (here, error) {
	if len(b) < hereSize || len(b) > hereSize+maxAnswers*hashSize || (len(b)-hereSize)%hashSize != 0 {
		return here{}, fmt.Errorf("a greeting of %d bytes: %w", len(b), errMessage)
	}
	h := here{
		joining: b[0]&flagJoining != 0, claims: b[0]&flagClaims != 0,
		suites: suite.ID(binary.BigEndian.Uint16(b[1:])), public: [32]byte(b[3:]),
	}
	for b = b[hereSize:]; len(b) > 0; b = b[hashSize:] {
		h.answers = append(h.answers, hash(b))
	}
	return h, nil
}

// Offer is a file that somebody would send.
type Offer = transfer.Offer

func parseOffer(b []byte) (Offer, error) {
	o, err := transfer.ParseOffer(b)
	if err != nil {
		return Offer{}, fmt.Errorf("%w: %w", errMessage, err)
	}
	return o, nil
}

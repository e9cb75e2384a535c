// SPDX-License-Identifier: Apache-2.0

// Package room is what members of a room say to each other through a hub that
// they do not trust.
//
// All that a member needs is the room's name and a [Key], which members share
// as a file. From these follow the room's ID, which is all the hub knows it
// by, and for each member (an [Identity], new with each program) the keys that
// it seals with: no two members, and no two runs of one, use the same. So the
// hub cannot read, forge, or give one member's words as another's, or one
// room's in another.
//
// What a hub can do is leave out, repeat, reorder and delay. Each message
// therefore carries its sender's number, the hash of the sender's message
// before it, and the hash of the message that the sender saw last, from
// whomever. A [Room] checks all three and says what it notices:
//
//   - numbers show what was left out or repeated, and put right what was
//     reordered; members that have nothing to say say so from time to time, so
//     that the end of what somebody said cannot be cut off for long;
//   - the hash of the message before shows that somebody else with the key
//     writes in a member's name;
//   - the hash of what was seen last shows that a message is fresh: it names
//     one that was sent since we came. What cannot be shown to be fresh is not
//     shown at all, so an old conversation cannot be played to a newcomer. It
//     also shows that somebody answers what we were not given.
//
// A Room is a state machine: envelopes go in, [Event]s come out, nothing waits
// and nothing is sent. What it does not give is said in docs/chat.md.
package room

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/safetext"
	"vcrypto/internal/chat/suite"
)

// ID names a room or a member.
type ID = relay.ID

// Limits, in bytes.
const (
	MaxText = 16 << 10 // of what is said
	MaxName = 160      // of a room's name
	MaxNick = 128      // of a nick
)

// Identity is a member: an X25519 key, whose hash is the member's ID. It lives
// as long as the program.
type Identity struct {
	key *ecdh.PrivateKey
	ID  ID
}

// NewIdentity makes one.
func NewIdentity() (*Identity, error) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an X25519 key: %w", err)
	}
	return &Identity{key: k, ID: memberID(k.PublicKey().Bytes())}, nil
}

// memberID is the hash of a public key: so nobody can have a member's ID and
// another key.
func memberID(public []byte) ID {
	h := sha256.Sum256(append([]byte("vchat member 1\x00"), public...))
	return ID(h[:])
}

// Key is what members share: all rooms' secrets follow from it.
type Key struct{ prk []byte }

// NewKey makes the key from what is in the file, which is borrowed for the
// call.
func NewKey(psk []byte) (*Key, error) {
	prk, err := hkdf.Extract(sha256.New, psk, []byte("vchat room 1"))
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	return &Key{prk}, nil
}

// Zero forgets it.
func (k *Key) Zero() { clear(k.prk) }

func (k *Key) expand(label, what string, size int) []byte {
	return expand(k.prk, label+"\x00"+what, size)
}

// expand is HKDF's second half. It fails for sizes beyond 8,160 bytes only.
func expand(prk []byte, info string, size int) []byte {
	b, err := hkdf.Expand(sha256.New, prk, info, size)
	if err != nil {
		return nil // no keys are better than others; every suite refuses it
	}
	return b
}

// ErrName: it cannot be the name of a room, or a nick.
var ErrName = errors.New("it cannot be a name")

// ErrAbsent: who a message is for is not in the room.
var ErrAbsent = errors.New("they are not here any more")

// CheckName says whether a room can have this name: as safetext.Room makes it.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName || safetext.Room(name) != name {
		return fmt.Errorf("room %q: %w: write # and a word of letters and digits, such as #room", name, ErrName)
	}
	return nil
}

// CheckNick says whether a member can have this nick: as safetext.Nick makes
// it, and without "~", which is ours.
func CheckNick(nick string) error {
	if nick == "" || len(nick) > MaxNick || safetext.Nick(nick) != nick || strings.Contains(nick, "~") {
		return fmt.Errorf("nick %q: %w: write a word of letters and digits", nick, ErrName)
	}
	return nil
}

// labelSuite seals rooms' names in lists: the one that all members have.
const labelSuite = suite.CBC

// SealName makes the label under which a hub lists a room.
func (k *Key) SealName(p suite.Place, name string) (_ []byte, err error) {
	secret := k.expand("labels", "", suite.SecretSize)
	defer clear(secret)
	s, err := suite.NewSealer(p, labelSuite, secret)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	id := k.RoomID(name)
	return s.Seal(nil, 0, id[:], []byte(name))
}

// OpenName opens a label; it is an error if another key made it.
func (k *Key) OpenName(p suite.Place, l relay.Listed) (_ string, err error) {
	secret := k.expand("labels", "", suite.SecretSize)
	defer clear(secret)
	o, err := suite.NewOpener(p, labelSuite, secret)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	name, err := o.Open(0, l.Room[:], l.Label)
	if err != nil {
		return "", err
	}
	if k.RoomID(string(name)) != l.Room {
		return "", fmt.Errorf("a label of another room: %w", suite.ErrForged)
	}
	return string(name), CheckName(string(name))
}

// RoomID is what the hub knows a room by.
func (k *Key) RoomID(name string) ID { return ID(k.expand("id", name, relay.IDSize)) }

// senderSecret is what a member seals with.
func senderSecret(roomSecret []byte, e *relay.Envelope) []byte {
	return expand(roomSecret, "sender\x00"+string(e.Sender[:])+string(e.Salt[:]), suite.SecretSize)
}

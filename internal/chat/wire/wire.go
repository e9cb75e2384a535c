// SPDX-License-Identifier: Apache-2.0

// Package wire is the chat's protocol between two ends: it turns a byte
// connection and a pre-shared key into an authenticated, encrypted one.
//
// [Handshake] comes first. The initiator (who connected) and the responder
// (who listened) exchange a [hello] each, with a magic, a version, a fresh
// random nonce and the public half of a fresh X25519 key. Both derive their
// keys from what the two X25519 keys give, the pre-shared key and the two
// hellos, and each proves to the other that it has them. Nothing else is sent
// or believed before that. Who learns the pre-shared key later cannot read
// what was said before: the X25519 keys are gone.
//
//	initiator                                   responder
//	   | hello: magic version role suites nonce     |
//	   |        share salt                          |
//	   | -----------------------------------------> |
//	   |     hello: magic version role suite nonce  |
//	   |            share salt                      |
//	   | <----------------------------------------- |
//	   | proof: HMAC(initiator's proof key)         |
//	   | -----------------------------------------> |
//	   |   verdict, HMAC(responder's proof key)     |
//	   | <----------------------------------------- |
//	   | records, in both directions at once        |
//	   | <----------------------------------------> |
//
// The [Conn] it returns carries records. Each is a header (length, counter,
// direction, kind), and a payload that is sealed together with the header by
// the suite that the two agreed on (package suite). The receiver believes
// nothing but the length, which has a bound, before that is verified. Each
// direction has keys of its own, and the counter rises by one a record, so
// that a frame that is changed, replayed, reordered, left out or sent back to
// its sender is refused. After a while, and after much data, a direction goes
// on to keys that follow from the old ones, which are forgotten. The stream
// ends with a record that says so: a connection that just stops is an error.
//
// Every field and its reason is in docs/chat.md.
package wire

import (
	"crypto/sha256"
	"time"
)

// Version is the protocol's version, the byte after the magic. Both ends must
// have the same.
const Version = 2

// MaxPayload is the largest plaintext of a record in bytes. It bounds what a
// peer can make us hold.
const MaxPayload = 32 << 10

const (
	macSize   = sha256.Size // HMAC-SHA-256, not truncated (RFC 2104)
	nonceSize = 32          // random; two never collide by chance
	shareSize = 32          // an X25519 public key (RFC 7748 section 5)
)

// SaltSize is the size of the responder's salt in bytes (RFC 9106 section 3.1).
const SaltSize = 16

// When a direction goes on to its next keys.
const (
	rekeyRecords = 1 << 16 // at most 2 GiB under one key
	rekeyTime    = 10 * time.Minute
)

// Role says which end of a connection this is.
type Role uint8

const (
	Initiator Role = 1 // the end that connected
	Responder Role = 2 // the end that listened
)

func (r Role) peer() Role { return Initiator + Responder - r }

// Kind is what a record says.
type Kind uint8

const (
	// Data carries bytes of the sender's stream.
	Data Kind = 1
	// End says that the sender's stream is complete. It has no payload, and
	// no Data follows it.
	End Kind = 2
	// Received answers the peer's End: all of its stream has been taken.
	Received Kind = 3
	// Nick carries the name the sender wishes to be shown under, in UTF-8.
	// The receiver treats it as hostile text.
	Nick Kind = 4
	// Bye says that the sender leaves now and reads no more.
	Bye Kind = 5
	// rekey says that what follows is sealed with the direction's next keys.
	// It has no payload and stays within this package.
	rekey Kind = 6
	// Act carries what the sender does, in UTF-8, to be shown as such. The
	// receiver treats it as hostile text.
	Act Kind = 7

	// Files, as package transfer has them.

	// Offer says that the sender has a file for the receiver.
	Offer Kind = 8
	// Get asks for blocks of a file.
	Get Kind = 9
	// Block is one.
	Block Kind = 10
	// Refuse says that a file is not wanted, or not to be had.
	Refuse Kind = 11
)

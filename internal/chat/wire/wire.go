// SPDX-License-Identifier: Apache-2.0

// Package wire is the chat's protocol: it turns a byte connection and a
// pre-shared key into an authenticated, encrypted one.
//
// [Handshake] comes first. The initiator (who connected) and the responder
// (who listened) exchange a [hello] each, with a magic, a version and a fresh
// random nonce; both derive their keys from the pre-shared key and the two
// hellos, and each proves to the other that it has them. Nothing else is sent
// or believed before that.
//
//	initiator                                   responder
//	   | hello: magic version role suites nonce     |
//	   | -----------------------------------------> |
//	   |     hello: magic version role suite nonce  |
//	   | <----------------------------------------- |
//	   | proof: HMAC(initiator's proof key)         |
//	   | -----------------------------------------> |
//	   |   verdict, HMAC(responder's proof key)     |
//	   | <----------------------------------------- |
//	   | records, in both directions at once        |
//	   | <----------------------------------------> |
//
// The [Conn] it returns carries records. Each is a header (length, counter,
// direction, kind), a fresh random IV, an AES-128-CBC ciphertext and an
// HMAC-SHA-256 over all of these: encrypt, then MAC. The receiver checks the
// MAC before it looks at anything but the length, which has a bound. Each
// direction and purpose has a key of its own, and the counter rises by one a
// record, so that a frame that is changed, replayed, reordered, left out or
// sent back to its sender is refused. The stream ends with a record that says
// so: a connection that just stops is an error.
//
// The package decides what is encrypted and when; where AES-CBC is computed
// is the caller's choice, through [CBC]. Every field and its reason is in
// docs/chat.md.
package wire

import (
	"crypto/aes"
	"crypto/sha256"
)

// Version is the protocol's version, the byte after the magic. Both ends must
// have the same.
const Version = 1

// MaxPayload is the largest plaintext of a record in bytes. With padding it is
// still below what every AES-CBC device and library we know of takes in one
// request (the smallest limit is 65,520), and it bounds what a peer can make
// us hold.
const MaxPayload = 32 << 10

// KeySize is the size of a cipher key in bytes: AES-128 (FIPS 197).
const KeySize = 16

const (
	blockSize = aes.BlockSize   // also the size of an IV (SP 800-38A section 6.2)
	macSize   = sha256.Size     // HMAC-SHA-256, not truncated (RFC 2104)
	macKey    = sha256.Size     // RFC 2104 section 3: at least the hash's output
	nonceSize = 32              // random; two never collide by chance
	maxCount  = uint64(1) << 32 // records a direction: 2^32 of 2 Ki blocks stay far from CBC's 2^64 blocks
)

// CBC opens AES-128-CBC ciphers. It says where the chat's cipher operations
// run: in a cryptodev node, or in an engine.
type CBC interface {
	// Encrypter and Decrypter open a cipher with a 16-byte key. The key is
	// borrowed for the call; the caller zeroes it.
	Encrypter(key []byte) (BlockMode, error)
	Decrypter(key []byte) (BlockMode, error)
}

// BlockMode is one direction of AES-CBC under one key. One goroutine uses it
// at a time.
type BlockMode interface {
	// Crypt encrypts or decrypts src into dst. They have the same length, a
	// multiple of 16 bytes, and do not overlap; iv is 16 bytes. All three are
	// borrowed for the call. After an error dst is undefined and nothing of
	// it is used.
	Crypt(dst, src, iv []byte) error
	// Close gives the key back.
	Close() error
}

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
)

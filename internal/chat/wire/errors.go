// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"

	"vcrypto/internal/chat/suite"
)

// What can be wrong with a peer or with what comes from it. Errors of this
// package wrap one of these, or the connection's or cipher's own error. After
// any error but ErrBusy the connection is of no use.
var (
	// ErrNotVchat: what the peer sends is not this protocol.
	ErrNotVchat = errors.New("the peer does not speak encrypted vchat")
	// ErrVersion: the peer speaks another version, or has no suite of ours.
	ErrVersion = errors.New("the peer speaks another version of the protocol")
	// ErrKey: the peer does not have our pre-shared key.
	ErrKey = errors.New("the pre-shared keys differ")
	// ErrBusy: the peer has our key, and talks to somebody else.
	ErrBusy = errors.New("the listener is busy with another peer")
	// ErrTruncated: the connection stopped in the middle.
	ErrTruncated = errors.New("the connection ended before the peer said so")
	// ErrForged: a frame was changed on its way, or is not the peer's.
	ErrForged = errors.New("a frame is not authentic")
	// ErrOrder: an authentic frame came at the wrong place.
	ErrOrder = errors.New("frames were replayed, reordered or left out")
	// ErrFrame: a frame breaks the protocol's rules.
	ErrFrame = errors.New("a frame breaks the protocol")
	// ErrCipher: our own cipher failed. Nothing was sent or shown unciphered.
	ErrCipher = suite.ErrCipher
)

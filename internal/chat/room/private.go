// SPDX-License-Identifier: Apache-2.0

package room

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/suite"
)

// What two members say to each other alone is sealed with a key that follows
// from their X25519 keys: other members, who have the room's key, cannot read
// it. Messages go through the room, in their order with all others, so that
// nobody outside it sees who they are for; other members see that.
//
// The body of such a message is the addressee's ID, and then a kind and its
// body, sealed with the envelope's header as additional data. Blocks of files
// (see Direct) go to the addressee alone.

// Purposes of the keys of two members.
const (
	forMessages = "private"
	forBlocks   = "direct"
)

// pairSecret is what from seals with for to. The public key is the other's.
func (i *Identity) pairSecret(public []byte, purpose string, e *relay.Envelope, to ID) ([]byte, error) {
	theirs, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("the other's X25519 key: %w", err)
	}
	shared, err := i.key.ECDH(theirs)
	if err != nil {
		return nil, fmt.Errorf("the other's X25519 key: %w", err)
	}
	defer clear(shared)
	prk, err := hkdf.Extract(sha256.New, shared, e.Room[:])
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	defer clear(prk)
	return expand(prk, "vchat 1 "+purpose+"\x00"+string(e.Sender[:])+string(to[:])+string(e.Salt[:]), suite.SecretSize), nil
}

// sealFor seals something for one member. The envelope's numbers are used
// once for each purpose.
func (r *Room) sealFor(to *member, purpose string, e *relay.Envelope, plain []byte) (_ []byte, err error) {
	if !to.told {
		return nil, fmt.Errorf("%s has not said yet how to write to them alone; try again in a moment", r.display(to))
	}
	secret, err := r.self.pairSecret(to.public[:], purpose, e, to.id)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	s, err := suite.NewSealer(r.place, e.Suite, secret)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Seal(nil, e.Seq, append(e.Head(nil), to.id[:]...), plain)
}

// openFrom opens what a member sealed for us.
func (r *Room) openFrom(from *member, purpose string, e *relay.Envelope, sealed []byte) (_ []byte, err error) {
	if !from.told {
		return nil, fmt.Errorf("nobody knows the sender's key yet: %w", suite.ErrForged)
	}
	secret, err := r.self.pairSecret(from.public[:], purpose, e, r.self.ID)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	o, err := suite.NewOpener(r.place, e.Suite, secret)
	if err != nil {
		return nil, err
	}
	plain, err := o.Open(e.Seq, append(e.Head(nil), r.self.ID[:]...), sealed)
	plain = append([]byte(nil), plain...)
	return plain, errors.Join(err, o.Close())
}

// SealDirect seals a block for one member, who gets it without the room: it
// may be lost or repeated.
func (r *Room) SealDirect(to ID, plain []byte) (envelope []byte, err error) {
	m := r.members[to]
	if m == nil {
		return nil, ErrAbsent
	}
	e := relay.Envelope{Room: r.id, Sender: r.self.ID, Salt: r.blockSalt, Seq: r.blocks, Suite: r.withSuites(m.suites)}
	r.blocks++
	sealed, err := r.sealFor(m, forBlocks, &e, plain)
	if err != nil {
		return nil, err
	}
	return append(e.Head(nil), sealed...), nil
}

// OpenDirect opens such a block. The sender is a member of the room.
func (r *Room) OpenDirect(e relay.Envelope) (from ID, plain []byte, err error) {
	m := r.members[e.Sender]
	if m == nil || e.Room != r.id || r.place.Suites()&e.Suite == 0 {
		return ID{}, nil, suite.ErrForged
	}
	plain, err = r.openFrom(m, forBlocks, &e, e.Sealed)
	if err != nil {
		return ID{}, nil, err
	}
	return m.id, plain, nil
}

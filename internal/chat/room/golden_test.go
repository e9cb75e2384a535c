// SPDX-License-Identifier: Apache-2.0

package room

import (
	"bytes"
	"encoding/hex"
	"testing"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/suite"
)

// Keys and IDs of a room, computed apart from this package (Python's hmac and
// hashlib) from docs/chat.md, for the key file 0123456789abcdef twice, the room
// #cats, and the member with the public key of Alice in RFC 7748, section 6.1.
// A change here is a change of the protocol.
const (
	goldenPublic = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
	goldenMember = "cc2b1a95ac542bc6cd8912644c1199c0"
	goldenRoom   = "08a03fd105c1fb863bb874ee3048ef8d"
	goldenSecret = "b52ffbdb69dc865cdc004649230bf4967bd587fdabaa2d70d063b178ce8ee877"
	goldenLabels = "1f1210a9a11befe0e65933191b264380dde24be429b7c29f5cc70a1221856c20"
	goldenSender = "8d2fcf1b40c8a5adb36e3d7e443b7c6c44df3d12a7613630d97201e4cebf2d96" // with the salt 00 01 ... 0f
)

func TestGolden(t *testing.T) {
	k, err := NewKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := hex.DecodeString(goldenPublic)
	if err != nil {
		t.Fatal(err)
	}
	member, id := memberID(public), k.RoomID("#cats")
	e := relay.Envelope{Room: id, Sender: member, Salt: [relay.IDSize]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}
	secret := k.expand("room", "#cats", suite.SecretSize)
	for what, c := range map[string]struct{ got, want string }{
		"member's ID":     {member.String(), goldenMember},
		"room's ID":       {id.String(), goldenRoom},
		"room's secret":   {hex.EncodeToString(secret), goldenSecret},
		"labels' secret":  {hex.EncodeToString(k.expand("labels", "", suite.SecretSize)), goldenLabels},
		"sender's secret": {hex.EncodeToString(senderSecret(secret, &e)), goldenSender},
	} {
		if c.got != c.want {
			t.Errorf("%s is %s, expected %s", what, c.got, c.want)
		}
	}
	// No two members and no two salts have the same keys: the same number is
	// the same nonce.
	first := senderSecret(secret, &e)
	e.Salt[15]++
	if bytes.Equal(first, senderSecret(secret, &e)) {
		t.Error("the salt does not matter")
	}
	e.Salt[15]--
	e.Sender[0]++
	if bytes.Equal(first, senderSecret(secret, &e)) {
		t.Error("the sender does not matter")
	}
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// The handshake and first record of a connection, computed apart from this
// package (Python's hmac and hashlib, the openssl command) from docs/chat.md.
// A change here is a change of the protocol and needs a new version.
const (
	goldenPSK       = "0123456789abcdef0123456789abcdef"
	goldenProof     = "d643c66a23c3d2ff64daf2f9e76681bace8612de744a66de356f0774befca727"
	goldenVerdict   = "011c217d5ad6aa31fb97069f6039f39c7870f65d82ff487b875ce0dad95cdb55d6"
	goldenRecord    = "0000004000000000000000000101f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff33646c921b32f2baff5a5b984dd6dda87287586799ea6a30a47655be7f0b3d7d27c8ac076c6fe5c4a0b10c2b790e63b0"
	goldenPayload   = "attack at dawn\n"
	goldenResponder = "0084766da72d3b3d73a79046a0f20953" // its cipher key
	goldenMAC       = "457d8dd59397ffb0e5e8ea76f93f20f35efe3470faaea9d003d31caa0434b3b9"
)

func TestGolden(t *testing.T) {
	hello := func(role, firstNonce byte) []byte {
		b := append([]byte("\x89vchat\r\n"), 1, role, 0, 1)
		for i := range byte(32) {
			b = append(b, firstNonce+i)
		}
		return b
	}
	i, r := hello(1, 0), hello(2, 32)
	for role, b := range map[Role][]byte{Initiator: i, Responder: r} {
		if h, err := parseHello(b, role); err != nil || !bytes.Equal(h.marshal(), b) {
			t.Errorf("hello of role %d: %x, %v", role, h.marshal(), err)
		}
	}
	k, err := deriveKeys([]byte(goldenPSK), i, r)
	if err != nil {
		t.Fatal(err)
	}
	v := []byte{byte(verdictWelcome)}
	for what, c := range map[string]struct {
		got  []byte
		want string
	}{
		"proof":                  {k.initiator.prove(nil), goldenProof},
		"verdict":                {append(v, k.responder.prove(v)...), goldenVerdict},
		"responder's cipher key": {k.responder.cipher, goldenResponder},
		"responder's MAC key":    {k.responder.mac, goldenMAC},
	} {
		if hex.EncodeToString(c.got) != c.want {
			t.Errorf("%s is %x, expected %s", what, c.got, c.want)
		}
	}

	record, err := hex.DecodeString(goldenRecord)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConn(bytes.NewBuffer(record), Responder, k, libraryCBC{})
	if err != nil {
		t.Fatal(err)
	}
	if kind, p, err := c.Receive(); err != nil || kind != Data || string(p) != goldenPayload {
		t.Errorf("received kind %d, %q, %v", kind, p, err)
	}
}

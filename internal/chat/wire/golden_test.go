// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/hex"
	"testing"

	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/suite/suitetest"
)

// The handshake and first record of a connection in either suite, computed
// apart from this package (Python's hmac and hashlib, the openssl command, GHASH
// by hand) from docs/chat.md. The X25519 keys and what they give are those of
// RFC 7748, section 6.1. A change here is a change of the protocol and needs a
// new version.
const (
	goldenPSK     = "0123456789abcdef0123456789abcdef"
	goldenShareI  = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
	goldenShareR  = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
	goldenShared  = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
	goldenPayload = "attack at dawn\n"
)

var golden = map[suite.ID]struct{ proof, verdict, fingerprint, next, record string }{
	suite.CBC: {
		"e0f67da5acb0f6d782727183773536c19f32dc48138329853003a0461cb91025",
		"014f56e5ca7d6d2efee39d779e582cd32ff3b79c7938d8262e63e7965a2f09cac6",
		"9609 9688 1913 5369",
		"232d88d86db5f2aea60fce903d2ba11fd7c4530a4ad611418ba585f8bd023842",
		"0000004000000000000000000101f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff12f57ae1d5a584784558cc5dc4fb530f00632417cd27cb5732ab1004321a8de6a7403e13b977aabdf86e142924e1bd6c",
	},
	suite.GCM: {
		"46d413ab95508a7436d172a1758dbf1839ace18311b8e8097d79d26bdbe2b001",
		"010691d6d1a69b4c6b938258d771f5b6fb97e199dec1ba84a2d53bc55d1f4af276",
		"9566 4813 0848 2293",
		"cce8a0a152f26ac18b5da5b3aa8b6acc74459d4080a9136189719558b10fe6e7",
		"0000002000000000000000000101ea5a81ba71023d7e2d49df339eb8f0d51ac25ca163c1c6d1afed7d942c7875d1",
	},
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	for id, want := range golden {
		t.Run(id.String(), func(t *testing.T) {
			hello := func(role, suites, firstNonce byte, share string, firstSalt byte) []byte {
				b := append([]byte("\x89vchat\r\n"), 2, role, 0, suites)
				for i := range byte(nonceSize) {
					b = append(b, firstNonce+i)
				}
				b = append(b, unhex(t, share)...)
				for i := range byte(SaltSize) {
					if firstSalt != 0 {
						i += firstSalt
					} else {
						i = 0
					}
					b = append(b, i)
				}
				return b
			}
			i, r := hello(1, 3, 0, goldenShareI, 0), hello(2, byte(id), 32, goldenShareR, 64)
			for role, b := range map[Role][]byte{Initiator: i, Responder: r} {
				if h, err := parseHello(b, role); err != nil || !bytes.Equal(h.marshal(), b) {
					t.Errorf("hello of role %d: %x, %v", role, h.marshal(), err)
				}
			}
			k, err := deriveKeys(unhex(t, goldenShared), []byte(goldenPSK), i, r)
			if err != nil {
				t.Fatal(err)
			}
			rekeyed := bytes.Clone(k.initiator.secret)
			if err := next(rekeyed); err != nil {
				t.Fatal(err)
			}
			v := []byte{byte(verdictWelcome)}
			for what, c := range map[string]struct{ got, want string }{
				"proof":       {hex.EncodeToString(k.initiator.prove(nil)), want.proof},
				"verdict":     {hex.EncodeToString(append(v, k.responder.prove(v)...)), want.verdict},
				"fingerprint": {printFingerprint(k.fingerprint), want.fingerprint},
				"next secret": {hex.EncodeToString(rekeyed), want.next},
			} {
				if c.got != c.want {
					t.Errorf("%s is %s, expected %s", what, c.got, c.want)
				}
			}
			c, err := newConn(bytes.NewBuffer(unhex(t, want.record)), Responder, id, k, suitetest.All)
			if err != nil {
				t.Fatal(err)
			}
			if kind, p, err := c.Receive(); err != nil || kind != Data || string(p) != goldenPayload {
				t.Errorf("received kind %d, %q, %v", kind, p, err)
			}
		})
	}
}

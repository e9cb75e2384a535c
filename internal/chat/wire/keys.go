// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"vcrypto/internal/chat/suite"
)

// Labels of the keys: HKDF's info (RFC 5869 section 3.2), together with the
// transcript. A key for each direction and each purpose.
const (
	labelPrefix        = "vchat 2 "
	labelFromI         = "initiator to responder "
	labelFromR         = "responder to initiator "
	purposeSecret      = "secret"
	purposeProof       = "proof"
	purposeFingerprint = "fingerprint"
	labelRekey         = "vchat 2 rekey"
)

// side is the keys of one direction: what its sender uses.
type side struct {
	secret []byte // of the suite that seals the records
	proof  []byte // HMAC-SHA-256 of the handshake's proof
}

func (s *side) zero() {
	clear(s.secret)
	clear(s.proof)
}

// keys is all keys of a connection.
type keys struct {
	initiator, responder side
	fingerprint          []byte            // for people to compare
	transcript           [sha256.Size]byte // over both hellos
}

func (k *keys) zero() {
	k.initiator.zero()
	k.responder.zero()
	clear(k.fingerprint)
}

// of returns the keys that r sends with.
func (k *keys) of(r Role) *side {
	if r == Initiator {
		return &k.initiator
	}
	return &k.responder
}

// fingerprintSize is 53 bits' worth of decimals: who sits between the two ends
// would have to find keys that give both ends the same in the seconds that a
// handshake lasts.
const fingerprintSize = 8

// deriveKeys makes the keys from what X25519 gave, the pre-shared key, and the
// two hellos, with HKDF-SHA256 (RFC 5869). The salt is both nonces: fresh keys
// for each connection as long as one of the two ends is honest. The info binds
// each key to its direction, its purpose, and all that was said in the hellos.
func deriveKeys(shared, psk []byte, helloI, helloR []byte) (*keys, error) {
	var salt [2 * nonceSize]byte
	copy(salt[:], helloI[helloNonce:helloShare])
	copy(salt[nonceSize:], helloR[helloNonce:helloShare])
	// The first has a fixed size: it is clear where the second begins.
	input := append(append(make([]byte, 0, len(shared)+len(psk)), shared...), psk...)
	defer clear(input)
	prk, err := hkdf.Extract(sha256.New, input, salt[:])
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	defer clear(prk)

	k := &keys{}
	h := sha256.New()
	h.Write(helloI) // fixed sizes: no separator needed
	h.Write(helloR)
	h.Sum(k.transcript[:0])

	for _, d := range []struct {
		into  *[]byte
		label string
		size  int
	}{
		{&k.initiator.secret, labelFromI + purposeSecret, suite.SecretSize},
		{&k.initiator.proof, labelFromI + purposeProof, macSize},
		{&k.responder.secret, labelFromR + purposeSecret, suite.SecretSize},
		{&k.responder.proof, labelFromR + purposeProof, macSize},
		{&k.fingerprint, purposeFingerprint, fingerprintSize},
	} {
		info := labelPrefix + d.label + "\x00" + string(k.transcript[:])
		if *d.into, err = hkdf.Expand(sha256.New, prk, info, d.size); err != nil {
			k.zero()
			return nil, fmt.Errorf("derive keys: %w", err)
		}
	}
	return k, nil
}

// next replaces a direction's secret by the one that follows from it. There
// is no way back.
func next(secret []byte) error {
	n, err := hkdf.Expand(sha256.New, secret, labelRekey, suite.SecretSize)
	if err != nil {
		return fmt.Errorf("derive the next keys: %w", err)
	}
	copy(secret, n)
	clear(n)
	return nil
}

// prove is the MAC by which the owner of s shows that it has the keys. said is
// what it says along with it.
func (s *side) prove(said []byte) []byte {
	m := hmac.New(sha256.New, s.proof)
	m.Write(said)
	return m.Sum(nil)
}

// printFingerprint writes a fingerprint as people compare it: four times four
// digits.
func printFingerprint(b []byte) string {
	n := binary.BigEndian.Uint64(b) % 1e16
	return fmt.Sprintf("%04d %04d %04d %04d", n/1e12, n/1e8%1e4, n/1e4%1e4, n%1e4)
}

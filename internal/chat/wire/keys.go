// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
)

// Labels of the keys: HKDF's info (RFC 5869 section 3.2), together with the
// transcript. A key for each direction and each purpose.
const (
	labelPrefix   = "vchat 1 "
	labelFromI    = "initiator to responder "
	labelFromR    = "responder to initiator "
	purposeCipher = "cipher"
	purposeMAC    = "mac"
	purposeProof  = "proof"
)

// side is the keys of one direction: what its sender uses.
type side struct {
	cipher []byte // AES-128
	mac    []byte // HMAC-SHA-256 of the records
	proof  []byte // HMAC-SHA-256 of the handshake's proof
}

func (s *side) zero() {
	clear(s.cipher)
	clear(s.mac)
	clear(s.proof)
}

// keys is all keys of a connection.
type keys struct {
	initiator, responder side
	transcript           [sha256.Size]byte // over both hellos
}

func (k *keys) zero() {
	k.initiator.zero()
	k.responder.zero()
}

// of returns the keys that r sends with.
func (k *keys) of(r Role) *side {
	if r == Initiator {
		return &k.initiator
	}
	return &k.responder
}

// deriveKeys makes the keys from the pre-shared key and the two hellos, with
// HKDF-SHA256 (RFC 5869). The salt is both nonces: fresh keys for each
// connection as long as one of the two ends is honest. The info binds each
// key to its direction, its purpose, and all that was said in the hellos.
func deriveKeys(psk []byte, helloI, helloR []byte) (*keys, error) {
	var salt [2 * nonceSize]byte
	copy(salt[:], helloI[helloNonce:])
	copy(salt[nonceSize:], helloR[helloNonce:])
	prk, err := hkdf.Extract(sha256.New, psk, salt[:])
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
		into    *[]byte
		label   string
		purpose string
		size    int
	}{
		{&k.initiator.cipher, labelFromI, purposeCipher, KeySize},
		{&k.initiator.mac, labelFromI, purposeMAC, macKey},
		{&k.initiator.proof, labelFromI, purposeProof, macKey},
		{&k.responder.cipher, labelFromR, purposeCipher, KeySize},
		{&k.responder.mac, labelFromR, purposeMAC, macKey},
		{&k.responder.proof, labelFromR, purposeProof, macKey},
	} {
		info := labelPrefix + d.label + d.purpose + "\x00" + string(k.transcript[:])
		if *d.into, err = hkdf.Expand(sha256.New, prk, info, d.size); err != nil {
			k.zero()
			return nil, fmt.Errorf("derive keys: %w", err)
		}
	}
	return k, nil
}

// proof is the MAC by which the owner of s shows that it has the keys. said
// is what it says along with it.
func (s *side) prove(said []byte) []byte {
	m := hmac.New(sha256.New, s.proof)
	m.Write(said)
	return m.Sum(nil)
}

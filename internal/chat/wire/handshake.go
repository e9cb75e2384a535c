// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/ecdh"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"os"

	"vcrypto/internal/chat/suite"
)

// verdict is what the responder answers to the initiator's proof, one byte,
// followed by the responder's own proof over it.
type verdict byte

const (
	verdictWelcome verdict = 1
	verdictBusy    verdict = 2 // the key is right; another peer is being served
	// verdictKey: the initiator's proof is wrong. 32 zero bytes follow: who
	// cannot prove to have the key gets nothing made with it.
	verdictKey verdict = 3

	verdictSize = 1 + macSize
)

// Config is what a handshake needs.
type Config struct {
	Role Role
	// PSK is the pre-shared key, borrowed for the call. Who only listens cannot
	// try keys, but who answers in the peer's place can: it must be hard to
	// guess.
	PSK []byte
	// Salt is what the responder made its PSK of a passphrase with, if it did.
	Salt [SaltSize]byte
	// Stretch, at the initiator, if it is not nil, makes the PSK of a
	// passphrase and the responder's salt.
	Stretch func(salt [SaltSize]byte) []byte
	// Place is where the cipher runs.
	Place suite.Place
	// Admit, at the responder, is asked once the initiator has proved that it
	// has the key; false tells it that we are busy, and Handshake returns
	// ErrBusy. nil admits everybody. If Handshake returns an error although
	// Admit said true, the caller takes the admission back.
	Admit func() bool
}

// Handshake makes sure that the peer at the other end of rw has the same
// pre-shared key, and returns the protected connection. The caller sets
// deadlines on rw; it closes rw after an error, and after Conn.Close.
func Handshake(rw io.ReadWriter, c Config) (*Conn, error) {
	if len(c.PSK) == 0 && (c.Stretch == nil || c.Role != Initiator) {
		return nil, errors.New("handshake without a pre-shared key")
	}
	if c.Role == Initiator {
		return initiate(rw, c)
	}
	return respond(rw, c)
}

func initiate(rw io.ReadWriter, c Config) (*Conn, error) {
	mine, key, err := newHello(Initiator, c.Place.Suites(), [SaltSize]byte{})
	if err != nil {
		return nil, err
	}
	said := mine.marshal()
	if _, err := rw.Write(said); err != nil {
		return nil, fmt.Errorf("send hello: %w", err)
	}
	theirs, heard, err := readHello(rw, Responder)
	if err != nil {
		return nil, err
	}
	if !theirs.suites.Known() || theirs.suites&mine.suites == 0 {
		return nil, fmt.Errorf("%w: it chose cipher suite %#x, which we did not offer", ErrVersion, uint16(theirs.suites))
	}
	psk := c.PSK
	if c.Stretch != nil {
		psk = c.Stretch(theirs.salt)
		defer clear(psk)
	}
	k, err := agree(&theirs, key, psk, said, heard)
	if err != nil {
		return nil, err
	}
	defer k.zero()

	if _, err := rw.Write(k.initiator.prove(nil)); err != nil {
		return nil, fmt.Errorf("send proof: %w", err)
	}
	var answer [verdictSize]byte
	if _, err := io.ReadFull(rw, answer[:]); err != nil {
		return nil, handshakeRead("verdict", err)
	}
	v := verdict(answer[0])
	if v == verdictKey {
		return nil, fmt.Errorf("the listener refused our proof: %w", ErrKey)
	}
	if !hmac.Equal(answer[1:], k.responder.prove(answer[:1])) {
		return nil, fmt.Errorf("the listener's proof is wrong: %w", ErrKey)
	}
	switch v {
	case verdictWelcome:
		return newConn(rw, Initiator, theirs.suites, k, c.Place)
	case verdictBusy:
		return nil, ErrBusy
	}
	return nil, fmt.Errorf("verdict %d: %w", v, ErrFrame)
}

func respond(rw io.ReadWriter, c Config) (*Conn, error) {
	theirs, heard, err := readHello(rw, Initiator)
	if err != nil {
		return nil, err
	}
	mine, key, err := newHello(Responder, (theirs.suites & c.Place.Suites()).Best(), c.Salt)
	if err != nil {
		return nil, err
	}
	said := mine.marshal()
	if _, err := rw.Write(said); err != nil {
		return nil, fmt.Errorf("send hello: %w", err)
	}
	if mine.suites == 0 {
		return nil, fmt.Errorf("%w: it offers cipher suites %#x, none of ours", ErrVersion, uint16(theirs.suites))
	}
	k, err := agree(&theirs, key, c.PSK, heard, said)
	if err != nil {
		return nil, err
	}
	defer k.zero()

	var proof [macSize]byte
	if _, err := io.ReadFull(rw, proof[:]); err != nil {
		return nil, handshakeRead("proof", err)
	}
	if !hmac.Equal(proof[:], k.initiator.prove(nil)) {
		refusal := [verdictSize]byte{byte(verdictKey)}
		_, err := rw.Write(refusal[:])
		return nil, errors.Join(fmt.Errorf("the peer's proof is wrong: %w", ErrKey), err)
	}

	// Open the ciphers first: a welcome is a promise.
	conn, err := newConn(rw, Responder, mine.suites, k, c.Place)
	if err != nil {
		return nil, err
	}
	answer := []byte{byte(verdictWelcome)}
	if c.Admit != nil && !c.Admit() {
		answer[0] = byte(verdictBusy)
	}
	if _, err := rw.Write(append(answer, k.responder.prove(answer)...)); err != nil {
		return nil, errors.Join(fmt.Errorf("send verdict: %w", err), conn.Close())
	}
	if verdict(answer[0]) == verdictBusy {
		return nil, errors.Join(ErrBusy, conn.Close())
	}
	return conn, nil
}

// agree derives the keys of a connection.
func agree(theirs *hello, key *ecdh.PrivateKey, psk, helloI, helloR []byte) (*keys, error) {
	shared, err := theirs.shared(key)
	if err != nil {
		return nil, err
	}
	defer clear(shared)
	return deriveKeys(shared, psk, helloI, helloR)
}

// handshakeRead is the error of a handshake that stopped after the hellos.
func handshakeRead(what string, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("read the peer's %s: %w", what, ErrTruncated)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the peer stopped answering in the handshake (no %s in time): %w", what, ErrTruncated)
	}
	return fmt.Errorf("read the peer's %s: %w", what, err)
}

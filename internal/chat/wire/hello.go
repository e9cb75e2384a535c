// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"vcrypto/internal/chat/suite"
)

// magic begins every hello. Its first byte is not ASCII, so no text protocol
// begins with it; its last two make a server that reads lines answer at once
// instead of waiting for more.
const magic = "\x89vchat\r\n"

// Offsets in a hello. Magic and version keep their places in all versions;
// what follows depends on the version.
const (
	helloVersion = len(magic)
	helloRole    = helloVersion + 1
	helloSuites  = helloRole + 1 // big endian
	helloNonce   = helloSuites + 2
	helloShare   = helloNonce + nonceSize
	helloSalt    = helloShare + shareSize
	helloSize    = helloSalt + SaltSize // 92
)

// hello is the first message of either side. The initiator's suites are all it
// can do, the responder's the one it chose. All of it is part of what the keys
// are derived from, so nobody between the two can change the choice.
type hello struct {
	role   Role
	suites suite.ID
	nonce  [nonceSize]byte
	share  [shareSize]byte // the public half of a fresh X25519 key
	salt   [SaltSize]byte  // the responder's, for a passphrase; the initiator's is zero
}

// newHello makes a hello, and the private half of its share.
func newHello(r Role, s suite.ID, salt [SaltSize]byte) (hello, *ecdh.PrivateKey, error) {
	h := hello{role: r, suites: s, salt: salt}
	rand.Read(h.nonce[:]) // never fails (crypto/rand)
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return hello{}, nil, fmt.Errorf("make an X25519 key: %w", err)
	}
	h.share = [shareSize]byte(key.PublicKey().Bytes())
	return h, key, nil
}

// shared is what the two X25519 keys give. A share that makes it the same
// whatever our key (RFC 7748 section 6.1) is refused.
func (h *hello) shared(key *ecdh.PrivateKey) ([]byte, error) {
	theirs, err := ecdh.X25519().NewPublicKey(h.share[:])
	if err != nil {
		return nil, fmt.Errorf("the peer's X25519 key: %w: %w", ErrFrame, err)
	}
	shared, err := key.ECDH(theirs)
	if err != nil {
		return nil, fmt.Errorf("the peer's X25519 key: %w: %w", ErrFrame, err)
	}
	return shared, nil
}

func (h *hello) marshal() []byte {
	b := make([]byte, 0, helloSize)
	b = append(b, magic...)
	b = append(b, Version, byte(h.role))
	b = binary.BigEndian.AppendUint16(b, uint16(h.suites))
	b = append(b, h.nonce[:]...)
	b = append(b, h.share[:]...)
	return append(b, h.salt[:]...)
}

// parseHello reads the hello of a peer of the given role.
func parseHello(b []byte, from Role) (hello, error) {
	if err := checkStart(b); err != nil {
		return hello{}, err
	}
	if len(b) != helloSize {
		return hello{}, fmt.Errorf("hello of %d bytes, expected %d: %w", len(b), helloSize, ErrNotVchat)
	}
	h := hello{
		role:   Role(b[helloRole]),
		suites: suite.ID(binary.BigEndian.Uint16(b[helloSuites:])),
		nonce:  [nonceSize]byte(b[helloNonce:]),
		share:  [shareSize]byte(b[helloShare:]),
		salt:   [SaltSize]byte(b[helloSalt:]),
	}
	if h.role != from {
		return hello{}, fmt.Errorf("its hello has the role %d, expected %d (does the connection lead back to itself?): %w", h.role, from, ErrNotVchat)
	}
	return h, nil
}

// checkStart says whether b can be the beginning of a hello, as far as it
// goes.
func checkStart(b []byte) error {
	n := min(len(b), len(magic))
	if string(b[:n]) != magic[:n] {
		return fmt.Errorf("%w%s", ErrNotVchat, guess(b))
	}
	if len(b) > helloVersion && b[helloVersion] != Version {
		return fmt.Errorf("%w: it has %d, we have %d; use the same release on both ends", ErrVersion, b[helloVersion], Version)
	}
	return nil
}

// readHello reads the peer's hello, and stops at the first byte that cannot
// be one: a peer of another protocol may never send as many bytes as that. It
// returns the bytes too, for the transcript.
func readHello(r io.Reader, from Role) (hello, []byte, error) {
	var buf [helloSize]byte
	for have := 0; have < helloSize; {
		n, err := r.Read(buf[have:])
		have += n
		if bad := checkStart(buf[:have]); bad != nil {
			return hello{}, nil, bad
		}
		if err != nil && have < helloSize {
			return hello{}, nil, helloFailed(err, have)
		}
	}
	h, err := parseHello(buf[:], from)
	return h, buf[:], err
}

func helloFailed(err error, have int) error {
	switch {
	case errors.Is(err, io.EOF) && have == 0:
		return fmt.Errorf("%w: it closed the connection without a word", ErrNotVchat)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it closed the connection in its hello", ErrNotVchat)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: it said nothing in time (one with --plain waits like this)", ErrNotVchat)
	}
	return fmt.Errorf("read the peer's hello: %w", err)
}

// guess names the protocol that begins like b, for the error. It does not
// quote b: what a stranger sends is not shown.
func guess(b []byte) string {
	for _, p := range []struct{ start, name string }{
		{"HTTP/", "HTTP"}, {"GET ", "HTTP"}, {"POST ", "HTTP"}, {"HEAD ", "HTTP"}, {"PUT ", "HTTP"}, {"OPTIONS ", "HTTP"}, {"PRI * ", "HTTP"},
		{"\x16\x03", "TLS"}, {"\x15\x03", "TLS"},
		{"SSH-", "SSH"},
		{"220 ", "SMTP or FTP"}, {"220-", "SMTP or FTP"},
	} {
		if bytes.HasPrefix(b, []byte(p.start)) {
			return " (it looks like " + p.name + ")"
		}
	}
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			return ""
		}
	}
	return " (it sends text: is it a vchat with --plain, or nc?)"
}

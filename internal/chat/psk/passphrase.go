// SPDX-License-Identifier: Apache-2.0

package psk

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/term"
)

// EnvPassphrase is the environment variable that may hold a passphrase.
const EnvPassphrase = "VCHAT_PASSPHRASE"

// SaltSize is the size of a passphrase's salt in bytes (RFC 9106 section 3.1).
const SaltSize = 16

// MinPassphrase is the least length of a passphrase in bytes: shorter ones are
// mistakes.
const MinPassphrase = 8

// Argon2id's parameters: the second recommended choice of RFC 9106 section 4.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	stretched    = 32 // bytes of key
)

// Warning is what users of a passphrase are told.
const Warning = "a passphrase is guessed more easily than a key file: who only listens cannot try any, but who answers in your peer's place, once, can try as many as they compute; take six random words or more, or vchat keygen"

// Passphrase is a secret that people can remember. It becomes a key by
// argon2id, which makes every guess cost memory and time.
type Passphrase struct {
	text []byte

	mu   sync.Mutex
	salt [SaltSize]byte // of key
	key  Key            // nil until it was made
}

// NewPassphrase takes text over, and makes a salt for those that connect.
func NewPassphrase(text []byte) (*Passphrase, error) {
	text = bytes.TrimRight(text, "\r\n")
	if len(text) < MinPassphrase {
		clear(text)
		return nil, fmt.Errorf("the passphrase has %d bytes, at least %d are needed: take six random words or more", len(text), MinPassphrase)
	}
	p := &Passphrase{text: text}
	rand.Read(p.salt[:]) // never fails (crypto/rand)
	return p, nil
}

// Listener returns the salt that a listener sends, and its key. The key is
// made once: a stranger who connects costs no argon2id. It is the
// passphrase's own.
func (p *Passphrase) Listener() ([SaltSize]byte, Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key == nil {
		p.key = p.stretch(p.salt)
	}
	return p.salt, p.key
}

// Stretch makes the key for the salt of a listener. The caller zeroes it.
func (p *Passphrase) Stretch(salt [SaltSize]byte) []byte { return p.stretch(salt) }

func (p *Passphrase) stretch(salt [SaltSize]byte) []byte {
	return argon2.IDKey(p.text, salt[:], argonTime, argonMemory, argonThreads, stretched)
}

// Zero forgets it.
func (p *Passphrase) Zero() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.text)
	clear(p.key)
}

// AskPassphrase takes the passphrase from the environment, or asks for it on
// the terminal.
func AskPassphrase() (*Passphrase, error) {
	if v, ok := os.LookupEnv(EnvPassphrase); ok {
		return NewPassphrase([]byte(v))
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("ask for the passphrase: %w; without a terminal set %s", err, EnvPassphrase)
	}
	defer tty.Close()
	fmt.Fprint(tty, "Passphrase: ")
	text, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask for the passphrase: %w", err))
	}
	return NewPassphrase(text)
}

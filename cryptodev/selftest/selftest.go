// SPDX-License-Identifier: Apache-2.0

// Package selftest finds out whether a cryptodev node does its work: it
// encrypts random data under a random key, compares with Go's crypto library,
// decrypts, and compares with what it began with.
package selftest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"vcrypto/cryptodev"
)

// KeySize is the length of the key used, in bytes: AES-128, which every node
// has.
const KeySize = 16

// Step is a step that was taken.
type Step struct {
	Name   string
	Took   time.Duration
	Detail string // what the node told, "" for nothing
	Err    error  // nil if all is well
}

// Run takes the steps, in order, and calls report after each. The first that
// fails ends the test; its error is returned with the step's name before it.
// What was opened is closed in any case.
func Run(open func() (*cryptodev.Device, error), c cryptodev.Cipher, size int, report func(Step)) (err error) {
	t := test{cipher: c, size: size}
	defer t.release()
	for _, s := range []struct {
		name string
		do   func() (string, error)
	}{
		{"open", func() (string, error) { return t.open(open) }},
		{"session", t.newSession},
		{"encrypt", t.encrypt},
		{"ciphertext is that of Go's crypto", t.compareCiphertext},
		{"decrypt", t.decrypt},
		{"plaintext is back", t.comparePlaintext},
		{"end session", t.endSession},
		{"close", t.close},
	} {
		start := time.Now()
		detail, err := s.do()
		report(Step{s.name, time.Since(start), detail, err})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// test is the state between the steps.
type test struct {
	cipher cryptodev.Cipher
	size   int

	dev *cryptodev.Device
	ses *cryptodev.Session

	key, iv         []byte
	plain, text, my []byte // my: decrypted again
}

func (t *test) open(open func() (*cryptodev.Device, error)) (string, error) {
	var err error
	t.dev, err = open()
	return "", err
}

func (t *test) newSession() (string, error) {
	t.key = make([]byte, KeySize)
	t.iv = make([]byte, t.cipher.IVSize())
	t.plain = make([]byte, t.size)
	t.text = make([]byte, t.size)
	t.my = make([]byte, t.size)
	for _, b := range [][]byte{t.key, t.iv, t.plain} {
		rand.Read(b) // never fails
	}
	var err error
	t.ses, err = t.dev.NewSession(cryptodev.SessionParams{Cipher: t.cipher, Key: t.key})
	if err != nil {
		return "", err
	}
	info, err := t.ses.Info()
	if err != nil {
		return "", err
	}
	return info.Name + " by " + info.Driver, nil
}

func (t *test) encrypt() (string, error) { return "", t.ses.Encrypt(t.text, t.plain, t.iv) }
func (t *test) decrypt() (string, error) { return "", t.ses.Decrypt(t.my, t.text, t.iv) }

func (t *test) compareCiphertext() (string, error) {
	want, err := goEncrypt(t.cipher, t.key, t.iv, t.plain)
	if err != nil {
		return "", err
	}
	return "", compare(t.text, want)
}

func (t *test) comparePlaintext() (string, error) { return "", compare(t.my, t.plain) }

func compare(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Errorf("the node's result is wrong from byte %d of %d on", i, len(want))
		}
	}
	return errors.New("the node's result has another length")
}

func (t *test) endSession() (string, error) {
	err := t.ses.Close()
	t.ses = nil
	return "", err
}

func (t *test) close() (string, error) {
	err := t.dev.Close()
	t.dev = nil
	return "", err
}

// release closes what an early end left open, and forgets the key.
func (t *test) release() {
	clear(t.key)
	if t.ses != nil {
		t.ses.Close()
	}
	if t.dev != nil {
		t.dev.Close()
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package suitetest has places for tests that stand apart from the chat's own:
// AES of Go's library, and AES that fails.
package suitetest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"

	"vcrypto/internal/chat/suite"
)

// Library computes with Go's library what is in the set.
type Library suite.ID

// All is everything that there is.
const All = Library(suite.CBC | suite.GCM)

func (l Library) Suites() suite.ID { return suite.ID(l) }

func (Library) Encrypter(key []byte) (suite.BlockMode, error) {
	return &mode{bytes.Clone(key), true}, nil
}

func (Library) Decrypter(key []byte) (suite.BlockMode, error) {
	return &mode{bytes.Clone(key), false}, nil
}

func (Library) GCMSealer(key []byte) (suite.AEAD, error) {
	return &aead{mode{bytes.Clone(key), true}}, nil
}
func (Library) GCMOpener(key []byte) (suite.AEAD, error) {
	return &aead{mode{bytes.Clone(key), false}}, nil
}

type mode struct {
	key     []byte
	encrypt bool
}

func (m *mode) Crypt(dst, src, iv []byte) error {
	b, err := aes.NewCipher(m.key)
	if err != nil {
		return err
	}
	if m.encrypt {
		cipher.NewCBCEncrypter(b, iv).CryptBlocks(dst, src)
	} else {
		cipher.NewCBCDecrypter(b, iv).CryptBlocks(dst, src)
	}
	return nil
}

func (m *mode) Close() error { return nil }

type aead struct{ mode }

func (a *aead) Crypt(dst, src, aad, nonce []byte) error {
	b, err := aes.NewCipher(a.key)
	if err != nil {
		return err
	}
	g, err := cipher.NewGCM(b)
	if err != nil {
		return err
	}
	if a.encrypt {
		g.Seal(dst[:0], nonce, src, aad)
		return nil
	}
	if _, err := g.Open(dst[:0], nonce, src, aad); err != nil {
		return suite.ErrForged
	}
	return nil
}

// Broken opens ciphers that fail with its error.
type Broken struct{ Err error }

func (b Broken) Suites() suite.ID                          { return suite.CBC | suite.GCM }
func (b Broken) Encrypter([]byte) (suite.BlockMode, error) { return brokenMode(b), nil }
func (b Broken) Decrypter([]byte) (suite.BlockMode, error) { return brokenMode(b), nil }
func (b Broken) GCMSealer([]byte) (suite.AEAD, error)      { return brokenAEAD(b), nil }
func (b Broken) GCMOpener([]byte) (suite.AEAD, error)      { return brokenAEAD(b), nil }

type brokenMode Broken

func (b brokenMode) Crypt(dst, src, iv []byte) error { copy(dst, src); return b.Err }
func (b brokenMode) Close() error                    { return nil }

type brokenAEAD Broken

func (b brokenAEAD) Crypt(dst, src, aad, nonce []byte) error { copy(dst, src); return b.Err }
func (b brokenAEAD) Close() error                            { return nil }

// SPDX-License-Identifier: Apache-2.0

package place

import (
	"errors"
	"syscall"

	"vcrypto/cryptodev"
	"vcrypto/internal/chat/suite"
)

// node computes in a cryptodev node. Each cipher is a session of the one open
// file; the key goes to the node once, when the session is opened.
type node struct{ d *cryptodev.Device }

func (n node) session(key []byte) (*cryptodev.Session, error) {
	return n.d.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: key})
}

// Encrypter opens a session.
func (n node) Encrypter(key []byte) (suite.BlockMode, error) {
	s, err := n.session(key)
	if err != nil {
		return nil, err
	}
	return nodeMode{s, s.Encrypt}, nil
}

// Decrypter opens a session.
func (n node) Decrypter(key []byte) (suite.BlockMode, error) {
	s, err := n.session(key)
	if err != nil {
		return nil, err
	}
	return nodeMode{s, s.Decrypt}, nil
}

// GCMSealer opens a session.
func (n node) GCMSealer(key []byte) (suite.AEAD, error) {
	s, err := n.gcm(key)
	if err != nil {
		return nil, err
	}
	return nodeGCM{s, s.Seal}, nil
}

// GCMOpener opens a session.
func (n node) GCMOpener(key []byte) (suite.AEAD, error) {
	s, err := n.gcm(key)
	if err != nil {
		return nil, err
	}
	return nodeGCM{s, s.Open}, nil
}

func (n node) gcm(key []byte) (*cryptodev.Session, error) {
	return n.d.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESGCM, Key: key})
}

type nodeGCM struct {
	s     *cryptodev.Session
	crypt func(dst, src, iv, aad []byte) error
}

func (m nodeGCM) Crypt(dst, src, aad, nonce []byte) error {
	err := m.crypt(dst, src, nonce, aad)
	if errors.Is(err, syscall.EBADMSG) {
		return suite.ErrForged
	}
	return err
}

func (m nodeGCM) Close() error { return m.s.Close() }

// driver asks what serves AES-CBC in this node.
func (n node) driver() (string, error) {
	s, err := n.session(make([]byte, suite.KeySize))
	if err != nil {
		return "", err
	}
	defer s.Close()
	info, err := s.Info()
	if err != nil {
		return "", err
	}
	return info.Driver, nil
}

type nodeMode struct {
	s     *cryptodev.Session
	crypt func(dst, src, iv []byte) error
}

func (m nodeMode) Crypt(dst, src, iv []byte) error { return m.crypt(dst, src, iv) }

func (m nodeMode) Close() error { return m.s.Close() }

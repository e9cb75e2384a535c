// SPDX-License-Identifier: Apache-2.0

// Package gocrypto is the engine that needs nothing: Go's own crypto library,
// with the CPU's instructions for AES and SHA where it has them.
//
// What is symmetric is done in Submit, on the caller's thread; public-key
// operations, which take a thousand times as long, by a few goroutines. It has
// what Go's library and golang.org/x/crypto have: AES in ECB, CBC, CTR and XTS
// (whole blocks: no ciphertext stealing), SHA-1, SHA-2, SHA-3 and SHAKE, their
// HMACs, AES-GCM (nonces of 12 bytes, tags of 12 to 16), ChaCha20-Poly1305,
// DES, Triple DES, ARC4 and MD5 for old friends, ECDSA but on P-192, and RSA
// with PKCS #1 v1.5 padding and keys of at least 1024 bits. No CMAC, no CCM, and
// no RSA without padding: they are not in these libraries, and what others have
// of them is not kept up as these are, or not in constant time.
//
// Keys are zeroed when a session is closed, as far as the libraries let their
// structs be reached; copies they make of private keys of RSA and ECDSA are
// left to the garbage collector.
package gocrypto

import (
	"fmt"
	"runtime"
	"slices"

	"vcrypto/engine"
)

const name = "gocrypto"

func init() {
	engine.Register(engine.Driver{
		Name:  name,
		About: "Go's crypto library; always there",
		Rank:  10,
		Probe: func(engine.Options) error { return nil },
		Open:  func(engine.Options) (engine.Engine, error) { return New(), nil },
	})
}

// Engine is the engine.
type Engine struct {
	// slots holds an item for each public-key operation at work.
	slots chan struct{}
}

// New returns the engine.
func New() *Engine { return &Engine{slots: make(chan struct{}, runtime.GOMAXPROCS(0))} }

// Name returns "gocrypto".
func (*Engine) Name() string { return name }

// makers are the algorithms, and how their sessions are made.
var makers = map[engine.Algorithm]func(engine.Params) (engine.Session, error){
	engine.AESXTS:           newCipher,
	engine.ARC4:             newCipher,
	engine.SHAKE128:         newHash,
	engine.SHAKE256:         newHash,
	engine.AESGCM:           newAEAD,
	engine.ChaCha20Poly1305: newAEAD,
	engine.RSAPKCS1:         newRSA,
}

func init() {
	for a := range modes {
		makers[a] = newCipher
	}
	for a := range hashes {
		makers[a] = newHash
	}
	for a := range hmacs {
		makers[a] = newMAC
	}
	for a := range curves {
		makers[a] = newECDSA
	}
}

// limits are the algorithms of which some requests are refused: XTS with
// ciphertext stealing, GCM with nonces that are not of 12 bytes.
var limits = map[engine.Algorithm]bool{engine.AESXTS: true, engine.AESGCM: true}

// limited is a part of sessions of such an algorithm: see
// [engine.LimitedSession].
type limited struct{ atClose func() }

// AtClose has Close call f when it is done.
func (l *limited) AtClose(f func()) { l.atClose = f }

func (l *limited) closed() {
	if l.atClose != nil {
		l.atClose()
	}
}

// Algorithms lists what the package's comment does.
func (*Engine) Algorithms() []engine.Support {
	var all []engine.Support
	for _, a := range engine.Algorithms() {
		if makers[a] != nil {
			all = append(all, engine.Support{Algorithm: a, KeySizes: a.KeySizes(), Limits: limits[a]})
		}
	}
	return all
}

// NewSession expands the key.
func (e *Engine) NewSession(p engine.Params) (engine.Session, error) {
	s, err := newSession(p)
	if err != nil {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: fmt.Errorf("%s: %w", p.Algorithm, err)}
	}
	return s, nil
}

func newSession(p engine.Params) (engine.Session, error) {
	maker := makers[p.Algorithm]
	if maker == nil {
		return nil, engine.ErrNotSupported
	}
	switch p.Algorithm.Kind() {
	case engine.Cipher, engine.AEAD:
		if p.Direction != engine.Encrypt && p.Direction != engine.Decrypt {
			return nil, fmt.Errorf("%s: %w", p.Direction, engine.ErrNotSupported)
		}
		if !slices.Contains(p.Algorithm.KeySizes(), len(p.Key)) {
			return nil, fmt.Errorf("%d key bytes: %w", len(p.Key), engine.ErrKey)
		}
	case engine.Hash:
		if len(p.Key) > 0 {
			return nil, fmt.Errorf("a hash with a key: %w", engine.ErrKey)
		}
	}
	return maker(p)
}

// NewWorker makes a worker.
func (e *Engine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	return newWorker(e, c), nil
}

// Close does nothing.
func (*Engine) Close() error { return nil }

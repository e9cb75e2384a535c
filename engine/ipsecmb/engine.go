// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package ipsecmb

import (
	"fmt"
	"slices"
	"sync"

	"vcrypto/engine"
)

func init() {
	engine.Register(engine.Driver{
		Name:  name,
		About: about,
		Rank:  rank,
		Probe: probe,
		Open:  func(engine.Options) (engine.Engine, error) { return New() },
	})
}

// probe says whether the CPU has what the library needs.
func probe(engine.Options) error {
	if err := cProbe(); err != nil {
		return &engine.Error{Engine: name, Op: "open", Err: fmt.Errorf("libipsec-mb %s does not run here: %w: %w", cVersion(), err, engine.ErrUnavailable)}
	}
	return nil
}

// Engine is the engine.
type Engine struct {
	mu   sync.Mutex
	pool cPool
}

// New opens the engine, after it gave the known answers to one message of each
// algorithm. An error wraps [engine.ErrUnavailable].
func New() (*Engine, error) {
	if err := probe(engine.Options{}); err != nil {
		return nil, err
	}
	pool, err := cPoolOpen()
	if err != nil {
		return nil, &engine.Error{Engine: name, Op: "open", Err: fmt.Errorf("%w: %w", err, engine.ErrUnavailable)}
	}
	e := &Engine{pool: pool}
	if err := e.selfTest(answers); err != nil {
		e.Close()
		return nil, &engine.Error{Engine: name, Op: "self-test", Err: fmt.Errorf("%w: libipsec-mb %s must not be used: %w", err, cVersion(), engine.ErrUnavailable)}
	}
	return e, nil
}

// Name returns "ipsecmb".
func (*Engine) Name() string { return name }

// algorithm is one that the library has, in its terms.
type algorithm struct {
	keySizes         []int
	encrypt, decrypt cKind // the same where direction has no meaning
	hash             cHash
	tagSizes         []int
	limits           bool // some requests end NotSupported, see the package comment
}

var (
	aesKeys    = []int{16, 24, 32}
	no192      = []int{16, 32}
	chachaKeys = []int{32}

	gcmTags    = []int{4, 8, 12, 13, 14, 15, 16} // NIST SP 800-38D section 5.2.1.2
	ccmTags    = []int{4, 6, 8, 10, 12, 14, 16}  // NIST SP 800-38C appendix A.1
	chachaTags = []int{16}                       // RFC 8439 section 2.8
)

var algorithms = map[engine.Algorithm]algorithm{
	engine.AESECB: {keySizes: aesKeys, encrypt: kindECB, decrypt: kindECB},
	engine.AESCBC: {keySizes: aesKeys, encrypt: kindCBCEncrypt, decrypt: kindCBCDecrypt},
	engine.AESCTR: {keySizes: aesKeys, encrypt: kindCTR, decrypt: kindCTR},

	engine.SHA1:   {encrypt: kindSHA, hash: hashSHA1, limits: true},
	engine.SHA224: {encrypt: kindSHA, hash: hashSHA224, limits: true},
	engine.SHA256: {encrypt: kindSHA, hash: hashSHA256, limits: true},
	engine.SHA384: {encrypt: kindSHA, hash: hashSHA384, limits: true},
	engine.SHA512: {encrypt: kindSHA, hash: hashSHA512, limits: true},

	engine.HMACSHA1:   {encrypt: kindHMAC, hash: hashSHA1, limits: true},
	engine.HMACSHA224: {encrypt: kindHMAC, hash: hashSHA224, limits: true},
	engine.HMACSHA256: {encrypt: kindHMAC, hash: hashSHA256, limits: true},
	engine.HMACSHA384: {encrypt: kindHMAC, hash: hashSHA384, limits: true},
	engine.HMACSHA512: {encrypt: kindHMAC, hash: hashSHA512, limits: true},
	engine.CMACAES:    {keySizes: no192, encrypt: kindCMAC, limits: true},

	engine.AESGCM:           {keySizes: aesKeys, encrypt: kindGCM, decrypt: kindGCM, tagSizes: gcmTags},
	engine.AESCCM:           {keySizes: no192, encrypt: kindCCM, decrypt: kindCCM, tagSizes: ccmTags, limits: true},
	engine.ChaCha20Poly1305: {keySizes: chachaKeys, encrypt: kindChaChaPoly, decrypt: kindChaChaPoly, tagSizes: chachaTags},
}

// Algorithms lists what the library has of what the device can carry.
func (*Engine) Algorithms() []engine.Support {
	var all []engine.Support
	for _, a := range engine.Algorithms() {
		if alg, ok := algorithms[a]; ok {
			all = append(all, engine.Support{Algorithm: a, KeySizes: alg.keySizes, Limits: alg.limits})
		}
	}
	return all
}

// NewSession expands the key.
func (e *Engine) NewSession(p engine.Params) (engine.Session, error) {
	refuse := func(format string, args ...any) (engine.Session, error) {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: fmt.Errorf(format, args...)}
	}
	alg, ok := algorithms[p.Algorithm]
	if !ok {
		return refuse("%s: %w", p.Algorithm, engine.ErrNotSupported)
	}
	switch p.Algorithm.Kind() {
	case engine.Cipher, engine.AEAD:
		if p.Direction != engine.Encrypt && p.Direction != engine.Decrypt {
			return refuse("%s, %s: %w", p.Algorithm, p.Direction, engine.ErrNotSupported)
		}
	}
	if alg.keySizes != nil && !slices.Contains(alg.keySizes, len(p.Key)) {
		cause := engine.ErrKey
		if slices.Contains(p.Algorithm.KeySizes(), len(p.Key)) {
			cause = engine.ErrNotSupported
		}
		return refuse("%s with %d key bytes: %w", p.Algorithm, len(p.Key), cause)
	}
	if alg.tagSizes != nil && !slices.Contains(alg.tagSizes, p.TagSize) {
		return refuse("%s with a tag of %d bytes: %w", p.Algorithm, p.TagSize, engine.ErrNotSupported)
	}
	kind, encrypt := alg.encrypt, true
	if p.Direction == engine.Decrypt {
		kind, encrypt = alg.decrypt, false
	}
	key := p.Key
	if p.Algorithm.Kind() == engine.Hash {
		kind, encrypt, key = alg.encrypt, true, nil
	}
	if p.Algorithm.Kind() == engine.MAC {
		kind, encrypt = alg.encrypt, true
	}

	e.mu.Lock()
	c := e.pool.open(kind, encrypt, alg.hash, p.TagSize, key)
	e.mu.Unlock()
	if c == nil {
		return refuse("%s: no memory for its key", p.Algorithm)
	}
	return &session{c: c, engine: e}, nil
}

// session is an expanded key. C finds it by the first word.
type session struct {
	c      cSession
	engine *Engine
	atEnd  []func()
}

// AtClose has f called when the session is closed.
func (s *session) AtClose(f func()) { s.atEnd = append(s.atEnd, f) }

// Close zeroes the key.
func (s *session) Close() {
	s.engine.mu.Lock()
	if s.c != cClosed {
		s.engine.pool.close(s.c)
		s.c = cClosed
	}
	s.engine.mu.Unlock()
	for _, f := range s.atEnd {
		f()
	}
	s.atEnd = nil
}

// Close gives the memory of all sessions back.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pool.free()
	return nil
}

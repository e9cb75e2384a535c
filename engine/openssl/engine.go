// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"fmt"
	"slices"

	"vcrypto/engine"
)

func init() {
	engine.Register(engine.Driver{
		Name:  name,
		About: about,
		Rank:  rank,
		Probe: func(o engine.Options) error {
			e, err := New(o)
			if err != nil {
				return err
			}
			return e.Close()
		},
		Open: func(o engine.Options) (engine.Engine, error) {
			e, err := New(o)
			if err != nil {
				return nil, err // not a nil *Engine
			}
			return e, nil
		},
	})
}

// Engine is the engine.
type Engine struct {
	lib     cLib
	pool    *pool
	support []engine.Support
}

// New opens the engine, with the provider or ENGINE that o names, after it
// gave the known answers to a request of each algorithm that it has. An error
// wraps [engine.ErrUnavailable].
func New(o engine.Options) (*Engine, error) {
	lib, err := cOpen(o)
	if err != nil {
		return nil, &engine.Error{Engine: name, Op: "open", Err: fmt.Errorf("%w: %w", err, engine.ErrUnavailable)}
	}
	e := &Engine{lib: lib}
	// What works elsewhere while a thread waits, should get more at once.
	async := o.OpenSSLProvider != "" || o.OpenSSLEngine != "" || o.OpenSSLConfig != ""
	e.pool = newPool(lib, async)
	// What it gives the known answers of is what its providers have.
	has, err := engine.SelfTest(e)
	if err != nil {
		e.Close()
		return nil, &engine.Error{Engine: name, Op: "self-test", Err: fmt.Errorf("%w: %s must not be used: %w", err, cVersion(), engine.ErrUnavailable)}
	}
	for _, a := range has {
		e.support = append(e.support, engine.Support{Algorithm: a, KeySizes: e.keySizes(a)})
	}
	return e, nil
}

// keySizes returns those for which a session can be opened.
func (e *Engine) keySizes(a engine.Algorithm) []int {
	var sizes []int
	for _, n := range a.KeySizes() {
		key := make([]byte, n)
		for i := range key {
			key[i] = byte(i)
		}
		s, err := e.NewSession(engine.Params{Algorithm: a, Direction: engine.Encrypt, Key: key, TagSize: engine.MaxTag})
		if err != nil {
			continue
		}
		s.Close()
		sizes = append(sizes, n)
	}
	return sizes
}

// Name returns "openssl".
func (*Engine) Name() string { return name }

// Version returns the version of the library that runs.
func (*Engine) Version() string { return cVersion() }

// Algorithms lists what the library's providers have of what the device can
// carry.
func (e *Engine) Algorithms() []engine.Support { return slices.Clone(e.support) }

// algorithm is one in OpenSSL's terms.
type algorithm struct {
	kind     cKind
	name     string // with %d where the key's bits stand
	xts      bool   // two keys in one
	tagSizes []int
}

var (
	gcmTags    = []int{4, 8, 12, 13, 14, 15, 16} // NIST SP 800-38D section 5.2.1.2
	ccmTags    = []int{4, 6, 8, 10, 12, 14, 16}  // NIST SP 800-38C appendix A.1
	chachaTags = []int{16}                       // RFC 8439 section 2.8
)

var algorithms = map[engine.Algorithm]algorithm{
	engine.AESECB: {kind: kindECB, name: "AES-%d-ECB"},
	engine.AESCBC: {kind: kindCBC, name: "AES-%d-CBC"},
	engine.AESCTR: {kind: kindCTR, name: "AES-%d-CTR"},
	engine.AESXTS: {kind: kindXTS, name: "AES-%d-XTS", xts: true},

	engine.SHA1:     {kind: kindHash, name: "SHA1"},
	engine.SHA224:   {kind: kindHash, name: "SHA224"},
	engine.SHA256:   {kind: kindHash, name: "SHA256"},
	engine.SHA384:   {kind: kindHash, name: "SHA384"},
	engine.SHA512:   {kind: kindHash, name: "SHA512"},
	engine.SHA3_224: {kind: kindHash, name: "SHA3-224"},
	engine.SHA3_256: {kind: kindHash, name: "SHA3-256"},
	engine.SHA3_384: {kind: kindHash, name: "SHA3-384"},
	engine.SHA3_512: {kind: kindHash, name: "SHA3-512"},
	engine.SHAKE128: {kind: kindXOF, name: "SHAKE128"},
	engine.SHAKE256: {kind: kindXOF, name: "SHAKE256"},

	engine.HMACSHA1:   {kind: kindHMAC, name: "SHA1"},
	engine.HMACSHA224: {kind: kindHMAC, name: "SHA224"},
	engine.HMACSHA256: {kind: kindHMAC, name: "SHA256"},
	engine.HMACSHA384: {kind: kindHMAC, name: "SHA384"},
	engine.HMACSHA512: {kind: kindHMAC, name: "SHA512"},
	engine.CMACAES:    {kind: kindCMAC, name: "AES-%d-CBC"},

	engine.AESGCM:           {kind: kindGCM, name: "AES-%d-GCM", tagSizes: gcmTags},
	engine.AESCCM:           {kind: kindCCM, name: "AES-%d-CCM", tagSizes: ccmTags},
	engine.ChaCha20Poly1305: {kind: kindChaChaPoly, name: "ChaCha20-Poly1305", tagSizes: chachaTags},

	engine.RSARaw:    {kind: kindRSARaw},
	engine.RSAPKCS1:  {kind: kindRSAPKCS1},
	engine.ECDSAP192: {kind: kindECDSA, name: "prime192v1"},
	engine.ECDSAP224: {kind: kindECDSA, name: "secp224r1"},
	engine.ECDSAP256: {kind: kindECDSA, name: "prime256v1"},
	engine.ECDSAP384: {kind: kindECDSA, name: "secp384r1"},
	engine.ECDSAP521: {kind: kindECDSA, name: "secp521r1"},
}

// maxPublicKey is the length in bytes of the longest key of a public-key
// algorithm that is looked at: an RSA private key holds five numbers as
// long as half the modulus, and three as long as all of it.
const maxPublicKey = 6 * rsaMaxBits / 8

// NewSession opens a session.
func (e *Engine) NewSession(p engine.Params) (engine.Session, error) {
	refuse := func(format string, args ...any) (engine.Session, error) {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: fmt.Errorf(format, args...)}
	}
	alg, ok := algorithms[p.Algorithm]
	if !ok {
		return refuse("%s: %w", p.Algorithm, engine.ErrNotSupported)
	}
	opensslName := alg.name
	switch p.Algorithm.Kind() {
	case engine.Cipher, engine.AEAD:
		if p.Direction != engine.Encrypt && p.Direction != engine.Decrypt {
			return refuse("%s, %s: %w", p.Algorithm, p.Direction, engine.ErrNotSupported)
		}
	case engine.Hash:
		p.Key = nil
	case engine.PublicKey:
		if len(p.Key) > maxPublicKey {
			return refuse("%s with a key of %d bytes: %w", p.Algorithm, len(p.Key), engine.ErrKey)
		}
		if alg.kind != kindECDSA {
			if err := checkRSA(p.Key, p.Private); err != nil {
				return refuse("%s: %w", p.Algorithm, err)
			}
		}
	}
	if alg.tagSizes != nil && !slices.Contains(alg.tagSizes, p.TagSize) {
		return refuse("%s with a tag of %d bytes: %w", p.Algorithm, p.TagSize, engine.ErrNotSupported)
	} else if alg.tagSizes == nil {
		p.TagSize = 0
	}
	if sizes := p.Algorithm.KeySizes(); sizes != nil {
		if !slices.Contains(sizes, len(p.Key)) {
			return refuse("%s with %d key bytes: %w", p.Algorithm, len(p.Key), engine.ErrKey)
		}
		bits := len(p.Key) * 8
		if alg.xts {
			bits /= 2
		}
		if alg.kind != kindChaChaPoly {
			opensslName = fmt.Sprintf(alg.name, bits)
		}
	}
	if alg.kind == kindRSAPKCS1 && p.Hash != 0 {
		h, ok := algorithms[p.Hash]
		if !ok || h.kind != kindHash {
			return refuse("%s with %s: %w", p.Algorithm, p.Hash, engine.ErrNotSupported)
		}
		opensslName = h.name
	}
	c, err := e.lib.open(alg.kind, opensslName, p)
	if err != nil {
		return refuse("%s: %w", p.Algorithm, err)
	}
	return &session{c: c, publicKey: alg.kind >= kindRSARaw}, nil
}

// session is an expanded key. C finds it by the first word.
type session struct {
	c         cSession
	publicKey bool
}

// Close zeroes the key.
func (s *session) Close() {
	if s.c != nil {
		cSessionClose(s.c)
		s.c = nil
	}
}

// Close ends the pool's threads and gives the library back.
func (e *Engine) Close() error {
	if e.pool != nil {
		e.pool.close()
		e.pool = nil
	}
	if e.lib.c != nil {
		e.lib.close()
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"vcrypto/engine"
)

// publicSession is a session of a public-key algorithm. Its requests take so
// long that they are done by goroutines.
type publicSession interface {
	engine.Session

	// run does a request, on any thread. n is the length of the result.
	run(r *engine.Request) (n int, status engine.Status)
}

var curves = map[engine.Algorithm]elliptic.Curve{
	engine.ECDSAP224: elliptic.P224(),
	engine.ECDSAP256: elliptic.P256(),
	engine.ECDSAP384: elliptic.P384(),
	engine.ECDSAP521: elliptic.P521(),
}

// ecdsaSession has a private key, or only a public one. Signatures are DER
// (RFC 3279 section 2.2.3).
type ecdsaSession struct {
	private *ecdsa.PrivateKey
	public  *ecdsa.PublicKey
}

func newECDSA(p engine.Params) (engine.Session, error) {
	var s ecdsaSession
	var err error
	if p.Private {
		if s.private, err = ecdsa.ParseRawPrivateKey(curves[p.Algorithm], p.Key); err == nil {
			s.public = &s.private.PublicKey
		}
	} else {
		s.public, err = ecdsa.ParseUncompressedPublicKey(curves[p.Algorithm], p.Key)
	}
	if err != nil {
		return nil, errors.Join(err, engine.ErrKey)
	}
	return &s, nil
}

func (s *ecdsaSession) run(r *engine.Request) (int, engine.Status) {
	switch {
	case r.Op == engine.OpSign && s.private != nil:
		sig, err := ecdsa.SignASN1(rand.Reader, s.private, r.Src)
		return result(r, sig, err)
	case r.Op == engine.OpVerify:
		if !ecdsa.VerifyASN1(s.public, r.AAD, r.Src) {
			return 0, engine.BadSignature
		}
		return 0, engine.OK
	}
	return 0, engine.BadRequest
}

func (s *ecdsaSession) Close() {
	if s.private != nil {
		//lint:ignore SA1019 There is no other way to the number to zero it.
		eraseInt(s.private.D)
	}
}

// digests are the hashes that signatures name.
var digests = map[engine.Algorithm]crypto.Hash{
	0:             0,
	engine.SHA1:   crypto.SHA1,
	engine.SHA224: crypto.SHA224,
	engine.SHA256: crypto.SHA256,
	engine.SHA384: crypto.SHA384,
	engine.SHA512: crypto.SHA512,
}

// rsaMaxBits is the longest modulus. A private operation takes a tenth of a
// second with it, and eight times that with one of twice the length.
const rsaMaxBits = 8192

// rsaSession is RSA with PKCS #1 v1.5 padding. The library takes keys of 1024
// bits and more, this engine up to rsaMaxBits.
type rsaSession struct {
	private *rsa.PrivateKey
	public  *rsa.PublicKey
	hash    crypto.Hash
}

func newRSA(p engine.Params) (engine.Session, error) {
	hash, ok := digests[p.Hash]
	if !ok {
		return nil, fmt.Errorf("%s: %w", p.Hash, engine.ErrNotSupported)
	}
	s := rsaSession{hash: hash}
	var err error
	if p.Private {
		if s.private, err = x509.ParsePKCS1PrivateKey(p.Key); err == nil {
			s.public = &s.private.PublicKey
		}
	} else {
		s.public, err = x509.ParsePKCS1PublicKey(p.Key)
	}
	if err != nil {
		return nil, errors.Join(err, engine.ErrKey)
	}
	if n := s.public.N.BitLen(); n > rsaMaxBits {
		s.Close()
		return nil, fmt.Errorf("a key of %d bits, at most %d are taken: %w", n, rsaMaxBits, engine.ErrNotSupported)
	}
	return &s, nil
}

func (s *rsaSession) run(r *engine.Request) (int, engine.Status) {
	switch {
	case r.Op == engine.OpEncrypt:
		//lint:ignore SA1019 The virtio specification has no other padding.
		b, err := rsa.EncryptPKCS1v15(rand.Reader, s.public, r.Src)
		return result(r, b, err)
	case r.Op == engine.OpDecrypt && s.private != nil:
		//lint:ignore SA1019 The virtio specification has no other padding.
		b, err := rsa.DecryptPKCS1v15(nil, s.private, r.Src)
		defer clear(b)
		return result(r, b, err)
	case r.Op == engine.OpSign && s.private != nil:
		b, err := rsa.SignPKCS1v15(nil, s.private, s.hash, r.Src)
		return result(r, b, err)
	case r.Op == engine.OpVerify:
		if rsa.VerifyPKCS1v15(s.public, s.hash, r.AAD, r.Src) != nil {
			return 0, engine.BadSignature
		}
		return 0, engine.OK
	}
	return 0, engine.BadRequest
}

func (s *rsaSession) Close() {
	k := s.private
	if k == nil {
		return
	}
	for _, n := range append(k.Primes, k.D, k.Precomputed.Dp, k.Precomputed.Dq, k.Precomputed.Qinv) {
		eraseInt(n)
	}
}

// result hands a result over if there is room for it.
func result(r *engine.Request, b []byte, err error) (int, engine.Status) {
	switch {
	case err != nil:
		return 0, engine.Failed
	case len(b) > len(r.Dst):
		return 0, engine.BadRequest
	}
	return copy(r.Dst, b), engine.OK
}

// eraseInt zeroes a number. What the library keeps of a private key beside the
// numbers it shows cannot be reached.
func eraseInt(n *big.Int) {
	if n != nil {
		clear(n.Bits())
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

//go:debug rsa1024min=0

package openssl

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"vcrypto/engine"
)

func marshalPKCS1(key any) ([]byte, error) {
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%T is no RSA key", key)
	}
	return x509.MarshalPKCS1PrivateKey(k), nil
}

func newRSAKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(crand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// request makes one for a public-key operation.
func request(s engine.Session, op engine.Op, src, digest []byte, room int) *engine.Request {
	return &engine.Request{Session: s, Op: op, Src: src, AAD: digest, Dst: make([]byte, room)}
}

func TestRSARaw(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 4, nil)
	r := newRand(10)
	for _, bits := range []int{512, 1024, 1031, 2048, 3072, 4096} {
		k := newRSAKey(t, bits)
		size := k.Size()
		priv := newSession(t, e, engine.Params{Algorithm: engine.RSARaw, Key: x509.MarshalPKCS1PrivateKey(k), Private: true})
		pub := newSession(t, e, engine.Params{Algorithm: engine.RSARaw, Key: x509.MarshalPKCS1PublicKey(&k.PublicKey)})
		for _, n := range []int{1, 8, size / 2, size} {
			m := random(r, n)
			if n == size {
				m[0] = 0 // below the modulus
			}
			number := new(big.Int).SetBytes(m)
			want := number.Exp(number, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, size))
			for _, s := range []engine.Session{priv, pub} {
				req := request(s, engine.OpEncrypt, m, nil, size+n%3)
				if st := do(t, w, req); st != engine.OK || req.N != size || !bytes.Equal(req.Dst[:size], want) {
					t.Errorf("%d bits, %d bytes, encrypt: status %d, %d bytes", bits, n, st, req.N)
				}
			}
			req := request(priv, engine.OpDecrypt, want, nil, size)
			if st := do(t, w, req); st != engine.OK || req.N != size || !bytes.Equal(bytes.TrimLeft(req.Dst, "\x00"), bytes.TrimLeft(m, "\x00")) {
				t.Errorf("%d bits, %d bytes, decrypt: status %d, %d bytes", bits, n, st, req.N)
			}
		}
		for _, bad := range []*engine.Request{
			request(priv, engine.OpDecrypt, k.N.FillBytes(make([]byte, size)), nil, size), // not below the modulus
			request(pub, engine.OpEncrypt, bytes.Repeat([]byte{0xff}, size), nil, size),
			request(pub, engine.OpEncrypt, make([]byte, size+1), nil, size),
			request(pub, engine.OpEncrypt, make([]byte, 1<<20), nil, size),
			request(pub, engine.OpEncrypt, nil, nil, size),
			request(pub, engine.OpEncrypt, make([]byte, size), nil, size-1),
			request(pub, engine.OpEncrypt, make([]byte, size), nil, 0),
			request(pub, engine.OpDecrypt, make([]byte, size), nil, size), // the key is public
			request(pub, engine.OpSign, make([]byte, size), nil, size),
			request(pub, engine.OpVerify, make([]byte, size), make([]byte, 20), size),
			request(priv, 0, make([]byte, size), nil, size),
			request(priv, engine.OpVerify+1, make([]byte, size), nil, size),
			request(priv, 255, make([]byte, size), nil, size),
		} {
			if st := do(t, w, bad); st != engine.BadRequest || !bytes.Equal(bad.Dst, make([]byte, len(bad.Dst))) {
				t.Errorf("%d bits, op %d, %d bytes to %d: status %d, want BadRequest", bits, bad.Op, len(bad.Src), len(bad.Dst), st)
			}
		}
	}
}

func TestRSAPKCS1(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 4, nil)
	r := newRand(11)
	for _, bits := range []int{1024, 2048, 4096} {
		k := newRSAKey(t, bits)
		size := k.Size()
		p := engine.Params{Algorithm: engine.RSAPKCS1, Key: x509.MarshalPKCS1PrivateKey(k), Private: true}
		priv := newSession(t, e, p)
		pub := newSession(t, e, engine.Params{Algorithm: engine.RSAPKCS1, Key: x509.MarshalPKCS1PublicKey(&k.PublicKey)})

		for _, n := range []int{1, 32, size - 11} {
			m := random(r, n)
			req := request(pub, engine.OpEncrypt, m, nil, size)
			if st := do(t, w, req); st != engine.OK || req.N != size {
				t.Fatalf("%d bits, %d bytes, encrypt: status %d, %d bytes", bits, n, st, req.N)
			}
			//lint:ignore SA1019 the device has this padding, and Go's is the second implementation
			if got, err := rsa.DecryptPKCS1v15(nil, k, req.Dst); err != nil || !bytes.Equal(got, m) {
				t.Errorf("%d bits, %d bytes: Go decrypts otherwise: %v", bits, n, err)
			}
			//lint:ignore SA1019 as above
			c, err := rsa.EncryptPKCS1v15(crand.Reader, &k.PublicKey, m)
			if err != nil {
				t.Fatal(err)
			}
			for _, room := range []int{n, size} {
				req = request(priv, engine.OpDecrypt, c, nil, room)
				if st := do(t, w, req); st != engine.OK || !bytes.Equal(req.Dst[:req.N], m) {
					t.Errorf("%d bits, %d bytes, decrypt into %d: status %d, %d bytes", bits, n, room, st, req.N)
				}
			}
			req = request(priv, engine.OpDecrypt, c, nil, n-1)
			if st := do(t, w, req); st != engine.BadRequest || !bytes.Equal(req.Dst, make([]byte, n-1)) {
				t.Errorf("%d bits, %d bytes into %d: status %d", bits, n, n-1, st)
			}
		}
		for _, h := range []struct {
			engine engine.Algorithm
			std    crypto.Hash
		}{
			{engine.SHA1, crypto.SHA1}, {engine.SHA224, crypto.SHA224}, {engine.SHA256, crypto.SHA256}, {engine.SHA384, crypto.SHA384},
			{engine.SHA512, crypto.SHA512}, {engine.SHA3_224, crypto.SHA3_224}, {engine.SHA3_256, crypto.SHA3_256},
			{engine.SHA3_384, crypto.SHA3_384}, {engine.SHA3_512, crypto.SHA3_512},
		} {
			if bits == 1024 && h.engine == engine.SHA3_512 {
				continue // one is enough
			}
			p.Hash = h.engine
			s := newSession(t, e, p)
			d := digest(h.std, random(r, 100))
			want, err := rsa.SignPKCS1v15(nil, k, h.std, d)
			if err != nil {
				t.Fatal(err)
			}
			req := request(s, engine.OpSign, d, nil, size)
			if st := do(t, w, req); st != engine.OK || req.N != size || !bytes.Equal(req.Dst, want) {
				t.Errorf("%d bits, %s, sign: status %d, %d bytes", bits, h.engine, st, req.N)
			}
			if st := do(t, w, request(s, engine.OpVerify, want, d, 0)); st != engine.OK {
				t.Errorf("%d bits, %s, verify: status %d", bits, h.engine, st)
			}
			for _, n := range []int{0, len(d) - 1, len(d) + 1} {
				if st := do(t, w, request(s, engine.OpSign, make([]byte, n), nil, size)); st != engine.BadRequest {
					t.Errorf("%s signs %d bytes: status %d", h.engine, n, st)
				}
				if st := do(t, w, request(s, engine.OpVerify, want, make([]byte, n), 0)); st != engine.BadRequest {
					t.Errorf("%s verifies %d bytes: status %d", h.engine, n, st)
				}
			}
			d[0] ^= 1
			if st := do(t, w, request(s, engine.OpVerify, want, d, 0)); st != engine.BadSignature {
				t.Errorf("%s, another digest: status %d", h.engine, st)
			}
			for _, sig := range [][]byte{want[1:], append(want, 0), make([]byte, size), bytes.Repeat([]byte{0xff}, size)} {
				d[0] ^= 1
				if st := do(t, w, request(s, engine.OpVerify, sig, d, 0)); st != engine.BadSignature {
					t.Errorf("%s, a wrong signature of %d bytes: status %d", h.engine, len(sig), st)
				}
			}
		}

		// Without a hash, what is given takes DigestInfo's place.
		for _, n := range []int{1, 36, size - 11} {
			m := random(r, n)
			want, err := rsa.SignPKCS1v15(nil, k, 0, m)
			if err != nil {
				t.Fatal(err)
			}
			req := request(priv, engine.OpSign, m, nil, size)
			if st := do(t, w, req); st != engine.OK || !bytes.Equal(req.Dst, want) {
				t.Errorf("%d bits, sign %d bytes without a hash: status %d", bits, n, st)
			}
			if st := do(t, w, request(pub, engine.OpVerify, want, m, 0)); st != engine.OK {
				t.Errorf("%d bits, verify %d bytes without a hash: status %d", bits, n, st)
			}
		}
		for _, bad := range []*engine.Request{
			request(priv, engine.OpSign, make([]byte, size-10), nil, size),
			request(pub, engine.OpEncrypt, make([]byte, size-10), nil, size),
			request(priv, engine.OpDecrypt, make([]byte, size-1), nil, size),
			request(priv, engine.OpDecrypt, make([]byte, size+1), nil, size),
			request(pub, engine.OpSign, make([]byte, 20), nil, size),
			request(pub, engine.OpDecrypt, make([]byte, size), nil, size),
		} {
			if st := do(t, w, bad); st != engine.BadRequest {
				t.Errorf("%d bits, op %d, %d bytes: status %d, want BadRequest", bits, bad.Op, len(bad.Src), st)
			}
		}
	}
	refused(t, e, engine.Params{Algorithm: engine.RSAPKCS1, Hash: engine.AESCBC, Key: must(marshalPKCS1(newRSAKey(t, 1024))), Private: true}, engine.ErrNotSupported)
}

// TestRSAKeys refuses what is not a key, or would keep the library busy.
func TestRSAKeys(t *testing.T) {
	e := open(t)
	k := newRSAKey(t, 1024)
	good := x509.MarshalPKCS1PrivateKey(k)
	public := x509.MarshalPKCS1PublicKey(&k.PublicKey)
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(k)
	spki, _ := x509.MarshalPKIXPublicKey(&k.PublicKey)

	type private struct {
		Version                     int
		N, E, D, P, Q, DP, DQ, QInv *big.Int
	}
	var parsed private
	if rest, err := asn1.Unmarshal(good, &parsed); err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	with := func(change func(*private)) []byte {
		p := parsed
		change(&p)
		der, err := asn1.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	big1 := func(n int64) *big.Int { return big.NewInt(n) }
	long := new(big.Int).Lsh(big1(1), 20000)
	long.Sub(long, big1(1))

	for name, key := range map[string][]byte{
		"nothing":           {},
		"no DER":            []byte("this is no key at all"),
		"cut":               good[:len(good)-1],
		"excess":            append(slices.Clone(good), 0),
		"PKCS #8":           pkcs8,
		"public":            public,
		"even modulus":      with(func(p *private) { p.N = new(big.Int).Sub(p.N, big1(1)) }),
		"negative modulus":  with(func(p *private) { p.N = new(big.Int).Neg(p.N) }),
		"zero modulus":      with(func(p *private) { p.N = big1(0) }),
		"exponent of one":   with(func(p *private) { p.E = big1(1) }),
		"even exponent":     with(func(p *private) { p.E = big1(4) }),
		"zero exponent":     with(func(p *private) { p.D = big1(0) }),
		"long exponent":     with(func(p *private) { p.D = long }),
		"long prime":        with(func(p *private) { p.P = long }),
		"long CRT exponent": with(func(p *private) { p.DP = long }),
		"prime of one":      with(func(p *private) { p.Q = big1(1) }),
		"even prime":        with(func(p *private) { p.Q = big1(1 << 40) }),
		"zero coefficient":  with(func(p *private) { p.QInv = big1(0) }),
		"very long":         make([]byte, 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			for _, a := range []engine.Algorithm{engine.RSARaw, engine.RSAPKCS1} {
				refused(t, e, engine.Params{Algorithm: a, Key: key, Private: true}, engine.ErrKey)
			}
		})
	}
	for name, key := range map[string][]byte{
		"private":    good,
		"SPKI":       spki,
		"cut":        public[:len(public)-1],
		"excess":     append(slices.Clone(public), 0),
		"even":       must(asn1.Marshal(struct{ N, E *big.Int }{new(big.Int).Lsh(big1(1), 1024), big1(3)})),
		"e above n":  must(asn1.Marshal(struct{ N, E *big.Int }{k.N, new(big.Int).Add(k.N, big1(2))})),
		"e of one":   must(asn1.Marshal(struct{ N, E *big.Int }{k.N, big1(1)})),
		"e negative": must(asn1.Marshal(struct{ N, E *big.Int }{k.N, big1(-3)})),
	} {
		t.Run("public/"+name, func(t *testing.T) {
			refused(t, e, engine.Params{Algorithm: engine.RSARaw, Key: key}, engine.ErrKey)
		})
	}
	// Sizes beyond what is taken.
	for _, bits := range []uint{504, 8200, 16384} {
		n := new(big.Int).Lsh(big1(1), bits-1)
		n.Add(n, big1(1))
		refused(t, e, engine.Params{Algorithm: engine.RSARaw, Key: must(asn1.Marshal(struct{ N, E *big.Int }{n, big1(3)}))}, engine.ErrNotSupported)
	}

	// Keys that are consistent in form only give no result that leaks them.
	w := newWorker(t, e, 1, nil)
	m := make([]byte, k.Size())
	m[k.Size()-1] = 2
	want := new(big.Int).Exp(big1(2), k.D, k.N).FillBytes(make([]byte, k.Size()))
	for name, key := range map[string][]byte{
		"wrong prime":        with(func(p *private) { p.P = new(big.Int).Add(p.P, big1(2)) }),
		"wrong CRT exponent": with(func(p *private) { p.DQ = new(big.Int).Add(p.DQ, big1(2)) }),
		"wrong coefficient":  with(func(p *private) { p.QInv = new(big.Int).Add(p.QInv, big1(1)) }),
	} {
		s, err := e.NewSession(engine.Params{Algorithm: engine.RSARaw, Key: key, Private: true})
		if err != nil {
			continue
		}
		req := request(s, engine.OpDecrypt, m, nil, k.Size())
		if st := do(t, w, req); st == engine.OK && !bytes.Equal(req.Dst, want) {
			t.Errorf("%s: a faulty result was given out", name)
		}
		s.Close()
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestP192: Go's library does not have the curve. That verification is right
// vectors say; so it can judge signatures.
func TestP192(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 1, nil)
	r := newRand(13)
	// RFC 6979 appendix A.2.3
	scalar := must(hex.DecodeString("6fab034934e4c0fc9ae67f5b5659a9d7d1fefd187ee09fd4"))
	point := must(hex.DecodeString("04ac2c77f529f91689fea0ea5efec7f210d8eea0b9e047ed563bc723e57670bd4887ebc732c523063d0a7c957bc97c1c43"))
	priv := newSession(t, e, engine.Params{Algorithm: engine.ECDSAP192, Key: scalar, Private: true})
	pub := newSession(t, e, engine.Params{Algorithm: engine.ECDSAP192, Key: point})
	for range 20 {
		d := digest(crypto.SHA256, random(r, 50))
		sign := request(priv, engine.OpSign, d, nil, 56)
		if st := do(t, w, sign); st != engine.OK {
			t.Fatalf("sign: status %d", st)
		}
		sig := sign.Dst[:sign.N]
		if st := do(t, w, request(pub, engine.OpVerify, sig, d, 0)); st != engine.OK {
			t.Errorf("verify: status %d", st)
		}
		d[0] ^= 1
		if st := do(t, w, request(pub, engine.OpVerify, sig, d, 0)); st != engine.BadSignature {
			t.Errorf("verify another digest: status %d", st)
		}
	}
	refused(t, e, engine.Params{Algorithm: engine.ECDSAP192, Key: append([]byte{0}, scalar...), Private: true}, engine.ErrKey)
	refused(t, e, engine.Params{Algorithm: engine.ECDSAP192, Key: point[:48]}, engine.ErrKey)
}

func TestECDSA(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 4, nil)
	r := newRand(12)
	for _, tt := range []struct {
		algorithm engine.Algorithm
		curve     elliptic.Curve
		room      int // for the longest signature
	}{
		{engine.ECDSAP224, elliptic.P224(), 64},
		{engine.ECDSAP256, elliptic.P256(), 72},
		{engine.ECDSAP384, elliptic.P384(), 104},
		{engine.ECDSAP521, elliptic.P521(), 139},
	} {
		k, err := ecdsa.GenerateKey(tt.curve, crand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		scalar := must(k.Bytes())
		point := must(k.PublicKey.Bytes())
		priv := newSession(t, e, engine.Params{Algorithm: tt.algorithm, Key: scalar, Private: true})
		pub := newSession(t, e, engine.Params{Algorithm: tt.algorithm, Key: point})
		for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			for range 5 {
				d := digest(h, random(r, 50))
				req := request(priv, engine.OpSign, d, nil, tt.room)
				if st := do(t, w, req); st != engine.OK || !ecdsa.VerifyASN1(&k.PublicKey, d, req.Dst[:req.N]) {
					t.Errorf("%s, sign: status %d, %d bytes", tt.algorithm, st, req.N)
				}
				sig, err := ecdsa.SignASN1(crand.Reader, k, d)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range []engine.Session{priv, pub} {
					if st := do(t, w, request(s, engine.OpVerify, sig, d, 0)); st != engine.OK {
						t.Errorf("%s, verify: status %d", tt.algorithm, st)
					}
				}
				d[0] ^= 1
				if st := do(t, w, request(pub, engine.OpVerify, sig, d, 0)); st != engine.BadSignature {
					t.Errorf("%s, verify another digest: status %d", tt.algorithm, st)
				}
				if st := do(t, w, request(pub, engine.OpVerify, sig[:len(sig)-1], d, 0)); st != engine.BadSignature {
					t.Errorf("%s, verify a cut signature: status %d", tt.algorithm, st)
				}
			}
		}
		for _, bad := range []*engine.Request{
			request(pub, engine.OpSign, make([]byte, 32), nil, tt.room),
			request(priv, engine.OpSign, make([]byte, 32), nil, tt.room-1),
			request(priv, engine.OpSign, nil, nil, tt.room),
			request(priv, engine.OpSign, make([]byte, 65), nil, tt.room),
			request(priv, engine.OpEncrypt, make([]byte, 32), nil, tt.room),
			request(priv, engine.OpDecrypt, make([]byte, 32), nil, tt.room),
			request(priv, 0, make([]byte, 32), nil, tt.room),
			request(pub, engine.OpVerify, make([]byte, 70), nil, 0),
			request(pub, engine.OpVerify, nil, make([]byte, 32), 0),
			request(pub, engine.OpVerify, make([]byte, 5000), make([]byte, 32), 0),
		} {
			if st := do(t, w, bad); st != engine.BadRequest {
				t.Errorf("%s, op %d, %d bytes: status %d, want BadRequest", tt.algorithm, bad.Op, len(bad.Src), st)
			}
		}

		order := tt.curve.Params().N
		off := slices.Clone(point)
		off[len(off)-1] ^= 1
		for name, p := range map[string]engine.Params{
			"no scalar":         {Private: true},
			"zero":              {Private: true, Key: make([]byte, len(scalar))},
			"the order":         {Private: true, Key: order.Bytes()},
			"a long scalar":     {Private: true, Key: append([]byte{0}, scalar...)},
			"no point":          {},
			"infinity":          {Key: []byte{0}},
			"a compressed one":  {Key: append([]byte{2 + point[len(point)-1]&1}, point[1:1+len(scalar)]...)},
			"off the curve":     {Key: off},
			"a long point":      {Key: append(slices.Clone(point), 0)},
			"a cut point":       {Key: point[:len(point)-1]},
			"a hybrid point":    {Key: append([]byte{6 + point[len(point)-1]&1}, point[1:]...)},
			"zeros for a point": {Key: append([]byte{4}, make([]byte, len(point)-1)...)},
		} {
			p.Algorithm = tt.algorithm
			t.Run(fmt.Sprintf("%s/%s", tt.algorithm, name), func(t *testing.T) { refused(t, e, p, engine.ErrKey) })
		}
		// Without its leading zeros.
		one := newSession(t, e, engine.Params{Algorithm: tt.algorithm, Key: []byte{1}, Private: true})
		if st := do(t, w, request(one, engine.OpSign, make([]byte, 32), nil, tt.room)); st != engine.OK {
			t.Errorf("%s with the scalar 1: status %d", tt.algorithm, st)
		}
	}
}

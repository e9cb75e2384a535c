// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/vectors"
)

// octets are bytes, in hexadecimal in JSON.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.AppendDecode(nil, text)
	return err
}

// wycheproofGroup has what the groups of all files have, as far as it matters.
type wycheproofGroup struct {
	KeySize int    // bits
	SHA     string `json:"sha"`

	PublicKeyASN    octets          `json:"publicKeyAsn"`
	PrivateKeyPKCS8 octets          `json:"privateKeyPkcs8"`
	PrivateKeyPEM   string          `json:"privateKeyPem"`
	PublicKey       json.RawMessage `json:"publicKey"`

	Tests []wycheproofTest
}

type wycheproofTest struct {
	TCID         int `json:"tcId"`
	Comment      string
	Msg, CT, Sig octets
	Result       string
}

func (v wycheproofTest) valid() bool { return v.Result != "invalid" }

// wycheproofFiles calls f for each group of the files.
func wycheproofFiles(t *testing.T, names []string, f func(*testing.T, wycheproofGroup)) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			file, err := vectors.Wycheproof(name)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			var content struct{ TestGroups []wycheproofGroup }
			if err := json.NewDecoder(file).Decode(&content); err != nil {
				t.Fatal(err)
			}
			for _, g := range content.TestGroups {
				f(t, g)
			}
		})
	}
}

var wycheproofHashes = map[string]struct {
	engine engine.Algorithm
	std    crypto.Hash
}{
	"SHA-1":    {engine.SHA1, crypto.SHA1},
	"SHA-224":  {engine.SHA224, crypto.SHA224},
	"SHA-256":  {engine.SHA256, crypto.SHA256},
	"SHA-384":  {engine.SHA384, crypto.SHA384},
	"SHA-512":  {engine.SHA512, crypto.SHA512},
	"SHA3-224": {engine.SHA3_224, crypto.SHA3_224},
	"SHA3-256": {engine.SHA3_256, crypto.SHA3_256},
	"SHA3-384": {engine.SHA3_384, crypto.SHA3_384},
	"SHA3-512": {engine.SHA3_512, crypto.SHA3_512},
}

func digest(h crypto.Hash, msg []byte) []byte {
	d := h.New()
	d.Write(msg)
	return d.Sum(nil)
}

func TestWycheproofRSAVerify(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 1, nil)
	wycheproofFiles(t, []string{"rsa_signature_2048_sha224", "rsa_signature_2048_sha256", "rsa_signature_2048_sha384", "rsa_signature_2048_sha512", "rsa_signature_8192_sha256"}, func(t *testing.T, g wycheproofGroup) {
		h, ok := wycheproofHashes[g.SHA]
		if !ok {
			return // SHA-512/256 and /224 have no number in virtio-crypto
		}
		s := newSession(t, e, engine.Params{Algorithm: engine.RSAPKCS1, Key: g.PublicKeyASN, Hash: h.engine})
		for _, v := range g.Tests {
			r := &engine.Request{Session: s, Op: engine.OpVerify, Src: v.Sig, AAD: digest(h.std, v.Msg)}
			st := do(t, w, r)
			switch {
			case v.Result == "acceptable":
				// A DigestInfo without its NULL: old, and refused.
			case v.valid() && st == engine.OK, !v.valid() && st == engine.BadSignature:
			case len(v.Sig) == 0 && st == engine.BadRequest:
			default:
				t.Errorf("%d (%s): status %d, want %s", v.TCID, v.Comment, st, v.Result)
			}
		}
	})
}

func TestWycheproofRSASign(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 1, nil)
	wycheproofFiles(t, []string{"rsa_pkcs1_1024_sig_gen", "rsa_pkcs1_1536_sig_gen", "rsa_pkcs1_2048_sig_gen", "rsa_pkcs1_3072_sig_gen", "rsa_pkcs1_4096_sig_gen"}, func(t *testing.T, g wycheproofGroup) {
		h, ok := wycheproofHashes[g.SHA]
		if !ok {
			return
		}
		block, _ := pem.Decode([]byte(g.PrivateKeyPEM))
		s := newSession(t, e, engine.Params{Algorithm: engine.RSAPKCS1, Key: block.Bytes, Private: true, Hash: h.engine})
		for _, v := range g.Tests {
			r := &engine.Request{Session: s, Op: engine.OpSign, Src: digest(h.std, v.Msg), Dst: make([]byte, len(v.Sig))}
			if st := do(t, w, r); st != engine.OK || r.N != len(v.Sig) || !bytes.Equal(r.Dst, v.Sig) {
				t.Errorf("%d (%s): status %d, %d bytes", v.TCID, v.Comment, st, r.N)
			}
		}
	})
}

func TestWycheproofRSADecrypt(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 1, nil)
	wycheproofFiles(t, []string{"rsa_pkcs1_2048"}, func(t *testing.T, g wycheproofGroup) {
		key, err := x509.ParsePKCS8PrivateKey(g.PrivateKeyPKCS8)
		if err != nil {
			t.Fatal(err)
		}
		der, err := marshalPKCS1(key)
		if err != nil {
			t.Fatal(err)
		}
		s := newSession(t, e, engine.Params{Algorithm: engine.RSAPKCS1, Key: der, Private: true})
		for _, v := range g.Tests {
			r := &engine.Request{Session: s, Op: engine.OpDecrypt, Src: v.CT, Dst: make([]byte, g.KeySize/8)}
			st := do(t, w, r)
			// With implicit rejection an invalid one decrypts, to something.
			if same := st == engine.OK && bytes.Equal(r.Dst[:r.N], v.Msg); same != v.valid() {
				t.Errorf("%d (%s): status %d, as expected %t, want %s", v.TCID, v.Comment, st, same, v.Result)
			}
		}
	})
}

func TestWycheproofECDSA(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 1, nil)
	for name, a := range map[string]engine.Algorithm{
		"ecdsa_secp192r1_sha256": engine.ECDSAP192, "ecdsa_secp224r1_sha224": engine.ECDSAP224, "ecdsa_secp256r1_sha256": engine.ECDSAP256,
		"ecdsa_secp384r1_sha384": engine.ECDSAP384, "ecdsa_secp521r1_sha512": engine.ECDSAP521,
	} {
		wycheproofFiles(t, []string{name}, func(t *testing.T, g wycheproofGroup) {
			h, ok := wycheproofHashes[g.SHA]
			if !ok {
				return // SHAKE
			}
			var key struct{ Uncompressed octets }
			if err := json.Unmarshal(g.PublicKey, &key); err != nil {
				t.Fatal(err)
			}
			s, err := e.NewSession(engine.Params{Algorithm: a, Key: key.Uncompressed})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, v := range g.Tests {
				r := &engine.Request{Session: s, Op: engine.OpVerify, Src: v.Sig, AAD: digest(h.std, v.Msg)}
				st := do(t, w, r)
				if ok := st == engine.OK; ok != v.valid() {
					t.Errorf("%d (%s): status %d, want %s", v.TCID, v.Comment, st, v.Result)
				}
			}
		})
	}
}

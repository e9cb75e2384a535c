// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"vcrypto/engine"
	_ "vcrypto/engine/ipsecmb"
	_ "vcrypto/engine/openssl"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// onEachEngine runs a test on each engine that was built in and is available
// here, and on all of them as one.
func onEachEngine(t *testing.T, test func(*testing.T, engine.Engine)) {
	for _, name := range engine.Names() {
		if name == "devcrypto" {
			continue // needs a /dev/crypto that is not of our making
		}
		t.Run(name, func(t *testing.T) {
			e, err := engine.Open(name, engine.Options{})
			if errors.Is(err, engine.ErrUnavailable) {
				t.Skip(err) // the Makefile builds in what is here
			}
			if err != nil {
				t.Fatal(err)
			}
			test(t, e)
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestServicesOnEachEngine: known answers and random requests of all services,
// through the queue, are the same on each engine.
func TestServicesOnEachEngine(t *testing.T) {
	const maxSize = 16 << 10
	onEachEngine(t, func(t *testing.T, e engine.Engine) {
		o := options{engine: e, device: virtiocrypto.Options{MaxSize: maxSize}}
		onEachForm(t, o, func(m *machine) {
			m.serviceVectors()
			if m.can(engine.AESGCM) && m.can(engine.HMACSHA512) && m.can(engine.SHAKE256) && m.can(engine.AESXTS) {
				m.servicesAgainstReference(maxSize)
			}
		})
	})
}

// TestRawRSA does what Linux does: sources without their leading zeros, and
// the public operation with a private key too.
func TestRawRSA(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	onEachEngine(t, func(t *testing.T, e engine.Engine) {
		onEachForm(t, options{engine: e}, func(m *machine) {
			if !m.can(engine.RSARaw) {
				return
			}
			if bits := le.Uint32(m.link.readConfig(44, 4)); bits&(1<<1) == 0 {
				m.Errorf("akcipher_algo is %#x, without RSA", bits)
			}
			private := virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: virtiocrypto.KeyPrivate, Padding: virtiocrypto.RSAPaddingRaw, Hash: 99, Key: x509.MarshalPKCS1PrivateKey(k)}
			public := private
			public.KeyType, public.Key = virtiocrypto.KeyPublic, x509.MarshalPKCS1PublicKey(&k.PublicKey)
			if m.o.form.Revision1 {
				private.Key, public.Key = withoutZeros(m, private.Key), withoutZeros(m, public.Key)
			}
			for _, ids := range m.keyPair(private, public) {
				for _, n := range []int{1, 8, 255, 256} {
					src := make([]byte, n)
					rand.Read(src)
					src[0] &= 0x3f // below the modulus
					want := new(big.Int).Exp(new(big.Int).SetBytes(src), big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, 256))
					var sealed []byte
					for i, p := range []virtiocrypto.AKCipherParams{private, public} {
						var s virtiocrypto.Status
						s, sealed = m.public(ids[i], p, cryptodrv.Work{Opcode: cryptodrv.OpAKEncrypt, Src: src, Dst: 256})
						if s != ok || string(sealed) != string(want) {
							m.Fatalf("encrypt %d bytes: %s, %x", n, s, sealed)
						}
					}
					s, text := m.public(ids[0], private, cryptodrv.Work{Opcode: cryptodrv.OpAKDecrypt, Src: sealed, Dst: 300})
					if s != ok || len(text) != 256 || new(big.Int).SetBytes(text).Cmp(new(big.Int).SetBytes(src)) != 0 {
						m.Fatalf("decrypt: %s, %x", s, text)
					}
				}
				for _, op := range []uint32{cryptodrv.OpAKSign, cryptodrv.OpAKVerify} {
					w := cryptodrv.Work{Opcode: op, Src: make([]byte, 256), Dst: 256}
					if op == cryptodrv.OpAKVerify {
						w.Dst, w.Signed = 0, make([]byte, 32)
					}
					if s, _ := m.public(ids[0], private, w); s != virtiocrypto.StatusNotSupp {
						m.Errorf("opcode %#x without padding: %s", op, s)
					}
				}
				if s, _ := m.public(ids[0], private, cryptodrv.Work{Opcode: cryptodrv.OpAKEncrypt, Src: k.N.Bytes(), Dst: 256}); s != virtiocrypto.StatusErr {
					m.Errorf("the modulus: %s", s)
				}
			}
		})
	})
}

// withoutZeros returns an RSA key whose numbers lack the zero that keeps them
// positive, as one in Linux's self-test does.
func withoutZeros(t testing.TB, key []byte) []byte {
	t.Helper()
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(key, &seq); err != nil {
		t.Fatal(err)
	}
	var content []byte
	changed := 0
	for rest := seq.Bytes; len(rest) > 0; {
		var n asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &n); err != nil {
			t.Fatal(err)
		}
		if len(n.Bytes) > 1 && n.Bytes[0] == 0 {
			n.Bytes, n.FullBytes = n.Bytes[1:], nil
			changed++
		}
		b, err := asn1.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, b...)
	}
	if changed == 0 {
		t.Fatal("the key has no number with a leading zero")
	}
	b, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestP192: the curve is there under the legacy setting, where OpenSSL is, and
// only there: a key of it signs, and its signatures verify.
func TestP192(t *testing.T) {
	// RFC 6979 appendix A.2.3
	scalar, _ := hex.DecodeString("6fab034934e4c0fc9ae67f5b5659a9d7d1fefd187ee09fd4")
	point, _ := hex.DecodeString("04ac2c77f529f91689fea0ea5efec7f210d8eea0b9e047ed563bc723e57670bd4887ebc732c523063d0a7c957bc97c1c43")
	der, err := asn1.Marshal(struct {
		Version int
		Key     []byte
		Curve   asn1.ObjectIdentifier `asn1:"explicit,tag:0"`
	}{1, scalar, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	private := virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSA, KeyType: virtiocrypto.KeyPrivate, Curve: 1, Key: der}
	public := virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSALinux, KeyType: virtiocrypto.KeyPublic, Curve: 1, Key: point}
	onEachEngine(t, func(t *testing.T, e engine.Engine) {
		for _, legacy := range []bool{false, true} {
			onEachForm(t, options{engine: e, device: virtiocrypto.Options{Legacy: legacy}}, func(m *machine) {
				if !m.can(engine.ECDSAP192) {
					for _, p := range []virtiocrypto.AKCipherParams{private, public} {
						var refused *cryptodrv.StatusError
						if id, err := m.control.Create(p); !errors.As(err, &refused) || refused.Status != virtiocrypto.StatusNotSupp {
							m.Errorf("without the curve: session %#x, %v", id, err)
						}
					}
					return
				}
				digest := random(newRand(7), 32)
				for _, ids := range m.keyPair(private, public) {
					s, sig := m.public(ids[0], private, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest, Dst: 100})
					if s != ok {
						m.Fatalf("sign: %s", s)
					}
					if s, _ := m.public(ids[1], public, cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Src: sig, Signed: digest}); s != ok {
						m.Errorf("verify: %s", s)
					}
					if s, _ := m.public(ids[1], public, cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Src: sig, Signed: digest[1:]}); s != rejected {
						m.Errorf("another digest: %s", s)
					}
				}
			})
		}
	})
}

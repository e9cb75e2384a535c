// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"vcrypto/engine"
)

// AKCipherParams describe a session of the AKCIPHER service.
type AKCipherParams struct {
	Algo    AKCipherAlgo
	KeyType uint32 // KeyPublic or KeyPrivate

	Padding uint32 // of RSA: RSAPaddingRaw or RSAPaddingPKCS1
	Hash    uint32 // of RSA with PKCS #1 padding: VIRTIO_CRYPTO_RSA_*, 0 for none
	Curve   uint32 // of ECDSA: VIRTIO_CRYPTO_CURVE_*

	// Key is for RSA an RSAPrivateKey or RSAPublicKey of RFC 8017 appendix
	// A.1, whose numbers may lack the zero that makes them positive; for ECDSA
	// an ECPrivateKey of RFC 5915 or an uncompressed point of SEC 1 section
	// 2.3.3.
	Key []byte
}

func (p AKCipherParams) open(d *Device) (*session, error) {
	e := engine.Params{Key: p.Key}
	switch p.KeyType {
	case KeyPublic:
	case KeyPrivate:
		e.Private = true
	default:
		return nil, ErrParams
	}
	var err error
	switch p.Algo {
	case AKCipherRSA:
		if e.Algorithm, err = d.find(rsaPaddings, p.Padding); err != nil {
			return nil, err
		}
		if key := unsignedDER(p.Key); key != nil {
			defer clear(key)
			e.Key = key
		}
		// "If RAW_PADDING is specified, hash_algo is ignored."
		if p.Padding == RSAPaddingPKCS1 && p.Hash != 0 {
			if uint64(p.Hash) >= uint64(len(rsaHashes)) || rsaHashes[p.Hash] == 0 {
				return nil, ErrUnsupported
			}
			e.Hash = rsaHashes[p.Hash]
		}
	case AKCipherECDSA, AKCipherECDSALinux:
		if e.Algorithm, err = d.find(ecdsaCurves, p.Curve); err != nil {
			return nil, err
		}
		if e.Private {
			if e.Key, err = ecScalar(e.Algorithm, p.Key); err != nil {
				return nil, err
			}
			defer clear(e.Key)
		}
	default:
		return nil, ErrUnsupported
	}
	es, err := d.engine.NewSession(e)
	if err != nil {
		return nil, err
	}
	// Section 5.9.7.9: raw RSA neither signs nor verifies, ECDSA does nothing
	// else.
	s := &session{kind: kindAKCipher, engine: es}
	switch {
	case e.Algorithm == engine.RSARaw:
		s.ops = 1<<engine.OpEncrypt | 1<<engine.OpDecrypt
	case e.Algorithm == engine.RSAPKCS1:
		s.ops = 1<<engine.OpEncrypt | 1<<engine.OpDecrypt | 1<<engine.OpSign | 1<<engine.OpVerify
	default:
		s.ops = 1<<engine.OpSign | 1<<engine.OpVerify
	}
	if !e.Private {
		s.ops &^= 1<<engine.OpDecrypt | 1<<engine.OpSign
	}
	return s, nil
}

// unsignedDER returns an RSA key whose numbers have the leading zero that keeps
// them positive in DER, or nil where nothing is to be done. Linux reads the
// numbers as unsigned and has keys without it, a public one in its self-test
// among them; libraries refuse these. The caller erases the copy.
func unsignedDER(key []byte) []byte {
	in := cryptobyte.String(key)
	var seq, n cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() {
		return nil // the engine says what is wrong with it
	}
	const most = 16 // numbers: more than any key has
	var numbers []cryptobyte.String
	missing := false
	for !seq.Empty() {
		if !seq.ReadASN1(&n, cbasn1.INTEGER) || len(n) == 0 || len(numbers) == most {
			return nil
		}
		missing = missing || n[0]&0x80 != 0
		numbers = append(numbers, n)
	}
	if !missing {
		return nil
	}
	// Room for a zero a number and longer lengths, so that no part of the key
	// is left behind where the builder's buffer was too small.
	room := make([]byte, 0, len(key)+most*3)
	b := cryptobyte.NewFixedBuilder(room)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, n := range numbers {
			b.AddASN1(cbasn1.INTEGER, func(b *cryptobyte.Builder) {
				if n[0]&0x80 != 0 {
					b.AddUint8(0)
				}
				b.AddBytes(n)
			})
		}
	})
	unsigned, err := b.Bytes()
	if err != nil {
		clear(room[:cap(room)])
		return nil
	}
	return unsigned
}

// ecPrivateKey is ECPrivateKey, RFC 5915 section 3.
type ecPrivateKey struct {
	Version    int
	PrivateKey []byte
	Parameters asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

// ecCurves are the curves' object identifiers (RFC 5480 section 2.1.1.1) and
// the sizes of their private keys in bytes.
var ecCurves = map[engine.Algorithm]struct {
	oid  asn1.ObjectIdentifier
	size int
}{
	engine.ECDSAP192: {asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 1}, 24},
	engine.ECDSAP224: {asn1.ObjectIdentifier{1, 3, 132, 0, 33}, 28},
	engine.ECDSAP256: {asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, 32},
	engine.ECDSAP384: {asn1.ObjectIdentifier{1, 3, 132, 0, 34}, 48},
	engine.ECDSAP521: {asn1.ObjectIdentifier{1, 3, 132, 0, 35}, 66},
}

// ecScalar takes the private key, of the curve's full size, out of an
// ECPrivateKey. The caller erases it.
func ecScalar(a engine.Algorithm, der []byte) ([]byte, error) {
	var k ecPrivateKey
	rest, err := asn1.Unmarshal(der, &k)
	defer clear(k.PrivateKey)
	curve := ecCurves[a]
	switch {
	case err != nil:
		// The error does not tell the key.
		return nil, fmt.Errorf("%w: ECPrivateKey: %w", ErrParams, err)
	case len(rest) > 0, k.Version != 1, len(k.PrivateKey) == 0, len(k.PrivateKey) > curve.size,
		k.Parameters != nil && !k.Parameters.Equal(curve.oid):
		return nil, fmt.Errorf("%w: ECPrivateKey does not fit %s", ErrParams, a)
	}
	scalar := make([]byte, curve.size)
	copy(scalar[curve.size-len(k.PrivateKey):], k.PrivateKey) // some leave leading zeros out
	return scalar, nil
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"encoding/asn1"
	"fmt"

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
	// A.1, for ECDSA an ECPrivateKey of RFC 5915 or an uncompressed point of
	// SEC 1 section 2.3.3.
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

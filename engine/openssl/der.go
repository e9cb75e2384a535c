// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"vcrypto/engine"
)

// Numbers of an RSA key, RFC 8017 appendices A.1.1 and A.1.2: the modulus and
// the public exponent; in a private key, the private exponent, two primes, two
// exponents and a coefficient after them.
const (
	publicNumbers  = 2
	privateNumbers = 8
)

// checkRSA says whether key is an RSA key in the form of PKCS #1, and nothing
// else: OpenSSL's decoder takes other forms too, and negative numbers. It
// copies nothing of it.
func checkRSA(key []byte, private bool) error {
	in := cryptobyte.String(key)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !in.Empty() {
		return fmt.Errorf("%w: not one DER sequence", engine.ErrKey)
	}
	numbers := publicNumbers
	if private {
		numbers = privateNumbers
		var version uint
		if !seq.ReadASN1Integer(&version) {
			return fmt.Errorf("%w: no version", engine.ErrKey)
		}
		if version != 0 {
			return fmt.Errorf("%w: version %d, which is not that of two primes", engine.ErrKey, version)
		}
	}
	for range numbers {
		var n cryptobyte.String
		if !seq.ReadASN1(&n, asn1.INTEGER) || len(n) == 0 || n[0]&0x80 != 0 {
			return fmt.Errorf("%w: a number is missing or negative", engine.ErrKey)
		}
	}
	if !seq.Empty() {
		return fmt.Errorf("%w: it goes on behind its last number", engine.ErrKey)
	}
	return nil
}

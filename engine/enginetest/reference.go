// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"vcrypto/engine"
)

// reference does a request with Go's crypto library: the second opinion.
func reference(t testing.TB, p engine.Params, iv, src []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, len(src))
	switch p.Algorithm {
	case engine.AESECB:
		one := block.Encrypt
		if p.Direction == engine.Decrypt {
			one = block.Decrypt
		}
		for i := 0; i < len(src); i += aes.BlockSize {
			one(dst[i:], src[i:])
		}
	case engine.AESCBC:
		if p.Direction == engine.Decrypt {
			cipher.NewCBCDecrypter(block, iv).CryptBlocks(dst, src)
		} else {
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(dst, src)
		}
	case engine.AESCTR:
		cipher.NewCTR(block, iv).XORKeyStream(dst, src)
	default:
		t.Fatalf("the conformance test has no reference for %s", p.Algorithm)
	}
	return dst
}

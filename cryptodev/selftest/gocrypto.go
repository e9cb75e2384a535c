// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"vcrypto/cryptodev"
)

// goEncrypt is the second implementation: Go's crypto library.
func goEncrypt(c cryptodev.Cipher, key, iv, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	text := make([]byte, len(plain))
	switch c {
	case cryptodev.AESCBC:
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, plain)
	case cryptodev.AESCTR:
		cipher.NewCTR(block, iv).XORKeyStream(text, plain)
	case cryptodev.AESECB:
		for i := 0; i < len(plain); i += aes.BlockSize {
			block.Encrypt(text[i:], plain[i:])
		}
	default:
		return nil, fmt.Errorf("no second implementation of %s to compare with", c)
	}
	return text, nil
}

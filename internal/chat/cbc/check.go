// SPDX-License-Identifier: Apache-2.0

package cbc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"vcrypto/internal/chat/wire"
)

// NIST SP 800-38A, F.2.1 and F.2.2: CBC-AES128.
const (
	vectorKey    = "2b7e151628aed2a6abf7158809cf4f3c"
	vectorIV     = "000102030405060708090a0b0c0d0e0f"
	vectorPlain  = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	vectorCipher = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
)

// errWrong: a place computes something that is not AES-128-CBC.
var errWrong = errors.New("it computes AES-128-CBC wrongly (NIST SP 800-38A, F.2); do not use it")

// check tries a place with the vector, both ways.
func check(c wire.CBC) error {
	plain, cipher := unhex(vectorPlain), unhex(vectorCipher)
	if err := try("encrypt", c.Encrypter, plain, cipher); err != nil {
		return err
	}
	return try("decrypt", c.Decrypter, cipher, plain)
}

func try(what string, open func([]byte) (wire.BlockMode, error), in, want []byte) (err error) {
	m, err := open(unhex(vectorKey))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	got := make([]byte, len(in))
	if err := m.Crypt(got, in, unhex(vectorIV)); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %w", what, errWrong)
	}
	return nil
}

// unhex decodes one of the constants above.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil // check fails then
	}
	return b
}

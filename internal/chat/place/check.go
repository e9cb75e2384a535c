// SPDX-License-Identifier: Apache-2.0

package place

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"vcrypto/internal/chat/suite"
)

// NIST SP 800-38A, F.2.1 and F.2.2: CBC-AES128.
const (
	vectorKey    = "2b7e151628aed2a6abf7158809cf4f3c"
	vectorIV     = "000102030405060708090a0b0c0d0e0f"
	vectorPlain  = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	vectorCipher = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
)

// Test case 4 of the appendix B of McGrew and Viega's submission of GCM to
// NIST, "The Galois/Counter Mode of Operation".
const (
	gcmKey    = "feffe9928665731c6d6a8f9467308308"
	gcmNonce  = "cafebabefacedbaddecaf888"
	gcmAAD    = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
	gcmPlain  = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
	gcmSealed = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091" +
		"5bc94fbc3221a5db94fae95ae7121a47"
)

// errWrong: a place computes something that is not what it says.
var errWrong = errors.New("it computes AES wrongly (a published vector comes out otherwise); do not use it")

// checkCBC tries a place's CBC with the vector, both ways.
func checkCBC(c modes) error {
	plain, cipher := unhex(vectorPlain), unhex(vectorCipher)
	if err := try("encrypt", c.Encrypter, plain, cipher); err != nil {
		return err
	}
	return try("decrypt", c.Decrypter, cipher, plain)
}

func try(what string, open func([]byte) (suite.BlockMode, error), in, want []byte) (err error) {
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

// checkGCM tries a place's GCM with the vector, both ways, and with what is
// not authentic.
func checkGCM(c modes) (err error) {
	plain, sealed, aad, nonce := unhex(gcmPlain), unhex(gcmSealed), unhex(gcmAAD), unhex(gcmNonce)
	seal, err := c.GCMSealer(unhex(gcmKey))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seal.Close()) }()
	open, err := c.GCMOpener(unhex(gcmKey))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.Close()) }()
	got := make([]byte, len(sealed))
	if err := seal.Crypt(got, plain, aad, nonce); err != nil {
		return err
	}
	if !bytes.Equal(got, sealed) {
		return fmt.Errorf("seal: %w", errWrong)
	}
	got = make([]byte, len(plain))
	if err := open.Crypt(got, sealed, aad, nonce); err != nil {
		return err
	}
	if !bytes.Equal(got, plain) {
		return fmt.Errorf("open: %w", errWrong)
	}
	sealed[0] ^= 1
	if err := open.Crypt(got, sealed, aad, nonce); !errors.Is(err, suite.ErrForged) {
		return fmt.Errorf("it opens what was changed (%v): %w", err, errWrong)
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

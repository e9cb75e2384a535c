// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"vcrypto/cryptodev/abi"
	"vcrypto/cryptodev/cryptodevtest"
)

// TestGCM: test case 4 of the GCM submission's appendix B, both ways, and what
// is not authentic.
func TestGCM(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key := unhex("feffe9928665731c6d6a8f9467308308")
	nonce := unhex("cafebabefacedbaddecaf888")
	aad := unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
	plain := unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
	want := unhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091" + "5bc94fbc3221a5db94fae95ae7121a47")

	g, err := new(cryptodevtest.Node).Open(t).NewGCM(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := make([]byte, len(want))
	if err := g.Seal(sealed, plain, aad, nonce); err != nil || !bytes.Equal(sealed, want) {
		t.Errorf("sealed %x, %v", sealed, err)
	}
	opened := make([]byte, len(plain))
	if err := g.Open(opened, want, aad, nonce); err != nil || !bytes.Equal(opened, plain) {
		t.Errorf("opened %x, %v", opened, err)
	}
	if err := g.Open(opened, want, aad[1:], nonce); !errors.Is(err, syscall.EBADMSG) {
		t.Errorf("other additional data: %v", err)
	}
	for what, err := range map[string]error{
		"no room for the tag": g.Seal(make([]byte, len(plain)), plain, nil, nonce),
		"a nonce of 16 bytes": g.Seal(sealed, plain, nil, make([]byte, 16)),
		"less than a tag":     g.Open(nil, want[:15], nil, nonce),
		"overlap":             g.Seal(sealed[1:], sealed[:len(sealed)-17], nil, nonce),
	} {
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if info, err := g.Info(); err != nil || info.Name != "gcm(aes)" {
		t.Errorf("info %+v, %v", info, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := g.Seal(sealed, plain, aad, nonce); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if n := unsafe.Sizeof(abi.AuthCryptOp{}); n != 72 {
		t.Errorf("struct crypt_auth_op has %d bytes, expected 72", n)
	}
}

// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"testing"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/cryptodevtest"
)

// TestSubmit keeps as many requests under way as the node takes, and compares
// each with what Go makes of it.
func TestSubmit(t *testing.T) {
	dev := cryptodevtest.Open(t)
	key := random(16)
	s := newSession(t, dev, cryptodev.AESCBC, key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dev.Fetch(true); !errors.Is(err, cryptodev.ErrEmpty) {
		t.Fatalf("fetch with nothing under way: %v", err)
	}
	flying, done := 0, 0
	fetch := func() {
		r, err := dev.Fetch(true)
		if err != nil || r.Err != nil {
			t.Fatal(err, r)
		}
		flying--
		done++
		want := make([]byte, len(r.Src))
		cipher.NewCBCEncrypter(block, r.Owner.([]byte)).CryptBlocks(want, r.Src)
		if !bytes.Equal(r.Dst, want) {
			t.Fatalf("request of %d bytes: wrong ciphertext", len(r.Src))
		}
		if !bytes.Equal(r.IV, want[len(want)-16:]) {
			t.Errorf("request of %d bytes: WriteIV left %x", len(r.Src), r.IV)
		}
	}
	for i := range 300 {
		n := 16 * (1 + i*37%300)
		iv := random(16)
		r := &cryptodev.Request{Dst: make([]byte, n), Src: random(n), IV: bytes.Clone(iv), Flags: cryptodev.WriteIV, Owner: iv}
		err := s.Submit(r)
		for errors.Is(err, cryptodev.ErrFull) {
			fetch()
			err = s.Submit(r)
		}
		if err != nil {
			t.Fatal(err)
		}
		flying++
	}
	for flying > 0 {
		fetch()
	}
	if done != 300 {
		t.Errorf("%d requests came back of 300", done)
	}
	if _, err := dev.Fetch(false); !errors.Is(err, cryptodev.ErrEmpty) {
		t.Errorf("fetch at the end: %v", err)
	}
}

// TestSubmitAndClose closes with requests under way: they land before.
func TestSubmitAndClose(t *testing.T) {
	dev := cryptodevtest.Open(t)
	s := newSession(t, dev, cryptodev.AESCBC, random(16))
	plain := random(4096)
	var all []*cryptodev.Request
	for range 5 {
		r := &cryptodev.Request{Dst: make([]byte, 4096), Src: plain, IV: make([]byte, 16)}
		if err := s.Submit(r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		if bytes.Equal(r.Dst, make([]byte, 4096)) {
			t.Errorf("request %d had not landed", i)
		}
	}
}

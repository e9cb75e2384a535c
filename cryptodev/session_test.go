// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/cryptodevtest"
	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

var cipherOf = map[engine.Algorithm]cryptodev.Cipher{
	engine.AESECB: cryptodev.AESECB,
	engine.AESCBC: cryptodev.AESCBC,
	engine.AESCTR: cryptodev.AESCTR,
}

// newSession opens a session that the test closes.
func newSession(t testing.TB, d *cryptodev.Device, c cryptodev.Cipher, key []byte) *cryptodev.Session {
	t.Helper()
	s, err := d.NewSession(cryptodev.SessionParams{Cipher: c, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

// newOrSkip is newSession for a cipher that the node may lack.
func newOrSkip(t testing.TB, d *cryptodev.Device, c cryptodev.Cipher, key []byte) *cryptodev.Session {
	t.Helper()
	s, err := d.NewSession(cryptodev.SessionParams{Cipher: c, Key: key})
	if errors.Is(err, syscall.EINVAL) && !slices.Contains(cryptodevtest.Required(t), c) {
		t.Skipf("%s does not have %s, and need not", d.Path(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestVectors(t *testing.T) {
	for _, v := range enginetest.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			s := newOrSkip(t, cryptodevtest.Open(t), cipherOf[v.Algorithm], v.Key)
			got := make([]byte, len(v.Plaintext))
			if err := s.Encrypt(got, v.Plaintext, v.IV); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, v.Ciphertext) {
				t.Errorf("encrypt:\n got %x\nwant %x", got, v.Ciphertext)
			}
			if err := s.Decrypt(got, got, v.IV); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, v.Plaintext) {
				t.Errorf("decrypt in place:\n got %x\nwant %x", got, v.Plaintext)
			}
		})
	}
}

// TestWriteIV does a message in two requests, the second with the IV that the
// first left.
func TestWriteIV(t *testing.T) {
	dev := cryptodevtest.Open(t)
	key, iv, plain := random(16), random(16), random(8192)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, len(plain))
	for _, tt := range []struct {
		cipher cryptodev.Cipher
		do     func()
	}{
		{cryptodev.AESCBC, func() { cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, plain) }},
		{cryptodev.AESCTR, func() { cipher.NewCTR(block, iv).XORKeyStream(want, plain) }},
	} {
		t.Run(tt.cipher.String(), func(t *testing.T) {
			s := newOrSkip(t, dev, tt.cipher, key)
			tt.do()
			running := bytes.Clone(iv)
			got := make([]byte, len(plain))
			const cut = 4096 + 16
			if err := s.Crypt(cryptodev.Encrypt, got[:cut], plain[:cut], running, cryptodev.WriteIV); err != nil {
				t.Fatal(err)
			}
			if err := s.Crypt(cryptodev.Encrypt, got[cut:], plain[cut:], running, cryptodev.WriteIV|cryptodev.NoZeroCopy); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("two requests chained by WriteIV differ from one")
			}

			before := bytes.Clone(running)
			if err := s.Encrypt(got, plain, running); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(running, before) {
				t.Error("the IV was changed though nobody asked")
			}
		})
	}
}

func TestInfo(t *testing.T) {
	s := newSession(t, cryptodevtest.Open(t), cryptodev.AESCBC, random(32))
	info, err := s.Info()
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "cbc(aes)" || info.Driver == "" || strings.ContainsRune(info.Driver, 0) {
		t.Errorf("info %+v", info)
	}
	t.Logf("%+v", info)
}

func TestRefused(t *testing.T) {
	dev := cryptodevtest.Open(t)
	for _, p := range []cryptodev.SessionParams{
		{Cipher: cryptodev.AESCBC},
		{Cipher: cryptodev.AESCBC, Key: make([]byte, 15)},
		{Cipher: cryptodev.AESCBC, Key: make([]byte, 17)},
		{Cipher: cryptodev.AESCBC, Key: make([]byte, 64)},
		{Cipher: cryptodev.AESCBC, Key: make([]byte, 65)},
		{Cipher: 0, Key: make([]byte, 16)},
		{Cipher: 9999, Key: make([]byte, 16)},
	} {
		s, err := dev.NewSession(p)
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("session for %s with %d key bytes: %v, want EINVAL", p.Cipher, len(p.Key), err)
		}
	}

	s := newSession(t, dev, cryptodev.AESCBC, random(16))
	buf, iv := make([]byte, 64), make([]byte, 16)
	for name, err := range map[string]error{
		"part of a block":    s.Encrypt(buf[:15], buf[:15], iv),
		"short destination":  s.Encrypt(buf[:16], buf[:32], iv),
		"long destination":   s.Decrypt(buf[:32], buf[:16], iv),
		"short IV":           s.Encrypt(buf, buf, iv[:15]),
		"no IV":              s.Encrypt(buf, buf, nil),
		"overlap":            s.Encrypt(buf[16:48], buf[:32], iv),
		"overlap, behind":    s.Decrypt(buf[:32], buf[16:48], iv),
		"unknown direction":  s.Crypt(2, buf, buf, iv, 0),
		"unknown directions": s.Crypt(0xffff, buf, buf, iv, 0),
	} {
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v, want EINVAL", name, err)
		}
	}
	if !bytes.Equal(buf, make([]byte, 64)) {
		t.Error("a refused request changed the buffer")
	}
	if err := s.Encrypt(buf[:32], buf[32:], iv); err != nil {
		t.Errorf("neighbours: %v", err)
	}
	if err := s.Encrypt(nil, nil, iv); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

func TestClosed(t *testing.T) {
	dev := cryptodevtest.Open(t)
	s := newSession(t, dev, cryptodev.AESCBC, random(16))
	other := newSession(t, dev, cryptodev.AESCBC, random(16))
	buf, iv := make([]byte, 16), make([]byte, 16)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantClosed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v, want os.ErrClosed", what, err)
		}
	}
	wantClosed("second Close of a session", s.Close())
	wantClosed("Encrypt after Close", s.Encrypt(buf, buf, iv))
	_, err := s.Info()
	wantClosed("Info after Close", err)

	if err := other.Encrypt(buf, buf, iv); err != nil {
		t.Errorf("the other session: %v", err)
	}
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
	wantClosed("second Close of a device", dev.Close())
	wantClosed("Encrypt on a closed device", other.Encrypt(buf, buf, iv))
	wantClosed("Close on a closed device", other.Close())
	_, err = dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: buf})
	wantClosed("NewSession on a closed device", err)
}

// TestConcurrent has goroutines share sessions and a device, some with
// buffers on their stacks that grow meanwhile.
func TestConcurrent(t *testing.T) {
	dev := cryptodevtest.Open(t)
	shared := newSession(t, dev, cryptodev.AESCBC, random(16))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			own, err := dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: random(32)})
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Close()
			for i := range 50 {
				for _, s := range []*cryptodev.Session{shared, own} {
					if err := roundTrip(s, 16*(1+i*5), i); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func roundTrip(s *cryptodev.Session, n, depth int) error {
	if depth > 0 { // move the stack
		return roundTrip(s, n, depth-1)
	}
	var iv [16]byte
	rand.Read(iv[:])
	plain := random(n)
	text := make([]byte, n)
	if err := s.Encrypt(text, plain, iv[:]); err != nil {
		return err
	}
	if bytes.Equal(text, plain) {
		return errors.New("the ciphertext is the plaintext")
	}
	if err := s.Decrypt(text, text, iv[:]); err != nil {
		return err
	}
	if !bytes.Equal(text, plain) {
		return errors.New("decrypted data differ from the plaintext")
	}
	return nil
}

// TestCloseWaits closes sessions and the device under load: every call
// succeeds or says that it came too late.
func TestCloseWaits(t *testing.T) {
	for range 10 {
		dev := cryptodevtest.Open(t)
		s := newSession(t, dev, cryptodev.AESCBC, random(16))
		var started, wg sync.WaitGroup
		for range 4 {
			started.Add(1)
			wg.Go(func() {
				for i := 0; ; i++ {
					err := roundTrip(s, 4096, 0)
					if i == 0 {
						started.Done()
					}
					if errors.Is(err, os.ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		started.Wait()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

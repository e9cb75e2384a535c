// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"syscall"
	"testing"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/cryptodevtest"
)

var goHashes = map[cryptodev.Hash]func() hash.Hash{
	cryptodev.MD5: md5.New, cryptodev.HMACMD5: md5.New,
	cryptodev.SHA1: sha1.New, cryptodev.HMACSHA1: sha1.New,
	cryptodev.SHA224: sha256.New224, cryptodev.HMACSHA224: sha256.New224,
	cryptodev.SHA256: sha256.New, cryptodev.HMACSHA256: sha256.New,
	cryptodev.SHA384: sha512.New384, cryptodev.HMACSHA384: sha512.New384,
	cryptodev.SHA512: sha512.New, cryptodev.HMACSHA512: sha512.New,
}

// sumOf is what Go's library says.
func sumOf(h cryptodev.Hash, key, message []byte) []byte {
	d := goHashes[h]()
	if h.Keyed() {
		d = hmac.New(goHashes[h], key)
	}
	d.Write(message)
	return d.Sum(nil)
}

func TestHashes(t *testing.T) {
	dev := cryptodevtest.Open(t)
	for h := range goHashes {
		t.Run(h.String(), func(t *testing.T) {
			p := cryptodev.SessionParams{Hash: h}
			if h.Keyed() {
				p.HashKey = random(33)
			}
			s := newFor(t, dev, p)
			got := make([]byte, h.Size())
			for _, size := range []int{0, 1, 64, 1000, 300_000} {
				message := random(size)
				want := sumOf(h, p.HashKey, message)
				if err := s.Sum(got, message); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes: %x, %v", size, got, err)
				}
				m, err := s.Message()
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range [][]byte{message[:size/3], nil, message[size/3 : size/2], message[size/2:]} {
					if _, err := m.Write(part); errors.Is(err, syscall.EOPNOTSUPP) {
						t.Skip("the guest's kernel has no code for parts")
					} else if err != nil {
						t.Fatal(err)
					}
				}
				if err := m.Sum(got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes in parts: %x, %v", size, got, err)
				}
			}
			info, err := s.Info()
			if err != nil || info.HashName != h.String() || info.Name != "" {
				t.Errorf("info %+v, %v", info, err)
			}
		})
	}
}

// TestCopyTo: two messages that begin alike.
func TestCopyTo(t *testing.T) {
	dev := cryptodevtest.Open(t)
	key := random(20)
	p := cryptodev.SessionParams{Hash: cryptodev.HMACSHA256, HashKey: key}
	message := func() *cryptodev.Message {
		m, err := newFor(t, dev, p).Message()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b := message(), message()
	write := func(m *cryptodev.Message, text string) {
		t.Helper()
		if _, err := m.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	is := func(m *cryptodev.Message, text string) {
		t.Helper()
		got := make([]byte, 32)
		if err := m.Sum(got); err != nil || !bytes.Equal(got, sumOf(p.Hash, key, []byte(text))) {
			t.Errorf("not the MAC of %q: %v", text, err)
		}
	}
	write(a, "once ")
	write(b, "forgotten")
	if err := a.CopyTo(b); err != nil {
		t.Fatal(err)
	}
	write(a, "and for all")
	write(b, "upon a time")
	is(a, "once and for all")
	is(b, "once upon a time")
	is(b, "")

	write(b, "forgotten")
	if err := a.CopyTo(b); err != nil { // nothing
		t.Fatal(err)
	}
	write(b, "new")
	is(b, "new")
	write(b, "forgotten")
	b.Reset()
	write(b, "new")
	is(b, "new")
	if err := a.CopyTo(a); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("onto itself: %v", err)
	}
}

// TestSubmitHash: hashes in flight.
func TestSubmitHash(t *testing.T) {
	dev := cryptodevtest.Open(t)
	s := newFor(t, dev, cryptodev.SessionParams{Hash: cryptodev.SHA256})
	for i := range 5 {
		r := &cryptodev.Request{Src: random(1000), Sum: make([]byte, 32)}
		if i%2 == 1 {
			r.Flags = cryptodev.NoZeroCopy // flags do not make it go on with the last one
		}
		if err := s.Submit(r); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		r, err := dev.Fetch(true)
		if err != nil || r.Err != nil {
			t.Fatal(err, r)
		}
		if !bytes.Equal(r.Sum, sumOf(cryptodev.SHA256, nil, r.Src)) {
			t.Errorf("a wrong hash: %x", r.Sum)
		}
	}
}

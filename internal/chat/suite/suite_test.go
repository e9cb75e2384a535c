// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/suite/suitetest"
)

var testSecret = []byte("0123456789abcdef0123456789abcdef")

func pair(t testing.TB, id suite.ID) (*suite.Sealer, *suite.Opener) {
	t.Helper()
	s, err := suite.NewSealer(suitetest.All, id, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	o, err := suite.NewOpener(suitetest.All, id, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

func each(t *testing.T, f func(t *testing.T, id suite.ID)) {
	for _, id := range []suite.ID{suite.CBC, suite.GCM} {
		t.Run(id.String(), func(t *testing.T) { f(t, id) })
	}
}

func TestRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, id suite.ID) {
		s, o := pair(t, id)
		for n, size := range []int{0, 1, 15, 16, 17, 255, 4096, suite.MaxPlain - 1, suite.MaxPlain} {
			plain := make([]byte, size)
			rand.Read(plain)
			sealed, err := s.Seal([]byte("before"), uint64(n), []byte("aad"), plain)
			if err != nil {
				t.Fatal(err)
			}
			sealed, ok := bytes.CutPrefix(sealed, []byte("before"))
			if !ok || len(sealed) != id.SealedSize(size) || !id.Fits(len(sealed)) || len(sealed) > suite.MaxSealed {
				t.Errorf("%d bytes were sealed to %d, expected %d", size, len(sealed), id.SealedSize(size))
			}
			if size >= 16 && bytes.Contains(sealed, plain[:16]) {
				t.Error("plaintext shows")
			}
			got, err := o.Open(uint64(n), []byte("aad"), sealed)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: opened to %d bytes, %v", size, len(got), err)
			}
		}
		if _, err := s.Seal(nil, 99, nil, make([]byte, suite.MaxPlain+1)); !errors.Is(err, suite.ErrSize) {
			t.Errorf("too much: %v", err)
		}
		if err := errors.Join(s.Close(), o.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestForged: every bit of what is sealed, of the additional data and of the
// number counts; so do the secret and the suite.
func TestForged(t *testing.T) {
	each(t, func(t *testing.T, id suite.ID) {
		s, o := pair(t, id)
		aad := []byte("who and where")
		sealed, err := s.Seal(nil, 7, aad, []byte("attack at dawn"))
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, n uint64, aad, sealed []byte) {
			t.Helper()
			if p, err := o.Open(n, aad, sealed); p != nil || !errors.Is(err, suite.ErrForged) {
				t.Errorf("%s: opened to %q, %v", what, p, err)
			}
		}
		for at := range len(sealed) * 8 {
			changed := bytes.Clone(sealed)
			changed[at/8] ^= 1 << (at % 8)
			refused(fmt.Sprintf("bit %d", at), 7, aad, changed)
		}
		for at := range len(aad) * 8 {
			other := bytes.Clone(aad)
			other[at/8] ^= 1 << (at % 8)
			refused(fmt.Sprintf("bit %d of the additional data", at), 7, other, sealed)
		}
		refused("another number", 8, aad, sealed)
		refused("other data", 7, append(bytes.Clone(aad), 0), sealed)
		refused("no data", 7, nil, sealed)
		for n := range sealed {
			if p, err := o.Open(7, aad, sealed[:n]); p != nil || !errors.Is(err, suite.ErrForged) && !errors.Is(err, suite.ErrSize) {
				t.Errorf("%d bytes: opened to %q, %v", n, p, err)
			}
		}
		other := bytes.Clone(testSecret)
		other[0] ^= 1
		wrong, err := suite.NewOpener(suitetest.All, id, other)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := wrong.Open(7, aad, sealed); p != nil || !errors.Is(err, suite.ErrForged) {
			t.Errorf("another secret: opened to %q, %v", p, err)
		}
		if p, err := o.Open(7, aad, sealed); string(p) != "attack at dawn" || err != nil {
			t.Errorf("opened to %q, %v", p, err)
		}
	})
}

func TestPlaceLacksSuite(t *testing.T) {
	if _, err := suite.NewSealer(suitetest.Library(suite.CBC), suite.GCM, testSecret); !errors.Is(err, suite.ErrSuite) {
		t.Errorf("error is %v", err)
	}
	for _, id := range []suite.ID{0, 3, 4, 1 << 15} {
		if _, err := suite.NewOpener(suitetest.All, id, testSecret); !errors.Is(err, suite.ErrSuite) {
			t.Errorf("suite %d: %v", id, err)
		}
	}
	if _, err := suite.NewSealer(suitetest.All, suite.CBC, testSecret[1:]); err == nil {
		t.Error("a short secret passed")
	}
}

func TestPlaceFails(t *testing.T) {
	broken := errors.New("input/output error")
	each(t, func(t *testing.T, id suite.ID) {
		s, err := suite.NewSealer(suitetest.Broken{Err: broken}, id, testSecret)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := s.Seal(nil, 0, nil, []byte("x")); b != nil || !errors.Is(err, broken) || !errors.Is(err, suite.ErrCipher) {
			t.Errorf("sealed %x, %v", b, err)
		}
	})
}

// FuzzOpen: no bytes of a stranger are given out.
func FuzzOpen(f *testing.F) {
	s, _ := pair(f, suite.CBC)
	sealed, err := s.Seal(nil, 0, nil, []byte("attack at dawn"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(suite.CBC), uint64(1), []byte("aad"), sealed)
	f.Add(uint16(suite.GCM), uint64(0), []byte(nil), make([]byte, 32))
	f.Fuzz(func(t *testing.T, id uint16, n uint64, aad, b []byte) {
		if !suite.ID(id).Known() {
			return
		}
		_, o := pair(t, suite.ID(id))
		if p, err := o.Open(n, aad, b); err == nil && !(n == 0 && len(aad) == 0) {
			t.Errorf("opened to %q", p)
		}
	})
}

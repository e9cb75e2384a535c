// SPDX-License-Identifier: Apache-2.0

package place

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/abi"
	"vcrypto/cryptodev/cryptodevtest"
	"vcrypto/engine"
	_ "vcrypto/engine/gocrypto"
	"vcrypto/internal/chat/suite"
)

// places opens every kind of place there is.
func places(t *testing.T) map[string]*Place {
	t.Helper()
	n, err := FromDevice(cryptodevtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open("gocrypto")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Place{"node": n, "engine": e}
}

// TestVectors: NIST SP 800-38A F.2.1 and F.2.2, through each place.
func TestVectors(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			if err := p.try(); err != nil {
				t.Error(err)
			}
			if p.String() == "" {
				t.Error("the place has no name")
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSizes: every place agrees with Go's library up to the largest record.
func TestSizes(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			key, iv := make([]byte, suite.KeySize), make([]byte, 16)
			rand.Read(key)
			block, err := aes.NewCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			enc, err := p.Encrypter(key)
			if err != nil {
				t.Fatal(err)
			}
			dec, err := p.Decrypter(key)
			if err != nil {
				t.Fatal(err)
			}
			clear(key) // borrowed for the call only
			for _, n := range []int{16, 32, 4096, suite.MaxPlain/16*16 + 16} {
				plain, got, want := make([]byte, n), make([]byte, n), make([]byte, n)
				rand.Read(plain)
				rand.Read(iv)
				cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, plain)
				if err := enc.Crypt(got, plain, iv); err != nil || !bytes.Equal(got, want) {
					t.Errorf("encrypt %d bytes: wrong, %v", n, err)
				}
				if err := dec.Crypt(got, want, iv); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("decrypt %d bytes: wrong, %v", n, err)
				}
			}
			if err := errors.Join(enc.Close(), dec.Close(), p.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWrongPlace: a place that computes something else is refused.
func TestWrongPlace(t *testing.T) {
	for name, c := range map[string]modes{
		"gives back its input": wrong{func(dst, src, iv []byte) { copy(dst, src) }},
		"writes nothing":       wrong{func(dst, src, iv []byte) {}},
	} {
		if err := checkCBC(c); !errors.Is(err, errWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type wrong struct{ crypt func(dst, src, iv []byte) }

func (w wrong) Encrypter([]byte) (suite.BlockMode, error) { return w, nil }
func (w wrong) Decrypter([]byte) (suite.BlockMode, error) { return w, nil }
func (w wrong) GCMSealer([]byte) (suite.AEAD, error)      { return nil, engine.ErrNotSupported }
func (w wrong) GCMOpener([]byte) (suite.AEAD, error)      { return nil, engine.ErrNotSupported }
func (w wrong) Close() error                              { return nil }
func (w wrong) Crypt(dst, src, iv []byte) error           { w.crypt(dst, src, iv); return nil }

// TestNodeFails: an error of the node in the middle is the cipher's error.
func TestNodeFails(t *testing.T) {
	fail := false
	n := &cryptodevtest.Node{Fail: func(request uintptr) error {
		if fail && request == abi.CIOCCRYPT {
			return syscall.EIO
		}
		return nil
	}}
	p, err := FromDevice(n.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Encrypter(make([]byte, suite.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	fail = true
	if err := m.Crypt(make([]byte, 16), make([]byte, 16), make([]byte, 16)); !errors.Is(err, syscall.EIO) {
		t.Errorf("error is %v", err)
	}
}

func TestNodeWithoutCBC(t *testing.T) {
	n := &cryptodevtest.Node{Ciphers: []cryptodev.Cipher{cryptodev.AESECB}}
	if _, err := FromDevice(n.Open(t)); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("error is %v", err)
	}
}

// TestSuites: GCM is used where it is, and right; where it is not, CBC is.
func TestSuites(t *testing.T) {
	for name, p := range places(t) {
		if os.Getenv(cryptodevtest.Env) != "" && name == "node" {
			continue // a real one has what it has
		}
		if p.Suites() != suite.CBC|suite.GCM || p.Lacks() != nil {
			t.Errorf("%s: %v, %v", name, p.Suites(), p.Lacks())
		}
		s, err := suite.NewSealer(p, suite.GCM, make([]byte, suite.SecretSize))
		if err != nil {
			t.Fatal(err)
		}
		o, err := suite.NewOpener(p, suite.GCM, make([]byte, suite.SecretSize))
		if err != nil {
			t.Fatal(err)
		}
		for n, size := range []int{0, 1, 4096, suite.MaxPlain} {
			plain := make([]byte, size)
			rand.Read(plain)
			sealed, err := s.Seal(nil, uint64(n), []byte("aad"), plain)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := o.Open(uint64(n), []byte("aad"), sealed); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s: %d bytes: %d came back, %v", name, size, len(got), err)
			}
			sealed[len(sealed)-1] ^= 1
			if _, err := o.Open(uint64(n), []byte("aad"), sealed); !errors.Is(err, suite.ErrForged) {
				t.Errorf("%s: changed: %v", name, err)
			}
		}
		if err := errors.Join(s.Close(), o.Close()); err != nil {
			t.Error(err)
		}
	}
	n := &cryptodevtest.Node{Ciphers: []cryptodev.Cipher{cryptodev.AESCBC}}
	p, err := FromDevice(n.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	if p.Suites() != suite.CBC || p.Lacks() == nil {
		t.Errorf("a node with CBC only: %v, %v", p.Suites(), p.Lacks())
	}
}

// TestNamedNeverFallsBack: what was named is used or fails.
func TestNamedNeverFallsBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{"/dev/cryptodev99", file, "no-such-engine", "", "dev/crypto"} {
		if p, err := Open(spec); err == nil {
			t.Errorf("%q opened %v", spec, p)
		}
	}
}

func TestAuto(t *testing.T) {
	dir := t.TempDir()
	p, err := openAuto(filepath.Join(dir, "absent"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(p.String(), "engine ") || p.PassedOver() != nil {
		t.Errorf("without a node: %v, %v", p, p.PassedOver())
	}
	file := filepath.Join(dir, "unusable")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err = openAuto(file); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(p.String(), "engine ") || p.PassedOver() == nil {
		t.Errorf("with a node that does not work: %v, %v", p, p.PassedOver())
	}
	if node := os.Getenv(cryptodevtest.Env); node != "" {
		if p, err = openAuto(node); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(p.String(), node) {
			t.Errorf("with a node that works: %v", p)
		}
	}
}

// TestEngineFails: a request the engine fails is an error, not a result.
func TestEngineFails(t *testing.T) {
	for _, s := range []engine.Status{engine.Failed, engine.NotSupported, engine.BadRequest} {
		m := &engineCBC{engineSession{worker: &failing{status: s}}}
		if err := m.Crypt(make([]byte, 16), make([]byte, 16), make([]byte, 16)); err == nil {
			t.Errorf("status %d is no error", s)
		}
	}
}

// failing is a worker whose requests end with a status.
type failing struct {
	status engine.Status
	held   int
}

func (f *failing) Submit(r []*engine.Request) int { r[0].Status = f.status; f.held = 1; return 1 }
func (f *failing) Reap([]*engine.Request, engine.ReapMode) int {
	n := f.held
	f.held = 0
	return n
}
func (f *failing) Held() int    { return f.held }
func (f *failing) Close() error { return nil }

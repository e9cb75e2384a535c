// SPDX-License-Identifier: Apache-2.0

package devcrypto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/abi"
	"vcrypto/cryptodev/cryptodevtest"
	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

// newEngine makes an engine of a device.
func newEngine(t testing.TB, dev *cryptodev.Device) *Engine {
	t.Helper()
	e, err := New(dev)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestConformance uses the node that the environment names, if it does.
func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB) engine.Engine { return newEngine(t, cryptodevtest.Open(t)) })
}

// TestRequired checks that the engine found what the node must have.
func TestRequired(t *testing.T) {
	e := newEngine(t, cryptodevtest.Open(t))
	defer e.Close()
	t.Logf("%s: %v", e.dev.Path(), e.Algorithms())
	for _, c := range cryptodevtest.Required(t) {
		if !slices.ContainsFunc(e.Algorithms(), func(s engine.Support) bool {
			return ciphers[s.Algorithm] == c && slices.Equal(s.KeySizes, []int{16, 24, 32})
		}) {
			t.Errorf("no %s with all key sizes in %v", c, e.Algorithms())
		}
	}
}

// TestSupport has a node that can only do a part.
func TestSupport(t *testing.T) {
	node := cryptodevtest.Node{Ciphers: []cryptodev.Cipher{cryptodev.AESCBC}, KeySizes: []int{16, 32}}
	e := newEngine(t, node.Open(t))
	defer e.Close()
	want := engine.Support{Algorithm: engine.AESCBC, KeySizes: []int{16, 32}}
	if got := e.Algorithms(); len(got) != 1 || got[0].Algorithm != want.Algorithm || !slices.Equal(got[0].KeySizes, want.KeySizes) {
		t.Errorf("algorithms %v, want %v", got, want)
	}
	if n := node.Sessions(); n != 0 {
		t.Errorf("%d sessions left over from trying", n)
	}
	for _, p := range []engine.Params{
		{Algorithm: engine.AESCTR, Direction: engine.Encrypt, Key: make([]byte, 16)},
		{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 24)},
	} {
		if _, err := e.NewSession(p); !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("%s with %d key bytes: %v", p.Algorithm, len(p.Key), err)
		}
	}
}

// TestUnavailable opens the engine where there is nothing.
func TestUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crypto")
	_, err := engine.Open(name, engine.Options{Device: path})
	if !errors.Is(err, engine.ErrUnavailable) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "modprobe") {
		t.Errorf("no node: %v", err)
	}
	for _, d := range engine.Drivers() {
		if d.Name != name {
			continue
		}
		if d.Rank != 0 {
			t.Errorf("auto would choose %s", name)
		}
		if err := d.Probe(engine.Options{Device: path}); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("probe: %v", err)
		}
		if err := d.Probe(engine.Options{Device: "/dev/null"}); !errors.Is(err, syscall.ENOTTY) {
			t.Errorf("probe of /dev/null: %v", err)
		}
	}
	none := cryptodevtest.Node{KeySizes: []int{}}
	if _, err := New(none.Open(t)); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("a node without algorithms: %v", err)
	}
}

// TestFailures has the node fail every third request: each is answered, the
// others are right.
func TestFailures(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.EIO, syscall.ENOMEM, syscall.ENODEV, syscall.EINTR} {
		calls := 0
		node := cryptodevtest.Node{Fail: func(request uintptr) error {
			if request != abi.CIOCCRYPT {
				return nil
			}
			if calls++; calls%3 == 0 {
				return errno
			}
			return nil
		}}
		e := newEngine(t, node.Open(t))
		v := enginetest.Vectors[3]
		s, err := e.NewSession(engine.Params{Algorithm: v.Algorithm, Direction: engine.Encrypt, Key: v.Key})
		if err != nil {
			t.Fatal(err)
		}
		w, err := e.NewWorker(engine.WorkerConfig{Depth: 30})
		if err != nil {
			t.Fatal(err)
		}
		var reqs []*engine.Request
		for range 30 {
			r := &engine.Request{Session: s, Src: v.Plaintext, Dst: make([]byte, len(v.Plaintext)), IVLen: 16}
			copy(r.IV[:], v.IV)
			reqs = append(reqs, r)
		}
		if n := w.Submit(reqs); n != len(reqs) {
			t.Fatalf("took %d of %d", n, len(reqs))
		}
		done := make([]*engine.Request, 64)
		if n := w.Reap(done, engine.Poll); n != len(reqs) || w.Held() != 0 {
			t.Errorf("reaped %d of %d, %d held", n, len(reqs), w.Held())
		}
		for i, r := range reqs {
			switch {
			case i%3 == 2 && r.Status != engine.Failed:
				t.Errorf("%v: status %d, want Failed", errno, r.Status)
			case i%3 != 2 && (r.Status != engine.OK || !bytes.Equal(r.Dst, v.Ciphertext)):
				t.Errorf("request %d: status %d, or wrong", i, r.Status)
			}
		}
		s.Close()
		e.Close()
	}
}

// TestChunks checks that the node never gets more than maxChunk at once; that
// the pieces make a whole is seen by the conformance test.
func TestChunks(t *testing.T) {
	node := cryptodevtest.Node{MaxLen: maxChunk}
	e := newEngine(t, node.Open(t))
	defer e.Close()
	s, err := e.NewSession(engine.Params{Algorithm: engine.AESCTR, Direction: engine.Encrypt, Key: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w, _ := e.NewWorker(engine.WorkerConfig{Depth: 1})
	for _, tt := range []struct{ size, requests int }{
		{0, 0}, {1, 1}, {maxChunk - 1, 1}, {maxChunk, 1}, {maxChunk + 1, 2}, {3 * maxChunk, 3}, {3*maxChunk + 5, 4},
	} {
		before := node.Requests()
		r := &engine.Request{Session: s, Src: make([]byte, tt.size), IVLen: 16}
		r.Dst = r.Src
		w.Submit([]*engine.Request{r})
		w.Reap(make([]*engine.Request, 1), engine.Wait)
		if r.Status != engine.OK || node.Requests()-before != tt.requests {
			t.Errorf("%d bytes: status %d, %d requests, want %d", tt.size, r.Status, node.Requests()-before, tt.requests)
		}
	}
}

func TestAddToCounter(t *testing.T) {
	for _, tt := range []struct {
		blocks   int
		from, to string
	}{
		{1, "00000000000000000000000000000000", "00000000000000000000000000000001"},
		{65536, "000000000000000000000000ffffffff", "0000000000000000000000010000ffff"},
		{2, "0000000000000000ffffffffffffffff", "00000000000000010000000000000001"},
		{1, "ffffffffffffffffffffffffffffffff", "00000000000000000000000000000000"},
	} {
		c := unhex(t, tt.from)
		addToCounter(&c, tt.blocks)
		if c != unhex(t, tt.to) {
			t.Errorf("%s + %d = %x, want %s", tt.from, tt.blocks, c, tt.to)
		}
	}
}

func unhex(t *testing.T, s string) [engine.MaxIV]byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != engine.MaxIV {
		t.Fatal(s, err)
	}
	return [engine.MaxIV]byte(b)
}

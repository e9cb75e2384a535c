// SPDX-License-Identifier: Apache-2.0

// Package enginetest is the test that every engine must pass: known answers,
// a comparison with a second implementation over random requests in mixed
// batches, the limits of lengths and IVs, many sessions and workers at once,
// and the rules that package engine sets for sessions and workers. It covers
// ciphers, hashes, MACs and AEADs; public keys have tests of their own.
//
//	func TestConformance(t *testing.T) {
//		enginetest.Run(t, func(testing.TB) engine.Engine { return New() })
//	}
//
// An engine may answer NotSupported where package engine lets it (a length,
// counter, nonce or additional data beyond its limits); then source and
// destination must be untouched.
package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"vcrypto/engine"
)

// Run runs the whole test as subtests of t. open is called once for each and
// returns a fresh engine, which Run closes.
func Run(t *testing.T, open func(testing.TB) engine.Engine) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, engine.Engine)
	}{
		{"Algorithms", testAlgorithms},
		{"SessionErrors", testSessionErrors},
		{"Vectors", testVectors},
		{"Published", testPublished},
		{"Lengths", testLengths},
		{"BadRequests", testBadRequests},
		{"ForeignSession", testForeignSession},
		{"Counters", testCounters},
		{"Big", testBig},
		{"Mixed", testMixed},
		{"ManySessions", testManySessions},
		{"ManyKeys", testManyKeys},
		{"Workers", testWorkers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := open(t)
			t.Cleanup(func() {
				if err := e.Close(); err != nil {
					t.Errorf("closing the engine: %v", err)
				}
			})
			tt.test(t, e)
		})
	}
}

var directions = []engine.Direction{engine.Encrypt, engine.Decrypt}

// macKeySizes are around the block sizes of hashes.
var macKeySizes = []int{1, 20, 32, 63, 64, 65, 127, 128, 129, 300}

// variants lists what an engine can open sessions for, with random keys.
func variants(e engine.Engine, r *rand.ChaCha8) []engine.Params {
	var all []engine.Params
	for _, s := range e.Algorithms() {
		ways, tags, keys := []engine.Direction{0}, []int{0}, s.KeySizes
		switch s.Algorithm.Kind() {
		case engine.Cipher:
			ways = directions
		case engine.AEAD:
			ways, tags = directions, []int{engine.MaxTag}
			if s.Algorithm != engine.ChaCha20Poly1305 {
				tags = tagSizes(e, s)
			}
		case engine.Hash:
			keys = []int{0}
		case engine.MAC:
			if keys == nil {
				keys = macKeySizes
			}
		case engine.PublicKey:
			continue
		}
		for _, n := range keys {
			for _, tag := range tags {
				for _, d := range ways {
					all = append(all, engine.Params{Algorithm: s.Algorithm, Direction: d, Key: random(r, n), TagSize: tag})
				}
			}
		}
	}
	return all
}

// tagSizes are the usual ones of an AEAD that the engine takes.
func tagSizes(e engine.Engine, s engine.Support) []int {
	return slices.DeleteFunc([]int{engine.MaxTag, 12, 4}, func(n int) bool {
		session, err := e.NewSession(engine.Params{Algorithm: s.Algorithm, Direction: engine.Encrypt, Key: make([]byte, s.KeySizes[0]), TagSize: n})
		if err == nil {
			session.Close()
		}
		return n != engine.MaxTag && errors.Is(err, engine.ErrNotSupported)
	})
}

func describe(p engine.Params) string {
	s := p.Algorithm.String()
	if len(p.Key) > 0 {
		s += fmt.Sprintf("/%d", len(p.Key)*8)
	}
	if p.TagSize > 0 {
		s += fmt.Sprintf("/tag%d", p.TagSize*8)
	}
	if p.Direction != 0 {
		s += "/" + p.Direction.String()
	}
	return s
}

// each calls f for every algorithm, key size and direction of the engine.
func each(t *testing.T, e engine.Engine, f func(*testing.T, engine.Params)) {
	for _, p := range variants(e, newRand(1)) {
		t.Run(describe(p), func(t *testing.T) { f(t, p) })
	}
}

func newRand(seed uint64) *rand.ChaCha8 {
	return rand.NewChaCha8([32]byte{0: byte(seed), 1: byte(seed >> 8)})
}

func random(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	r.Read(b) // never fails
	return b
}

// newSession opens a session that is closed at the end of the test.
func newSession(t testing.TB, e engine.Engine, p engine.Params) engine.Session {
	t.Helper()
	key := slices.Clone(p.Key)
	borrowed := p
	borrowed.Key = key
	s, err := e.NewSession(borrowed)
	if err != nil {
		t.Fatalf("new session for %s: %v", describe(p), err)
	}
	if !bytes.Equal(key, p.Key) {
		t.Error("the engine changed the caller's key")
	}
	clear(key) // it was only borrowed
	t.Cleanup(s.Close)
	return s
}

// newWorker makes a worker that is closed at the end of the test.
func newWorker(t testing.TB, e engine.Engine, depth int) engine.Worker {
	t.Helper()
	w, err := e.NewWorker(engine.WorkerConfig{Depth: depth, Wake: func() {}})
	if err != nil {
		t.Fatalf("new worker: %v", err)
	}
	t.Cleanup(func() {
		if n := w.Held(); n != 0 {
			t.Errorf("the worker still holds %d requests", n)
		}
		if err := w.Close(); err != nil {
			t.Errorf("closing a worker: %v", err)
		}
	})
	return w
}

func testAlgorithms(t *testing.T, e engine.Engine) {
	if e.Name() == "" {
		t.Error("the engine has no name")
	}
	all := e.Algorithms()
	if len(all) == 0 {
		t.Error("the engine has no algorithms")
	}
	for i, s := range all {
		if i > 0 && all[i-1].Algorithm >= s.Algorithm {
			t.Errorf("%s stands before %s", all[i-1].Algorithm, s.Algorithm)
		}
		defined := s.Algorithm.KeySizes()
		if defined != nil && len(s.KeySizes) == 0 {
			t.Errorf("%s has no key sizes", s.Algorithm)
		}
		for _, n := range s.KeySizes {
			if defined != nil && !slices.Contains(defined, n) {
				t.Errorf("%s has no keys of %d bytes", s.Algorithm, n)
			}
		}
	}
}

func testSessionErrors(t *testing.T, e engine.Engine) {
	refused := func(p engine.Params, want error) {
		t.Helper()
		s, err := e.NewSession(p)
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", describe(p), err, want)
		}
		if ee := (*engine.Error)(nil); err != nil && (!errors.As(err, &ee) || ee.Engine != e.Name()) {
			t.Errorf("error %v does not name engine %s", err, e.Name())
		}
	}
	for _, p := range variants(e, newRand(9)) {
		if p.Algorithm.KeySizes() != nil {
			for _, n := range []int{0, 1, 15, 17, 33, 65, 4096} {
				q := p
				q.Key = make([]byte, n)
				refused(q, engine.ErrKey)
			}
		}
		if p.Direction != 0 {
			for _, d := range []engine.Direction{0, engine.Decrypt + 1, 255} {
				q := p
				q.Direction = d
				refused(q, engine.ErrNotSupported)
			}
		}
		if p.TagSize > 0 {
			for _, n := range []int{-1, 0, 1, engine.MaxTag + 1, 255, 256 + engine.MaxTag} {
				q := p
				q.TagSize = n
				refused(q, engine.ErrNotSupported)
			}
		}
	}
	for _, a := range []engine.Algorithm{0, 65535} {
		refused(engine.Params{Algorithm: a, Direction: engine.Encrypt, Key: make([]byte, 16)}, engine.ErrNotSupported)
	}
}

// has reports whether the engine has an algorithm with keys of n bytes.
func has(e engine.Engine, a engine.Algorithm, n int) bool {
	return slices.ContainsFunc(e.Algorithms(), func(s engine.Support) bool {
		return s.Algorithm == a && (s.KeySizes == nil || slices.Contains(s.KeySizes, n))
	})
}

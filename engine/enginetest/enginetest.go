// SPDX-License-Identifier: Apache-2.0

// Package enginetest is the test that every engine must pass: known answers,
// a comparison with a second implementation over random requests in mixed
// batches, the limits of lengths and IVs, many workers at once, and the rules
// that package engine sets for sessions and workers.
//
//	func TestConformance(t *testing.T) {
//		enginetest.Run(t, func(testing.TB) engine.Engine { return New() })
//	}
//
// An engine may answer NotSupported where package engine lets it (a length or
// counter beyond its limits); then source and destination must be untouched.
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
		{"Lengths", testLengths},
		{"BadRequests", testBadRequests},
		{"ForeignSession", testForeignSession},
		{"Counters", testCounters},
		{"Big", testBig},
		{"Mixed", testMixed},
		{"Workers", testWorkers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := engine.Engine(testable{open(t)})
			t.Cleanup(func() {
				if err := e.Close(); err != nil {
					t.Errorf("closing the engine: %v", err)
				}
			})
			tt.test(t, e)
		})
	}
}

// testable is an engine without the algorithms that the test has nothing for
// yet.
type testable struct{ engine.Engine }

func (e testable) Algorithms() []engine.Support {
	return slices.DeleteFunc(e.Engine.Algorithms(), func(s engine.Support) bool {
		return s.Algorithm.Kind() != engine.Cipher || s.Algorithm == engine.AESXTS
	})
}

var directions = []engine.Direction{engine.Encrypt, engine.Decrypt}

// each calls f for every algorithm, key size and direction of the engine.
func each(t *testing.T, e engine.Engine, f func(*testing.T, engine.Params)) {
	for _, s := range e.Algorithms() {
		for _, n := range s.KeySizes {
			for _, d := range directions {
				t.Run(fmt.Sprintf("%s/%d/%s", s.Algorithm, n*8, d), func(t *testing.T) {
					f(t, engine.Params{Algorithm: s.Algorithm, Direction: d, Key: random(newRand(1), n)})
				})
			}
		}
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
	s, err := e.NewSession(engine.Params{Algorithm: p.Algorithm, Direction: p.Direction, Key: key})
	if err != nil {
		t.Fatalf("new session for %s, %d key bytes, %s: %v", p.Algorithm, len(p.Key), p.Direction, err)
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
		if s.Algorithm.Kind() != engine.Cipher {
			t.Errorf("%s: this test has nothing for it yet", s.Algorithm)
		}
		if len(s.KeySizes) == 0 {
			t.Errorf("%s has no key sizes", s.Algorithm)
		}
		for _, n := range s.KeySizes {
			if !slices.Contains(s.Algorithm.KeySizes(), n) {
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
			t.Errorf("%s, %d key bytes, %s: error %v, want %v", p.Algorithm, len(p.Key), p.Direction, err, want)
		}
		if ee := (*engine.Error)(nil); err != nil && (!errors.As(err, &ee) || ee.Engine != e.Name()) {
			t.Errorf("error %v does not name engine %s", err, e.Name())
		}
	}
	for _, s := range e.Algorithms() {
		for _, n := range []int{0, 1, 15, 17, 33, 64, 65, 4096} {
			if slices.Contains(s.Algorithm.KeySizes(), n) {
				continue
			}
			refused(engine.Params{Algorithm: s.Algorithm, Direction: engine.Encrypt, Key: make([]byte, n)}, engine.ErrKey)
		}
		for _, d := range []engine.Direction{0, engine.Decrypt + 1, 255} {
			refused(engine.Params{Algorithm: s.Algorithm, Direction: d, Key: make([]byte, s.KeySizes[0])}, engine.ErrNotSupported)
		}
	}
	for _, a := range []engine.Algorithm{0, 65535} {
		refused(engine.Params{Algorithm: a, Direction: engine.Encrypt, Key: make([]byte, 16)}, engine.ErrNotSupported)
	}
}

func testVectors(t *testing.T, e engine.Engine) {
	tested := 0
	for _, v := range Vectors {
		if !slices.ContainsFunc(e.Algorithms(), func(s engine.Support) bool {
			return s.Algorithm == v.Algorithm && slices.Contains(s.KeySizes, len(v.Key))
		}) {
			continue
		}
		tested++
		t.Run(v.Name, func(t *testing.T) {
			w := newWorker(t, e, 4)
			var jobs []*job
			for _, inPlace := range []bool{false, true} {
				for _, d := range directions {
					j := &job{iv: v.IV, src: v.Plaintext, want: v.Ciphertext, inPlace: inPlace}
					if d == engine.Decrypt {
						j.src, j.want = j.want, j.src
					}
					j.session = newSession(t, e, engine.Params{Algorithm: v.Algorithm, Direction: d, Key: v.Key})
					jobs = append(jobs, j)
				}
			}
			do(t, w, jobs)
			for _, j := range jobs {
				j.check(t, false)
			}
		})
	}
	if tested == 0 {
		t.Error("no vector fits the engine")
	}
}

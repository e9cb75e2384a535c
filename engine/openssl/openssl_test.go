// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

// open opens the engine until the end of the test.
func open(t testing.TB) *Engine {
	t.Helper()
	return openWith(t, options())
}

// engineVariable names an ENGINE that tests are to use, for TestQATEngine.
const engineVariable = "VCRYPTO_TEST_OPENSSL_ENGINE"

func options() engine.Options {
	return engine.Options{OpenSSLEngine: os.Getenv(engineVariable)}
}

func openWith(t testing.TB, o engine.Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("closing the engine: %v", err)
		}
	})
	return e
}

// newWorker makes a worker until the end of the test.
func newWorker(t testing.TB, e *Engine, depth int, wake func()) engine.Worker {
	t.Helper()
	w, err := e.NewWorker(engine.WorkerConfig{Depth: depth, Wake: wake})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// newSession opens a session until the end of the test.
func newSession(t testing.TB, e *Engine, p engine.Params) engine.Session {
	t.Helper()
	s, err := e.NewSession(p)
	if err != nil {
		t.Fatalf("%s with %d key bytes: %v", p.Algorithm, len(p.Key), err)
	}
	t.Cleanup(s.Close)
	return s
}

// refused expects no session.
func refused(t testing.TB, e *Engine, p engine.Params, want error) {
	t.Helper()
	s, err := e.NewSession(p)
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, want) {
		t.Errorf("%s with %d key bytes: error %v, want %v", p.Algorithm, len(p.Key), err, want)
	}
}

// do does one request.
func do(t testing.TB, w engine.Worker, r *engine.Request) engine.Status {
	t.Helper()
	done := make([]*engine.Request, 2)
	if n := w.Submit([]*engine.Request{r}); n != 1 {
		t.Fatalf("the worker took %d requests of 1", n)
	}
	if n := w.Reap(done, engine.Wait); n != 1 || done[0] != r {
		t.Fatalf("the worker gave %d requests back, not the 1 it had", n)
	}
	return r.Status
}

func newRand(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func random(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	r.Read(b) // never fails
	return b
}

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB) engine.Engine {
		e, err := New(options())
		if err != nil {
			t.Fatal(err)
		}
		return e // Run closes it
	})
}

func TestHasEverything(t *testing.T) {
	var has []engine.Algorithm
	for _, s := range open(t).Algorithms() {
		has = append(has, s.Algorithm)
		if !slices.Equal(s.KeySizes, s.Algorithm.KeySizes()) {
			t.Errorf("%s has key sizes %v, not %v", s.Algorithm, s.KeySizes, s.Algorithm.KeySizes())
		}
	}
	if !slices.Equal(has, carried()) {
		t.Errorf("the engine has %v", has)
	}
}

// carried are the algorithms that are to be there: all but the old ones, of
// which there is a curve.
func carried() []engine.Algorithm {
	return slices.DeleteFunc(engine.Algorithms(), func(a engine.Algorithm) bool {
		return a.Legacy() && a != engine.ECDSAP192
	})
}

func TestOptions(t *testing.T) {
	for _, o := range []engine.Options{
		{OpenSSLConfig: "/nonexistent/openssl.cnf"},
		{OpenSSLProvider: "nonexistent"},
		{OpenSSLEngine: "nonexistent"},
		{OpenSSLEngine: "/nonexistent/engine.so"},
	} {
		_, err := New(o)
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%+v: error %v", o, err)
		}
	}
	// A query that nothing meets leaves nothing.
	e := openWith(t, engine.Options{OpenSSLProperties: "provider=nonexistent"})
	if all := e.Algorithms(); len(all) != 0 {
		t.Errorf("no provider, but algorithms: %v", all)
	}
	refused(t, e, engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 16)}, engine.ErrNotSupported)
	// One that is a wish leaves all. So does a provider beside the default.
	e = openWith(t, engine.Options{OpenSSLProvider: "null", OpenSSLProperties: "?provider=nonexistent"})
	if all := e.Algorithms(); len(all) != len(carried()) {
		t.Errorf("a wish left %v", all)
	}
}

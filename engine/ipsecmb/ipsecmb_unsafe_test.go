// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package ipsecmb

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

func open(t testing.TB) engine.Engine {
	t.Helper()
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) { enginetest.Run(t, open) }

// TestSelfTest: an engine that gives other answers is not used.
func TestSelfTest(t *testing.T) {
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for i, a := range answers {
		a.dst = a.dst[:len(a.dst)-1] + string(a.dst[len(a.dst)-1]^1)
		err := e.selfTest([]answer{a})
		if err == nil || !strings.Contains(err.Error(), a.source) {
			t.Errorf("%s: error %v", a.algorithm, err)
		}
		if !slices.ContainsFunc(e.Algorithms(), func(s engine.Support) bool { return s.Algorithm == answers[i].algorithm }) {
			t.Errorf("an answer for %s, which the engine does not have", a.algorithm)
		}
	}
	if len(answers) != len(e.Algorithms()) {
		t.Errorf("%d answers for %d algorithms", len(answers), len(e.Algorithms()))
	}
}

// batch is a worker with requests of 64 bytes to give it.
type batch struct {
	engine.Worker
	reqs, done []*engine.Request
}

func newBatch(t testing.TB, e engine.Engine, p engine.Params, n int) *batch {
	t.Helper()
	s, err := e.NewSession(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w, err := e.NewWorker(engine.WorkerConfig{Depth: n})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	b := &batch{Worker: w, done: make([]*engine.Request, n)}
	for range n {
		r := &engine.Request{Session: s, Src: make([]byte, 64), Dst: make([]byte, 64), IVLen: uint8(p.Algorithm.IVSize())}
		if n := p.Algorithm.ResultSize(); n > 0 {
			r.Dst = r.Dst[:n]
		}
		b.reqs = append(b.reqs, r)
	}
	return b
}

// TestCompany: which requests wait for others, and for how long.
func TestCompany(t *testing.T) {
	cbc := engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 16)}
	hmac := engine.Params{Algorithm: engine.HMACSHA256, Key: make([]byte, 16)}
	for _, p := range []engine.Params{cbc, hmac} {
		t.Run(p.Algorithm.String(), func(t *testing.T) {
			e := open(t)
			t.Cleanup(func() { e.Close() })
			b := newBatch(t, e, p, 64)
			w := b.Worker.(*worker)

			w.Submit(b.reqs[:lanes+5])
			if n := w.Reap(b.done, engine.Poll); n != lanes || !slices.Equal(b.done[:n], b.reqs[:n]) {
				t.Fatalf("Poll finished %d of %d requests, want the first %d", n, lanes+5, lanes)
			}
			// Their time is not over, whatever this machine's load.
			w.waiting = time.Now().Add(time.Hour)
			if n := w.Reap(b.done, engine.Poll); n != 0 || w.Held() != 5 {
				t.Fatalf("Poll finished %d requests of a part-full lane", n)
			}
			// The next batch is company.
			w.Submit(b.reqs[lanes+5 : 2*lanes+2])
			if n := w.Reap(b.done, engine.Poll); n != lanes || !slices.Equal(b.done[:n], b.reqs[lanes:2*lanes]) {
				t.Fatalf("Poll finished %d requests, want the oldest %d", n, lanes)
			}
			if !w.waiting.Before(time.Now().Add(time.Minute)) {
				t.Error("younger requests wait as long as those that are done")
			}
			if n := w.Reap(b.done, engine.Flush); n != 2 || w.Held() != 0 {
				t.Fatalf("Flush finished %d requests and left %d", n, w.Held())
			}

			// Time ends it too.
			w.Submit(b.reqs[:3])
			n := w.Reap(b.done, engine.Poll)
			for start := time.Now(); n < 3 && time.Since(start) < 10*time.Second; {
				n += w.Reap(b.done, engine.Poll)
			}
			if n != 3 {
				t.Errorf("%d of 3 requests done after 10 s of polling", n)
			}
		})
	}

	// Nobody waits where no lanes are.
	e := open(t)
	t.Cleanup(func() { e.Close() })
	b := newBatch(t, e, engine.Params{Algorithm: engine.AESCTR, Direction: engine.Encrypt, Key: make([]byte, 16)}, 5)
	b.Submit(b.reqs)
	if n := b.Reap(b.done, engine.Poll); n != 5 {
		t.Errorf("Poll finished %d of 5 requests of CTR", n)
	}
}

// TestNoAllocation: batches of one kind and of several, as the device opens the
// engine.
func TestNoAllocation(t *testing.T) {
	e, err := engine.Open(name, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	b := newBatch(t, e, engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 16)}, 256)
	other := newBatch(t, e, engine.Params{Algorithm: engine.HMACSHA256, Key: make([]byte, 16)}, 100)
	mixed := append(slices.Clone(b.reqs[:100]), other.reqs...)
	for name, reqs := range map[string][]*engine.Request{"one kind": b.reqs, "mixed": mixed} {
		allocs := testing.AllocsPerRun(100, func() {
			if n := b.Submit(reqs); n != len(reqs) {
				t.Fatalf("took %d of %d", n, len(reqs))
			}
			for b.Held() > 0 {
				b.Reap(b.done, engine.Poll)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations a batch", name, allocs)
		}
	}
}

// TestClosedSession: its requests fail, and its key is gone.
func TestClosedSession(t *testing.T) {
	e := open(t)
	t.Cleanup(func() { e.Close() })
	key := []byte("a key of 32 bytes for this test.")
	for _, a := range []engine.Algorithm{engine.AESCBC, engine.AESGCM, engine.ChaCha20Poly1305, engine.HMACSHA256} {
		p := engine.Params{Algorithm: a, Direction: engine.Encrypt, Key: key}
		if a.Kind() == engine.AEAD {
			p.TagSize = 16
		}
		s, err := e.NewSession(p)
		if err != nil {
			t.Fatal(err)
		}
		c := s.(*session).c
		memory := unsafe.Slice((*byte)(unsafe.Pointer(c)), 512)
		if zeros(memory[64:]) {
			t.Errorf("%s: the key is not where this test looks", a)
		}
		s.Close()
		s.Close()
		if !zeros(memory[64:]) {
			t.Errorf("%s: the key is still there", a)
		}
		w, err := e.NewWorker(engine.WorkerConfig{Depth: 1})
		if err != nil {
			t.Fatal(err)
		}
		r := &engine.Request{Session: s, Src: make([]byte, 32), Dst: make([]byte, 32), IVLen: uint8(a.IVSize()), TagLen: 16}
		w.Submit([]*engine.Request{r})
		if n := w.Reap([]*engine.Request{nil}, engine.Flush); n != 1 || r.Status != engine.Failed {
			t.Errorf("%s: %d requests, status %d, want 1 that failed", a, n, r.Status)
		}
		w.Close()
	}
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// TestLimits: what ends NotSupported here is done if the engine is opened with
// the others.
func TestLimits(t *testing.T) {
	e := open(t)
	t.Cleanup(func() { e.Close() })
	b := newBatch(t, e, engine.Params{Algorithm: engine.HMACSHA256, Key: make([]byte, 16)}, 1)
	for n, want := range map[int]engine.Status{0: engine.OK, 65534: engine.OK, 65535: engine.NotSupported, 1 << 20: engine.NotSupported} {
		b.reqs[0].Src = make([]byte, n)
		b.Submit(b.reqs)
		if b.Reap(b.done, engine.Flush) != 1 || b.reqs[0].Status != want {
			t.Errorf("HMAC of %d bytes: status %d, want %d", n, b.reqs[0].Status, want)
		}
	}
}

// TestProbe: the driver says that it is there, and its errors say what to do.
func TestProbe(t *testing.T) {
	if err := probe(engine.Options{}); err != nil {
		t.Fatal(err)
	}
	e := open(t)
	t.Cleanup(func() { e.Close() })
	_, err := e.NewSession(engine.Params{Algorithm: engine.CMACAES, Key: make([]byte, 24)})
	if !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("CMAC with AES-192: error %v, want ErrNotSupported", err)
	}
}

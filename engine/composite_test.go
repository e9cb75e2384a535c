// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
	"vcrypto/engine/gocrypto"
)

// wrapped is gocrypto as another engine: with some of its algorithms, of those
// some with a limit, done at once or later on another thread.
type wrapped struct {
	name    string
	has     map[engine.Algorithm]bool // true: with a limit
	later   bool
	inner   *gocrypto.Engine
	mu      sync.Mutex
	open    int
	refused int
}

// limit is in bytes.
const limit = 100

func (e *wrapped) Name() string { return e.name }

func (e *wrapped) Algorithms() (all []engine.Support) {
	for _, s := range e.inner.Algorithms() {
		if limits, ok := e.has[s.Algorithm]; ok {
			s.Limits = limits
			all = append(all, s)
		}
	}
	return all
}

func (e *wrapped) NewSession(p engine.Params) (engine.Session, error) {
	limits, ok := e.has[p.Algorithm]
	if !ok {
		return nil, &engine.Error{Engine: e.name, Op: "new session", Err: engine.ErrNotSupported}
	}
	s, err := e.inner.NewSession(p)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open++
	return &wrappedSession{Session: s, e: e, limits: limits}, nil
}

func (e *wrapped) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open != 0 {
		return errors.New("sessions are still open")
	}
	return nil
}

type wrappedSession struct {
	engine.Session
	e      *wrapped
	limits bool
	atEnd  func()
}

func (s *wrappedSession) AtClose(f func()) { s.atEnd = f }

func (s *wrappedSession) Close() {
	s.Session.Close()
	s.e.mu.Lock()
	s.e.open--
	s.e.mu.Unlock()
	if s.atEnd != nil {
		s.atEnd()
	}
}

func (e *wrapped) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	inner, err := e.inner.NewWorker(c)
	return &wrappedWorker{e: e, inner: inner, wake: c.Wake}, err
}

type wrappedWorker struct {
	e     *wrapped
	inner engine.Worker
	wake  func()

	mu   sync.Mutex
	done []*engine.Request
	held int
}

// Submit takes at most 5 at a time, so that the composite has to queue.
func (w *wrappedWorker) Submit(reqs []*engine.Request) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(reqs), 5)
	if w.held > 20 {
		return 0
	}
	w.held += n
	for _, r := range reqs[:n] {
		if w.e.later {
			time.AfterFunc(100*time.Microsecond, func() {
				w.mu.Lock()
				w.do(r)
				w.mu.Unlock()
				w.wake()
			})
			continue
		}
		w.do(r)
	}
	return n
}

func (w *wrappedWorker) do(r *engine.Request) {
	s, ok := r.Session.(*wrappedSession)
	switch {
	case !ok:
		r.Status = engine.Failed
	case s.limits && len(r.Src) > limit:
		r.Status = engine.NotSupported
		w.e.mu.Lock()
		w.e.refused++
		w.e.mu.Unlock()
	default:
		r.Session = s.Session
		w.inner.Submit([]*engine.Request{r})
		w.inner.Reap([]*engine.Request{nil}, engine.Flush)
		r.Session = s
	}
	w.done = append(w.done, r)
}

func (w *wrappedWorker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	for {
		w.mu.Lock()
		n := copy(done, w.done)
		w.done = w.done[n:]
		w.held -= n
		held := w.held
		w.mu.Unlock()
		if n > 0 || mode != engine.Wait || held == 0 {
			return n
		}
		time.Sleep(10 * time.Microsecond)
	}
}

func (w *wrappedWorker) Held() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held
}

func (w *wrappedWorker) Close() error { return w.inner.Close() }

// The engines of these tests, of which auto takes CBC and CTR from the first,
// ECB from the second, and what the first refuses from the last. It has no use
// for the others, nor for gocrypto.
var (
	limited = &wrapped{name: "limited", has: map[engine.Algorithm]bool{engine.AESCBC: true, engine.AESCTR: true}}
	later   = &wrapped{name: "later", has: map[engine.Algorithm]bool{engine.AESECB: false}, later: true}
	useless = &wrapped{name: "useless", has: map[engine.Algorithm]bool{engine.AESECB: false}}
	last    = &wrapped{name: "last", has: map[engine.Algorithm]bool{engine.AESCBC: false, engine.AESCTR: false}}
)

func init() {
	for i, e := range []*wrapped{last, useless, later, limited} {
		engine.Register(engine.Driver{
			Name: e.name, Rank: 1000 + i,
			Probe: func(engine.Options) error { return nil },
			Open:  func(engine.Options) (engine.Engine, error) { return e, nil },
		})
	}
	engine.Register(engine.Driver{
		Name: "missing", Rank: 2000,
		Probe: func(engine.Options) error { return engine.ErrUnavailable },
		Open:  func(engine.Options) (engine.Engine, error) { return nil, engine.ErrUnavailable },
	})
}

func open(t testing.TB, name string) engine.Engine {
	t.Helper()
	e, err := engine.Open(name, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// modes is a composite with the algorithms that its members share out. The
// others go to one engine, which has been through the test by itself.
type modes struct{ engine.Engine }

func (e modes) Algorithms() []engine.Support {
	return slices.DeleteFunc(slices.Clone(e.Engine.Algorithms()), func(s engine.Support) bool {
		return s.Algorithm != engine.AESECB && s.Algorithm != engine.AESCBC && s.Algorithm != engine.AESCTR
	})
}

func TestCompositeConformance(t *testing.T) {
	for _, name := range []string{engine.Auto, "limited"} {
		t.Run(name, func(t *testing.T) {
			before := limited.refused
			enginetest.Run(t, func(t testing.TB) engine.Engine { return modes{open(t, name)} })
			if limited.refused == before {
				t.Error("the first engine never refused a request, so this tested nothing")
			}
		})
	}
}

// TestOpenNamed: an engine with limits gets help, but no more algorithms; one
// without is itself.
func TestOpenNamed(t *testing.T) {
	e := open(t, "limited")
	defer e.Close()
	if e.Name() != "limited" || len(e.Algorithms()) != 2 {
		t.Errorf("engine %s has %d algorithms, want 2 of engine limited", e.Name(), len(e.Algorithms()))
	}
	_, err := e.NewSession(engine.Params{Algorithm: engine.AESECB, Direction: engine.Encrypt, Key: make([]byte, 16)})
	if !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("ECB: error %v, want ErrNotSupported", err)
	}
	if e := open(t, "later"); e != engine.Engine(later) {
		t.Errorf("engine later is %T", e)
	}
}

// TestAuto: the best engine has each algorithm, and what it refuses is done.
func TestAuto(t *testing.T) {
	e := open(t, engine.Auto)
	defer e.Close()
	if n, want := len(e.Algorithms()), len(gocrypto.New().Algorithms()); n != want {
		t.Errorf("auto has %d algorithms, want %d", n, want)
	}
	if useless.open != 0 {
		t.Error("a useless engine is in use")
	}
	s, err := e.NewSession(engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.(*wrappedSession); !ok {
		t.Errorf("the session is a %T, want the first engine's own", s)
	}
	w, err := e.NewWorker(engine.WorkerConfig{Depth: 64})
	if err != nil {
		t.Fatal(err)
	}
	reqs := make([]*engine.Request, 10)
	for i := range reqs {
		n := 16
		if i%2 == 1 {
			n = 160
		}
		reqs[i] = &engine.Request{Session: s, Src: make([]byte, n), Dst: make([]byte, n), IVLen: 16}
	}
	refused := limited.refused
	done := make([]*engine.Request, 16)
	for n := 0; len(reqs) > 0 || w.Held() > 0; {
		reqs = reqs[w.Submit(reqs):]
		n = w.Reap(done, engine.Wait)
		for _, r := range done[:n] {
			if r.Status != engine.OK || r.Session != s {
				t.Errorf("%d bytes: status %d, session %v", len(r.Src), r.Status, r.Session)
			}
		}
	}
	if n := limited.refused - refused; n != 5 {
		t.Errorf("the first engine refused %d requests, want 5", n)
	}
	s.Close()
	if limited.open != 0 || last.open != 0 {
		t.Errorf("%d sessions are open, and %d second ones", limited.open, last.open)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

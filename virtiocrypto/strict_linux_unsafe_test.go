// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"vcrypto/engine"
)

// strictEngine does its work with another engine and keeps a list of what
// requests had that package engine does not allow, for those engines that
// count on it.
type strictEngine struct {
	engine.Engine
	mu     *sync.Mutex
	broken *[]string // guarded by mu

	// open is the number of sessions that are.
	open *atomic.Int64
}

func newStrictEngine(e engine.Engine) strictEngine {
	return strictEngine{e, new(sync.Mutex), new([]string), new(atomic.Int64)}
}

// strictSession knows its parameters.
type strictSession struct {
	engine.Session
	p    engine.Params
	open *atomic.Int64
}

func (s *strictSession) Close() {
	s.Session.Close()
	s.open.Add(-1)
}

func (e strictEngine) NewSession(p engine.Params) (engine.Session, error) {
	s, err := e.Engine.NewSession(p)
	if err != nil {
		return nil, err
	}
	p.Key = nil
	e.open.Add(1)
	return &strictSession{s, p, e.open}, nil
}

func (e strictEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	return &strictWorker{w, e}, err
}

type strictWorker struct {
	engine.Worker
	e strictEngine
}

func (w *strictWorker) Submit(reqs []*engine.Request) int {
	for _, r := range reqs {
		s := r.Session.(*strictSession)
		r.Session = s.Session
		if err := s.allows(r); err != nil {
			w.e.mu.Lock()
			*w.e.broken = append(*w.e.broken, fmt.Sprintf("%s: %v", s.p.Algorithm, err))
			w.e.mu.Unlock()
		}
	}
	return w.Worker.Submit(reqs) // gocrypto takes all
}

func (s *strictSession) allows(r *engine.Request) error {
	meet := func(a, b []byte) bool {
		x, y := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		return len(a) > 0 && len(b) > 0 && x < y+uintptr(len(b)) && y < x+uintptr(len(a))
	}
	iv := s.p.Algorithm.IVSize()
	if int(r.IVLen) != iv || s.p.Algorithm.Kind() != engine.AEAD && r.TagLen != 0 {
		return fmt.Errorf("IV of %d bytes, tag of %d", r.IVLen, r.TagLen)
	}
	same := len(r.Src) > 0 && len(r.Dst) > 0 && &r.Src[0] == &r.Dst[0]
	switch k := s.p.Algorithm.Kind(); k {
	case engine.Cipher, engine.AEAD:
		switch {
		case len(r.Src) != len(r.Dst):
			return fmt.Errorf("source of %d bytes, destination of %d", len(r.Src), len(r.Dst))
		case !same && meet(r.Src, r.Dst):
			return fmt.Errorf("source and destination overlap")
		case k == engine.AEAD && meet(r.AAD, r.Dst):
			return fmt.Errorf("AAD and destination overlap")
		case k == engine.AEAD && int(r.TagLen) != s.p.TagSize:
			return fmt.Errorf("tag of %d bytes, the session's have %d", r.TagLen, s.p.TagSize)
		}
	default:
		if meet(r.Src, r.Dst) || meet(r.AAD, r.Dst) {
			return fmt.Errorf("input and result overlap")
		}
	}
	return nil
}

// check fails the test if a request broke a rule.
func (e strictEngine) check(m *machine) {
	m.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(*e.broken); n > 0 {
		m.Errorf("%d requests to the engine broke a rule, the first: %s", n, (*e.broken)[0])
	}
}

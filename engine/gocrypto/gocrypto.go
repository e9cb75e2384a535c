// SPDX-License-Identifier: Apache-2.0

// Package gocrypto is the engine that needs nothing: Go's own crypto library,
// with the CPU's AES instructions where it has them. It does each request in
// Submit, on the caller's thread.
package gocrypto

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"

	"vcrypto/engine"
)

const name = "gocrypto"

func init() {
	engine.Register(engine.Driver{
		Name:  name,
		About: "Go's crypto library; always there",
		Rank:  10,
		Probe: func(engine.Options) error { return nil },
		Open:  func(engine.Options) (engine.Engine, error) { return New(), nil },
	})
}

// Engine is the engine. It has no state of its own.
type Engine struct{}

// New returns the engine.
func New() *Engine { return &Engine{} }

// Name returns "gocrypto".
func (*Engine) Name() string { return name }

// Algorithms lists AES in ECB, CBC and CTR.
func (*Engine) Algorithms() []engine.Support {
	var all []engine.Support
	for _, a := range []engine.Algorithm{engine.AESECB, engine.AESCBC, engine.AESCTR} {
		all = append(all, engine.Support{Algorithm: a, KeySizes: a.KeySizes()})
	}
	return all
}

// NewSession expands the key.
func (e *Engine) NewSession(p engine.Params) (engine.Session, error) {
	newMode, ok := modes[p.Algorithm]
	if !ok {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: fmt.Errorf("%s: %w", p.Algorithm, engine.ErrNotSupported)}
	}
	if p.Direction != engine.Encrypt && p.Direction != engine.Decrypt {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: fmt.Errorf("%s: %w", p.Direction, engine.ErrNotSupported)}
	}
	if !slices.Contains(p.Algorithm.KeySizes(), len(p.Key)) {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: fmt.Errorf("%s with %d key bytes: %w", p.Algorithm, len(p.Key), engine.ErrKey)}
	}
	block, err := aes.NewCipher(p.Key)
	if err != nil {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: err}
	}
	return &session{
		algorithm: p.Algorithm,
		direction: p.Direction,
		block:     block,
		newMode:   newMode,
	}, nil
}

// NewWorker makes a worker.
func (*Engine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	return &worker{done: make([]*engine.Request, 0, c.Depth)}, nil
}

// Close does nothing.
func (*Engine) Close() error { return nil }

// worker keeps requests between Submit, where they are done, and Reap.
type worker struct {
	done []*engine.Request
	next int // index into done of the first not yet reaped
}

func (w *worker) Submit(reqs []*engine.Request) int {
	for _, r := range reqs {
		r.Status = do(r)
		w.done = append(w.done, r)
	}
	return len(reqs)
}

func (w *worker) Reap(done []*engine.Request, _ engine.ReapMode) int {
	n := copy(done, w.done[w.next:])
	w.next += n
	if w.next == len(w.done) {
		clear(w.done)
		w.done, w.next = w.done[:0], 0
	}
	return n
}

func (w *worker) Held() int { return len(w.done) - w.next }

func (w *worker) Close() error { return nil }

// do checks a request and does it.
func do(r *engine.Request) engine.Status {
	s, ok := r.Session.(*session)
	if !ok {
		return engine.Failed
	}
	if len(r.Src) != len(r.Dst) || len(r.Src)%s.algorithm.BlockSize() != 0 ||
		int(r.IVLen) != s.algorithm.IVSize() {
		return engine.BadRequest
	}
	if len(r.Src) == 0 {
		return engine.OK
	}
	m := s.take(r.IV[:r.IVLen])
	m.crypt(r.Dst, r.Src)
	s.put(m)
	return engine.OK
}

var modes = map[engine.Algorithm]func(cipher.Block, engine.Direction) mode{
	engine.AESECB: newECB,
	engine.AESCBC: newCBC,
	engine.AESCTR: newCTR,
}

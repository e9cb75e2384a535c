// SPDX-License-Identifier: Apache-2.0

package devcrypto

import (
	"log/slog"
	"sync/atomic"
	"time"

	"vcrypto/engine"
)

// worker keeps requests between Submit, where they are done, and Reap.
type worker struct {
	engine *Engine
	done   []*engine.Request
	next   int // index into done of the first not yet reaped
}

// Submit takes all requests and does them. It may sleep in the kernel.
func (w *worker) Submit(reqs []*engine.Request) int {
	for _, r := range reqs {
		r.Status = w.do(r)
		w.done = append(w.done, r)
	}
	return len(reqs)
}

func (w *worker) do(r *engine.Request) engine.Status {
	s, ok := r.Session.(*session)
	if !ok {
		return engine.Failed
	}
	if !s.fits(r) {
		return engine.BadRequest
	}
	if err := s.crypt(r); err != nil {
		w.engine.trouble.log(err)
		return engine.Failed
	}
	return engine.OK
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

// trouble logs why requests fail, as their status does not tell; the first,
// then one in a while, so that a guest cannot fill the log.
type trouble struct {
	next   atomic.Int64 // Unix time in seconds of the next line
	silent atomic.Int64 // failures since the last line
}

const troubleInterval = 10 // seconds

func (t *trouble) log(err error) {
	now := time.Now().Unix()
	next := t.next.Load()
	if now < next || !t.next.CompareAndSwap(next, now+troubleInterval) {
		t.silent.Add(1)
		return
	}
	slog.Warn("request failed", "engine", name, "err", err, "silent", t.silent.Swap(0))
}

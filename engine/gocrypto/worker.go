// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"sync"

	"vcrypto/engine"
)

// symmetric is a session whose requests are done at once.
type symmetric interface {
	engine.Session
	do(w *worker, r *engine.Request) engine.Status
}

// worker does requests in Submit, but those of public-key sessions, which
// goroutines do; and keeps them until Reap.
type worker struct {
	engine *Engine
	wake   func()
	done   []*engine.Request
	next   int    // index into done of the first not yet reaped
	buf    []byte // for a request at a time
	away   int    // requests that goroutines have

	runs sync.WaitGroup // goroutines, until they have woken the owner
	late chan struct{}  // closed: those that have not begun give up

	mu   sync.Mutex
	some sync.Cond         // signalled when back grows
	back []*engine.Request // done by goroutines; guarded by mu
}

func newWorker(e *Engine, c engine.WorkerConfig) *worker {
	w := &worker{engine: e, wake: c.Wake, done: make([]*engine.Request, 0, c.Depth), late: make(chan struct{})}
	w.some.L = &w.mu
	return w
}

// Submit does requests, or has them done.
func (w *worker) Submit(reqs []*engine.Request) int {
	for _, r := range reqs {
		switch s := r.Session.(type) {
		case symmetric:
			r.Status = s.do(w, r)
		case publicSession:
			r.Status = engine.Pending
			w.away++
			late := w.late
			w.runs.Go(func() { w.run(s, r, late) })
			continue
		default:
			r.Status = engine.Failed
		}
		w.done = append(w.done, r)
	}
	return len(reqs)
}

// run does a request of a public-key session, unless it is late.
func (w *worker) run(s publicSession, r *engine.Request, late <-chan struct{}) {
	n, status := 0, engine.Failed
	select {
	case <-late:
	case w.engine.slots <- struct{}{}:
		n, status = s.run(r)
		<-w.engine.slots
	}
	r.N, r.Status = n, status
	w.mu.Lock()
	w.back = append(w.back, r)
	w.some.Signal()
	wake := w.wake
	w.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// Reap returns what is done.
func (w *worker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	n := copy(done, w.done[w.next:])
	w.next += n
	if w.next == len(w.done) {
		clear(w.done)
		w.done, w.next = w.done[:0], 0
	}
	if w.away > 0 {
		n += w.reapBack(done[n:], mode == engine.Wait && n == 0)
	}
	return n
}

// reapBack returns what goroutines did.
func (w *worker) reapBack(done []*engine.Request, wait bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for wait && len(w.back) == 0 {
		w.some.Wait()
	}
	n := copy(done, w.back)
	rest := copy(w.back, w.back[n:])
	clear(w.back[rest:])
	w.back = w.back[:rest]
	w.away -= n
	return n
}

// Abandon has requests that wait for others' end come back as they are.
func (w *worker) Abandon() {
	close(w.late)
	w.late = make(chan struct{})
}

// Held is the number of requests that were not reaped.
func (w *worker) Held() int { return len(w.done) - w.next + w.away }

// Close waits for goroutines that gave their request back and are about to
// wake the owner.
func (w *worker) Close() error {
	w.runs.Wait()
	w.buf = nil
	return nil
}

// room returns n bytes of the worker's own.
func (w *worker) room(n int) []byte {
	if n > cap(w.buf) {
		w.buf = make([]byte, n)
	}
	return w.buf[:n]
}

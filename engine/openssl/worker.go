// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"vcrypto/engine"
)

// worker does symmetric requests in Submit and hands others to the pool.
type worker struct {
	pool  *pool
	wake  func()
	depth int

	// Of the owner's thread: done[next:] are done, away counts those that the
	// pool has or had.
	done []*engine.Request
	next int
	away int
	long []*engine.Request // room to gather requests for the pool

	// Under the pool's lock, but ready, the length of finished.
	waiting  []*engine.Request
	finished []*engine.Request
	ready    atomic.Int32
	users    int       // threads that will still touch the worker
	changed  sync.Cond // finished or users changed
}

// NewWorker makes a worker.
func (e *Engine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	depth := max(c.Depth, 1)
	w := &worker{
		pool:  e.pool,
		wake:  c.Wake,
		depth: depth,
		done:  make([]*engine.Request, 0, depth),
	}
	w.changed.L = &e.pool.mu
	return w, nil
}

// Submit takes requests, up to the worker's depth.
func (w *worker) Submit(reqs []*engine.Request) int {
	n := min(len(reqs), w.depth-w.Held())
	if n <= 0 {
		return 0
	}
	reqs = reqs[:n]
	if cRun(reqs) == 0 {
		w.room(n)
		w.done = append(w.done, reqs...)
		return n
	}
	w.long = w.long[:0]
	w.room(n)
	for _, r := range reqs {
		if r.Status == engine.Pending {
			w.long = append(w.long, r)
		} else {
			w.done = append(w.done, r)
		}
	}
	w.away += len(w.long)
	w.pool.submit(w, w.long)
	clear(w.long)
	return n
}

// room makes room in done for n more.
func (w *worker) room(n int) {
	if w.next > 0 && len(w.done)+n > cap(w.done) {
		w.done = w.done[:copy(w.done, w.done[w.next:])]
		w.next = 0
	}
}

// Reap returns what is done. Only mode Wait waits for the pool.
func (w *worker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	if w.away > 0 {
		wait := mode == engine.Wait && w.next == len(w.done) && len(done) > 0
		if wait || w.ready.Load() > 0 {
			w.collect(wait)
		}
	}
	n := copy(done, w.done[w.next:])
	w.next += n
	if w.next == len(w.done) {
		w.done, w.next = w.done[:0], 0
	}
	return n
}

// collect moves what the pool finished to done; it waits for something if
// told to.
func (w *worker) collect(wait bool) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	for wait && len(w.finished) == 0 {
		w.changed.Wait()
	}
	w.room(len(w.finished))
	w.done = append(w.done, w.finished...)
	w.away -= len(w.finished)
	clear(w.finished)
	w.finished = w.finished[:0]
	w.ready.Store(0)
}

// Abandon takes back from the pool what it has not begun.
func (w *worker) Abandon() {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	for _, r := range w.waiting {
		r.Status = engine.Failed
	}
	w.finished = append(w.finished, w.waiting...)
	w.ready.Store(int32(len(w.finished)))
	clear(w.waiting)
	w.waiting = w.waiting[:0]
	w.pool.turns = slices.DeleteFunc(w.pool.turns, func(of *worker) bool { return of == w })
}

// Held counts what was submitted and not yet reaped.
func (w *worker) Held() int { return w.away + len(w.done) - w.next }

// Close waits until no thread of the pool touches the worker.
func (w *worker) Close() error {
	if n := w.Held(); n > 0 {
		return &engine.Error{Engine: name, Op: "close worker", Err: fmt.Errorf("it still holds %d requests: reap them first", n)}
	}
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	for w.users > 0 {
		w.changed.Wait()
	}
	clear(w.done[:cap(w.done)])
	return nil
}

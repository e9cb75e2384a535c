// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package ipsecmb

import (
	"fmt"
	"time"

	"vcrypto/engine"
)

// company is how long a request waits at most for others to share lanes with.
const company = 20 * time.Microsecond

// worker notes requests in Submit and does them in Reap.
type worker struct {
	c cWorker

	// taken are noted and not done, oldest first. fresh says that some of them
	// were noted after Reap last looked. Otherwise all wait for company, the
	// oldest since the time in waiting.
	taken   []*engine.Request
	fresh   bool
	waiting time.Time

	// done[next:] are done and did not fit in the caller's slice.
	done []*engine.Request
	next int
}

// NewWorker makes a worker. It has about 300 KB of memory that is C's.
func (e *Engine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	depth := max(c.Depth, 1)
	cw, err := cWorkerOpen(depth)
	if err != nil {
		return nil, &engine.Error{Engine: name, Op: "new worker", Err: fmt.Errorf("for %d requests: %w", depth, err)}
	}
	return &worker{
		c:     cw,
		taken: make([]*engine.Request, 0, depth),
		done:  make([]*engine.Request, 0, depth),
	}, nil
}

// Submit notes requests, up to the worker's depth.
func (w *worker) Submit(reqs []*engine.Request) int {
	n := min(len(reqs), cap(w.taken)-w.Held())
	w.taken = append(w.taken, reqs[:n]...)
	w.fresh = w.fresh || n > 0
	return n
}

// Reap does what the package comment says.
func (w *worker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	n := 0
	if w.next < len(w.done) {
		n = w.take(done)
	}
	if len(w.taken) > 0 {
		n += w.run(done[n:], mode)
	}
	return n
}

// run does requests, and returns the number of those it put into done. Others
// that it did are in w.done.
func (w *worker) run(done []*engine.Request, mode engine.ReapMode) int {
	flush := mode != engine.Poll
	if !flush && !w.waiting.IsZero() && time.Since(w.waiting) >= company {
		flush = true
	}
	if !flush && !w.fresh {
		return 0
	}
	all := len(w.taken)
	n := w.c.run(w.taken, flush)
	w.fresh = false
	if n == all {
		w.waiting = time.Time{}
		m := 0
		if w.next == len(w.done) {
			m = copy(done, w.taken)
		}
		if m < n {
			w.done = append(w.done, w.taken[m:]...)
		}
		w.taken = w.taken[:0]
		return m
	}

	// Those that were left out had to wait before or begin now.
	order := w.c.order(all)
	oldest := w.taken[0]
	for _, i := range order[:n] {
		w.done = append(w.done, w.taken[i])
	}
	for k, i := range order[n:] {
		w.taken[k] = w.taken[i]
	}
	w.taken = w.taken[:all-n]
	if w.waiting.IsZero() || w.taken[0] != oldest {
		w.waiting = time.Now()
	}
	return w.take(done)
}

// take moves requests that are done to the caller's slice.
func (w *worker) take(done []*engine.Request) int {
	n := copy(done, w.done[w.next:])
	w.next += n
	if w.next == len(w.done) {
		w.done, w.next = w.done[:0], 0
	}
	return n
}

// Held counts what was submitted and not yet reaped.
func (w *worker) Held() int { return len(w.taken) + len(w.done) - w.next }

// Close zeroes the worker's memory and gives it back.
func (w *worker) Close() error {
	if w.c != nil {
		w.c.close()
		w.c = nil
	}
	clear(w.taken[:cap(w.taken)])
	clear(w.done[:cap(w.done)])
	return nil
}

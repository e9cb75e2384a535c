// SPDX-License-Identifier: Apache-2.0

// Package serial is the worker of an engine that does its requests one after
// the other, on the thread that submits them: engines that hand them to the
// kernel by system calls.
package serial

import (
	"log/slog"
	"sync/atomic"
	"time"

	"vcrypto/engine"
)

// Worker keeps requests between Submit, where they are done, and Reap.
type Worker struct {
	do   func(*engine.Request) engine.Status
	done []*engine.Request
	next int // index into done of the first not yet reaped
}

// New makes a worker. do does a request; it may sleep in the kernel.
func New(c engine.WorkerConfig, do func(*engine.Request) engine.Status) *Worker {
	return &Worker{do: do, done: make([]*engine.Request, 0, c.Depth)}
}

// Submit takes all requests and does them.
func (w *Worker) Submit(reqs []*engine.Request) int {
	for _, r := range reqs {
		r.Status = w.do(r)
		w.done = append(w.done, r)
	}
	return len(reqs)
}

// Reap returns what was submitted.
func (w *Worker) Reap(done []*engine.Request, _ engine.ReapMode) int {
	n := copy(done, w.done[w.next:])
	w.next += n
	if w.next == len(w.done) {
		clear(w.done)
		w.done, w.next = w.done[:0], 0
	}
	return n
}

// Held is the number of requests that were not reaped.
func (w *Worker) Held() int { return len(w.done) - w.next }

// Close has nothing to give back.
func (w *Worker) Close() error { return nil }

// Trouble logs why requests fail, as their status does not tell; the first,
// then one in a while, so that a guest cannot fill the log. It is for use by
// several goroutines at once.
type Trouble struct {
	Logger *slog.Logger // nil for none

	next   atomic.Int64 // Unix time in seconds of the next line
	silent atomic.Int64 // failures since the last line
}

const troubleInterval = 10 // seconds

// Log tells of a request that failed.
func (t *Trouble) Log(engine string, err error) {
	if t.Logger == nil {
		return
	}
	now := time.Now().Unix()
	next := t.next.Load()
	if now < next || !t.next.CompareAndSwap(next, now+troubleInterval) {
		t.silent.Add(1)
		return
	}
	t.Logger.Warn("request failed", "engine", engine, "err", err, "silent", t.silent.Swap(0))
}

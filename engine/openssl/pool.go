// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"runtime"
	"slices"
	"sync"

	"vcrypto/engine"
)

// maxThreads is the number of threads a pool has at most: enough to keep
// hardware busy, few enough to leave the CPU to symmetric work.
const maxThreads = 4

// pool does public-key requests of all workers of an engine on threads of its
// own, which it starts as they are needed. Workers take turns. What waits in
// it is bounded by the workers' depths.
type pool struct {
	lib   cLib
	max   int // threads
	batch int // requests a thread takes at once

	mu      sync.Mutex
	work    sync.Cond // turns or closed changed
	turns   []*worker // with requests that wait, the next one first
	threads int
	idle    int
	closed  bool
	running sync.WaitGroup
}

func newPool(lib cLib, async bool) *pool {
	p := &pool{lib: lib, max: min(maxThreads, runtime.GOMAXPROCS(0)), batch: 1}
	if async {
		p.batch = pkBatch
	}
	p.work.L = &p.mu
	return p
}

// submit takes requests of a worker.
func (p *pool) submit(w *worker, reqs []*engine.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(w.waiting) == 0 {
		p.turns = append(p.turns, w)
	}
	w.waiting = append(w.waiting, reqs...)
	for n := len(reqs); n > 0 && p.idle < n && p.threads < p.max; n-- {
		p.threads++
		p.idle++
		p.running.Go(p.run)
	}
	p.work.Broadcast()
}

// run is a thread.
func (p *pool) run() {
	// OpenSSL keeps memory by thread, which must not be left on one of Go's.
	runtime.LockOSThread() // and the thread ends with the goroutine
	defer p.lib.threadEnd()

	batch := make([]*engine.Request, 0, p.batch)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for len(p.turns) == 0 && !p.closed {
			p.work.Wait()
		}
		if len(p.turns) == 0 {
			return
		}
		p.idle--
		w := p.turns[0]
		p.turns = slices.Delete(p.turns, 0, 1)
		n := min(len(w.waiting), p.batch)
		batch = append(batch[:0], w.waiting[:n]...)
		w.waiting = slices.Delete(w.waiting, 0, n)
		if len(w.waiting) > 0 {
			p.turns = append(p.turns, w)
		}
		w.users++
		p.mu.Unlock()

		cRunPK(batch, p.batch > 1)

		p.mu.Lock()
		w.finished = append(w.finished, batch...)
		w.ready.Store(int32(len(w.finished)))
		w.changed.Broadcast()
		p.mu.Unlock()

		clear(batch)
		if w.wake != nil {
			w.wake()
		}

		p.mu.Lock()
		w.users--
		w.changed.Broadcast()
		p.idle++
	}
}

// close ends the threads. No worker is left.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.work.Broadcast()
	p.mu.Unlock()
	p.running.Wait()
}

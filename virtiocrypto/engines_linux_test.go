// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// habits are the ways in which engines differ, and in which they fail, within
// the rules of package engine.
type habits struct {
	// takes is how many requests are taken while others are held; 0 for all.
	takes int
	// room is how many are held at most; 0 for no limit.
	room int
	// late: requests are done by another goroutine, which wakes the queue.
	late bool
	// slow: late, and each request by itself takes so long.
	slow time.Duration
	// lazy: nothing is done until a flush.
	lazy bool
	// lanes: requests are done when so many wait for company, or by a flush.
	lanes int
	// reaps is how many are given back at once; 0 for all.
	reaps int
	// shuffled: they come back in any order.
	shuffled bool
	// fails: each request of this number fails, and so on; 0 for none.
	fails int
}

// oddEngine does its work with gocrypto and has odd habits.
type oddEngine struct {
	engine.Engine
	habits
}

func newOddEngine(h habits) oddEngine { return oddEngine{gocrypto.New(), h} }

func (e oddEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	inner, err := e.Engine.NewWorker(c)
	if err != nil {
		return nil, err
	}
	w := &oddWorker{habits: e.habits, inner: inner, wake: c.Wake, work: make(chan []*engine.Request, 1<<16), rand: newRand(9)}
	if e.late || e.slow > 0 {
		w.pool.Go(w.workLate)
	}
	return w, nil
}

type oddWorker struct {
	habits
	inner   engine.Worker
	wake    func()
	rand    interface{ Shuffle(int, func(int, int)) }
	waiting []*engine.Request // taken, not begun
	held    int
	count   int
	closed  bool

	work chan []*engine.Request
	pool sync.WaitGroup

	mu   sync.Mutex
	some sync.Cond // signalled when done grows
	done []*engine.Request
}

func (w *oddWorker) Submit(reqs []*engine.Request) int {
	n := len(reqs)
	if w.takes > 0 && w.held > 0 {
		n = min(n, w.takes)
	}
	if w.takes > 0 && w.held == 0 {
		n = min(n, 1)
	}
	if w.room > 0 {
		n = min(n, w.room-w.held)
	}
	w.waiting = append(w.waiting, reqs[:n]...)
	w.held += n
	if !w.lazy && len(w.waiting) >= w.lanes {
		w.begin()
	}
	return n
}

// begin begins what waits for company.
func (w *oddWorker) begin() {
	if len(w.waiting) == 0 {
		return
	}
	batch := slices.Clone(w.waiting)
	w.waiting = w.waiting[:0]
	switch {
	case w.slow > 0:
		for i := range batch {
			w.work <- batch[i : i+1]
		}
		return
	case w.late:
		w.work <- batch
		return
	}
	w.finish(batch)
}

// finish does requests, and spoils those that are to fail.
func (w *oddWorker) finish(batch []*engine.Request) {
	good := batch[:0:0]
	for _, r := range batch {
		if w.count++; w.fails > 0 && w.count%w.fails == 0 {
			r.Status = engine.Failed
			for i := range r.Dst {
				r.Dst[i] = 0xee // what it holds then is undefined
			}
			continue
		}
		good = append(good, r)
	}
	w.inner.Submit(good)
	for range good {
		w.inner.Reap(make([]*engine.Request, 1), engine.Wait)
	}
	w.mu.Lock()
	w.done = append(w.done, batch...)
	w.mu.Unlock()
}

func (w *oddWorker) workLate() {
	for batch := range w.work {
		time.Sleep(w.slow)
		w.finish(batch)
		w.mu.Lock()
		if w.some.L != nil {
			w.some.Broadcast()
		}
		w.mu.Unlock()
		w.wake()
	}
}

func (w *oddWorker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	if mode != engine.Poll {
		w.begin()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.some.L = &w.mu
	for mode == engine.Wait && len(w.done) == 0 && w.held > 0 {
		w.some.Wait()
	}
	if w.shuffled {
		w.rand.Shuffle(len(w.done), func(i, j int) { w.done[i], w.done[j] = w.done[j], w.done[i] })
	}
	if w.reaps > 0 {
		done = done[:min(len(done), w.reaps)]
	}
	n := copy(done, w.done)
	w.done = slices.Delete(w.done, 0, n)
	w.held -= n
	return n
}

func (w *oddWorker) Held() int { return w.held }

func (w *oddWorker) Close() error {
	if w.held != 0 || w.closed {
		return fmt.Errorf("worker closed with %d requests held, closed before: %t", w.held, w.closed)
	}
	w.closed = true
	close(w.work)
	w.pool.Wait()
	return w.inner.Close()
}

var oddHabits = []struct {
	name string
	habits
}{
	{"takes one", habits{takes: 1}},
	{"takes one, late", habits{takes: 1, late: true}},
	{"has room for one", habits{room: 1, late: true}},
	{"has room for three, lazy", habits{room: 3, lazy: true}},
	{"late", habits{late: true}},
	{"late, out of order", habits{late: true, shuffled: true, reaps: 3}},
	{"lazy", habits{lazy: true}},
	{"lazy, late, one by one", habits{lazy: true, late: true, reaps: 1}},
	{"lanes", habits{lanes: 8}},
	{"lanes, room for ten, out of order", habits{lanes: 8, room: 10, shuffled: true, reaps: 2}},
	{"fails", habits{fails: 1}},
	{"fails at times", habits{fails: 3, late: true, shuffled: true, takes: 5}},
}

// TestOddEngines: whatever an engine's habits, no request is lost or answered
// twice, and results, of which many go through scratch memory that is too
// small for all, are those of their own request.
func TestOddEngines(t *testing.T) {
	for _, h := range oddHabits {
		t.Run(h.name, func(t *testing.T) {
			// Scratch memory grows to 8 KiB here and holds two of the largest.
			o := options{engine: newOddEngine(h.habits), device: virtiocrypto.Options{MaxSize: 4 << 10}}
			onEachLink(t, o, func(m *machine) {
				r := newRand(4)
				p := engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: random(r, 16)}
				id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, p.Key)
				const n = 60
				requests, want := make([]*cryptodrv.Request, n), make([][]byte, n)
				for round := range 10 {
					mem := *m.mem
					for i := range requests {
						size := 16 * r.IntN(4<<10/16+1)
						shape := cryptodrv.Shape{IV: 16, Size: size}
						if r.IntN(3) > 0 {
							shape.ReadCuts, shape.WriteCuts = []int{cryptodrv.HeaderSize + 16 + size/2}, []int{size / 3}
						}
						iv, src := random(r, 16), random(r, size)
						requests[i] = newRequest(m, &mem, shape)
						requests[i].Fill(id, cryptodrv.OpCipherEncrypt, iv, src)
						want[i] = reference(m, p, iv, src)
					}
					m.batch(m.data, n, func(i int) *cryptodrv.Request { return requests[i] })
					failed := 0
					for i, r := range requests {
						switch s := r.Status(); {
						case s == virtiocrypto.StatusErr:
							failed++
						case s != virtiocrypto.StatusOK || !bytes.Equal(r.Result(), want[i]):
							m.Fatalf("round %d, request %d of %d bytes: %s, result wrong", round, i, len(want[i]), s)
						}
					}
					if h.fails > 0 && failed != n/h.fails || h.fails == 0 && failed != 0 {
						m.Fatalf("round %d: %d of %d requests failed", round, failed, n)
					}
				}
				if err := m.control.Destroy(id); err != nil {
					m.Fatal(err)
				}
				if lines := m.log.take(); len(lines) > 0 {
					m.Errorf("the log says %q", lines)
				}
			})
		})
	}
}

// TestStopWithRequestsInFlight stops queues, changes memory and resets the
// device while an engine has requests that it finishes late: each is answered
// before.
func TestStopWithRequestsInFlight(t *testing.T) {
	for _, h := range []habits{{late: true}, {lazy: true}, {lazy: true, late: true, room: 2}} {
		t.Run(fmt.Sprintf("%+v", h), func(t *testing.T) {
			onEachLink(t, options{engine: newOddEngine(h)}, func(m *machine) {
				id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
				const n = 32
				requests := make([]*cryptodrv.Request, n)
				for i := range requests {
					requests[i] = m.request(cryptodrv.Shape{IV: 16, Size: 8 << 10, WriteCuts: []int{i * 16}})
				}
				used := make([]virtqdrv.Used, 64)
				for range 20 {
					for i, r := range requests {
						r.Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
						r.Forget()
						if err := r.Add(m.data.Queue, uint64(i)); err != nil {
							m.Fatal(err)
						}
						if i%8 == 0 {
							m.data.Show()
						}
					}
					m.data.Show()
					base := m.link.stop(0)
					k, err := m.data.Reap(used)
					if err != nil {
						m.Fatal(err)
					}
					if taken := int(base - m.taken); k != taken {
						m.Fatalf("%d of the %d requests that were taken are answered", k, taken)
					}
					m.resume(0, base)
					for k < n {
						more, err := m.data.Await(used)
						if err != nil {
							m.Fatal(err)
						}
						k += more
					}
					m.taken += n
					for _, r := range requests {
						if s := r.Status(); s != virtiocrypto.StatusOK {
							m.Fatal(s)
						}
					}
				}
				m.reset()
				m.works(0)
			})
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// pump sends the same prepared requests again and again until total were
// answered, as many at a time as there are requests. It looks at the ring all
// the time, or sleeps until it is interrupted.
func pump(tb testing.TB, q *cryptodrv.Queue, slots []virtqdrv.Slot, total int, sleep bool) {
	reap := q.Reap
	if sleep {
		reap = q.Await
	}
	used := make([]virtqdrv.Used, len(slots))
	for _, s := range slots[:min(total, len(slots))] {
		if err := q.AddSlot(s); err != nil {
			tb.Fatal(err)
		}
	}
	q.Show()
	for sent, done := min(total, len(slots)), 0; done < total; {
		n, err := reap(used)
		if err != nil {
			tb.Fatal(err)
		}
		if n == 0 {
			runtime.Gosched()
			continue
		}
		done += n
		for _, u := range used[:min(n, total-sent)] {
			if err := q.AddSlot(u.Slot); err != nil {
				tb.Fatal(err)
			}
			sent++
		}
		q.Show()
	}
}

// prepare prepares n requests of a session.
func (m *machine) prepare(id uint64, n int, shape cryptodrv.Shape) ([]*cryptodrv.Request, []virtqdrv.Slot) {
	m.Helper()
	requests, slots := make([]*cryptodrv.Request, n), make([]virtqdrv.Slot, n)
	for i := range requests {
		requests[i] = m.request(shape)
		requests[i].Fill(id, cryptodrv.OpCipherEncrypt, key128, nil)
		requests[i].Forget()
		var err error
		if slots[i], err = requests[i].Prepare(m.data.Queue, uint64(i)); err != nil {
			m.Fatal(err)
		}
	}
	return requests, slots
}

// TestSteadyStateAllocatesNothing: a hundred thousand requests, in one piece
// and scattered.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, shape := range []cryptodrv.Shape{
		{IV: 16, Size: 256},
		{IV: 16, Size: 256, InPlace: true},
		{IV: 16, Size: 256, ReadCuts: []int{10, 100, 150}, WriteCuts: []int{5, 77}},
	} {
		t.Run(fmt.Sprintf("%+v", shape), func(t *testing.T) {
			onEachLink(t, options{}, func(m *machine) {
				id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
				requests, slots := m.prepare(id, 32, shape)
				pump(m, m.data, slots, 10_000, true) // buffers grow to their size
				const total = 100_000
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				pump(m, m.data, slots, total, true)
				runtime.ReadMemStats(&after)
				// Not one in a thousand: what is left is the runtime's own.
				limit := uint64(total / 1000)
				if raceDetector {
					limit = total / 10
				}
				if n := after.Mallocs - before.Mallocs; n > limit {
					m.Errorf("%d allocations for %d requests", n, total)
				}
				for _, r := range requests {
					if s := r.Status(); s != virtiocrypto.StatusOK {
						m.Fatal(s)
					}
				}
			})
		})
	}
}

// nullEngine says that everything is done.
type nullEngine struct{ engine.Engine }

func (e nullEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	return &nullWorker{done: make([]*engine.Request, 0, c.Depth)}, nil
}

type nullWorker struct{ done []*engine.Request }

func (w *nullWorker) Submit(reqs []*engine.Request) int {
	for _, r := range reqs {
		r.Status = engine.OK
	}
	w.done = append(w.done, reqs...)
	return len(reqs)
}

func (w *nullWorker) Reap(done []*engine.Request, _ engine.ReapMode) int {
	n := copy(done, w.done)
	w.done = w.done[:copy(w.done, w.done[n:])]
	return n
}

func (w *nullWorker) Held() int    { return len(w.done) }
func (w *nullWorker) Close() error { return nil }

// BenchmarkDataQueue measures a data queue with an engine that does nothing:
// the device's own cost, and the driver's, which runs on another CPU and
// waits for it.
func BenchmarkDataQueue(b *testing.B) {
	for _, tt := range []struct {
		name   string
		engine engine.Engine
		shape  cryptodrv.Shape
	}{
		{"null/five", nullEngine{gocrypto.New()}, cryptodrv.Shape{IV: 16, Size: 64}},
		{"null/two", nullEngine{gocrypto.New()}, cryptodrv.Shape{IV: 16, Size: 64, ReadCuts: []int{}, WriteCuts: []int{}}},
		{"null/scattered", nullEngine{gocrypto.New()}, cryptodrv.Shape{IV: 16, Size: 64, ReadCuts: []int{72, 88, 120}, WriteCuts: []int{32, 64}}},
		{"gocrypto/five", gocrypto.New(), cryptodrv.Shape{IV: 16, Size: 64}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			o := options{engine: tt.engine, polling: virtio.Polling{Spin: time.Millisecond}}
			o.ring = virtqdrv.Config{Size: 256, Indirect: 8, EventIdx: true}
			m := newMachine(b, o, newLocal)
			id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
			_, slots := m.prepare(id, 256, tt.shape)
			m.data.DisableInterrupts()
			pump(b, m.data, slots, 1000, false)
			b.ReportAllocs()
			b.ResetTimer()
			pump(b, m.data, slots, b.N, false)
		})
	}
}

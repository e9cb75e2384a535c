// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// pump sends the same prepared requests again and again until total were
// answered, as many at a time as there are requests, and sleeps meanwhile.
func pump(tb testing.TB, q *cryptodrv.Queue, slots []virtqdrv.Slot, total int) {
	used := make([]virtqdrv.Used, len(slots))
	for _, s := range slots[:min(total, len(slots))] {
		if err := q.AddSlot(s); err != nil {
			tb.Fatal(err)
		}
	}
	q.Show()
	for sent, done := min(total, len(slots)), 0; done < total; {
		n, err := q.Await(used)
		if err != nil {
			tb.Fatal(err)
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
				pump(m, m.data, slots, 10_000) // buffers grow to their size
				total := 100_000
				if raceDetector {
					total = 20_000 // it is slow
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				pump(m, m.data, slots, total)
				runtime.ReadMemStats(&after)
				// Not one in a thousand: what is left is the runtime's own.
				limit := uint64(total) / 1000
				if raceDetector {
					limit = uint64(total) / 10
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

// meter measures how much of a CPU a data queue's thread takes, which other
// programs on the machine do not change. Without an engine it stands for one
// that says that everything is done.
type meter struct {
	engine.Engine
	null bool

	began, spent time.Duration // of the thread's CPU time
}

func (e *meter) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	return &meterWorker{Worker: w, meter: e, done: make([]*engine.Request, 0, c.Depth)}, err
}

type meterWorker struct {
	engine.Worker
	meter *meter
	done  []*engine.Request
}

func (w *meterWorker) Submit(reqs []*engine.Request) int {
	if !w.meter.null {
		return w.Worker.Submit(reqs)
	}
	for _, r := range reqs {
		r.Status = engine.OK
	}
	w.done = append(w.done, reqs...)
	return len(reqs)
}

func (w *meterWorker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now) == nil {
		at := time.Duration(now.Nano())
		if w.meter.began == 0 {
			w.meter.began = at
		}
		w.meter.spent = at - w.meter.began
	}
	if !w.meter.null {
		return w.Worker.Reap(done, mode)
	}
	n := copy(done, w.done)
	w.done = w.done[:copy(w.done, w.done[n:])]
	return n
}

func (w *meterWorker) Held() int {
	if !w.meter.null {
		return w.Worker.Held()
	}
	return len(w.done)
}

// BenchmarkDataQueue measures a data queue. The device takes 256 requests at
// a time and sleeps in between; device-ns/op is the CPU time of its thread.
// With engine null it is the device's own cost.
func BenchmarkDataQueue(b *testing.B) {
	for _, tt := range []struct {
		name  string
		null  bool
		shape cryptodrv.Shape
	}{
		{"null/pieces=5", true, cryptodrv.Shape{IV: 16, Size: 64}},
		{"null/pieces=2", true, cryptodrv.Shape{IV: 16, Size: 64, ReadCuts: []int{}, WriteCuts: []int{}}},
		{"null/scattered", true, cryptodrv.Shape{IV: 16, Size: 64, ReadCuts: []int{72, 88, 120}, WriteCuts: []int{32, 64}}},
		{"gocrypto/pieces=5", false, cryptodrv.Shape{IV: 16, Size: 64}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			const depth = 256
			meter := &meter{Engine: gocrypto.New(), null: tt.null}
			o := options{engine: meter}
			o.ring = virtqdrv.Config{Size: depth, Indirect: 8, EventIdx: true}
			m := newMachine(b, o, newLocal)
			id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
			_, slots := m.prepare(id, depth, tt.shape)
			pump(b, m.data, slots, 4*depth)
			b.ReportAllocs()
			b.ResetTimer()
			pump(b, m.data, slots, b.N)
			b.StopTimer()
			m.link.stop(0)
			b.ReportMetric(float64(meter.spent.Nanoseconds())/float64(b.N+4*depth), "device-ns/op")
		})
	}
}

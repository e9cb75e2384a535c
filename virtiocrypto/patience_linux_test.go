// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// stuckEngine begins nothing.
type stuckEngine struct {
	engine.Engine
	held atomic.Int32
}

func (e *stuckEngine) NewWorker(engine.WorkerConfig) (engine.Worker, error) {
	return &stuckWorker{e: e}, nil
}

type stuckWorker struct {
	e             *stuckEngine
	waiting, back []*engine.Request
}

func (w *stuckWorker) Submit(reqs []*engine.Request) int {
	w.waiting = append(w.waiting, reqs...)
	w.e.held.Add(int32(len(reqs)))
	return len(reqs)
}

func (w *stuckWorker) Reap(done []*engine.Request, _ engine.ReapMode) int {
	n := copy(done, w.back)
	w.back = w.back[n:]
	return n
}

func (w *stuckWorker) Held() int    { return len(w.waiting) + len(w.back) }
func (w *stuckWorker) Close() error { return nil }

func (w *stuckWorker) Abandon() {
	for _, r := range w.waiting {
		r.Status = engine.Failed
	}
	w.back, w.waiting = append(w.back, w.waiting...), nil
}

// TestPatience: a queue that is stopped while an engine has not begun its
// requests is stopped after a while, and each request is answered.
func TestPatience(t *testing.T) {
	for _, trace := range []int{0, 100} {
		e := &stuckEngine{Engine: gocrypto.New()}
		m := newMachine(t, options{engine: e, device: virtiocrypto.Options{Trace: trace}, patient: 10 * time.Millisecond}, newLocal)
		id := m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionEncrypt, key128)
		var requests []*cryptodrv.Request
		for i := range 3 {
			r := m.request(cryptodrv.Shape{IV: 16, Size: 64})
			r.Fill(id, cryptodrv.OpCipherEncrypt, key128, make([]byte, 64))
			r.Forget()
			if err := m.data.Add(r.Readable, r.Writable, uint64(i)); err != nil {
				t.Fatal(err)
			}
			requests = append(requests, r)
		}
		m.data.Show()
		for end := time.Now().Add(patience); e.held.Load() < int32(len(requests)); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the requests did not come")
			}
		}
		if base := m.link.stop(0); int(base) != len(requests) {
			t.Errorf("base %d after %d requests", base, len(requests))
		}
		for i, r := range requests {
			if r.Status() != virtiocrypto.StatusErr {
				t.Errorf("request %d was answered %v, want %v", i, r.Status(), virtiocrypto.StatusErr)
			}
		}
		m.log.take() // it says that it did not wait
	}
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRingsStopTogether: what stops all rings has them lose their patience
// together, not one after another.
func TestRingsStopTogether(t *testing.T) {
	for name, stop := range map[string]func(*rig) error{
		"memory table":  func(r *rig) error { return r.fe.Do(ReqSetMemTable, AppendMemTable(nil, nil)) },
		"memory region": func(r *rig) error { return r.fe.RemoveMemory(r.fe.memory[0]) },
		"device status": func(r *rig) error { return r.fe.SetStatus(0) },
		"reset owner":   func(r *rig) error { return r.fe.Do(ReqResetOwner, nil) },
		"reset device":  func(r *rig) error { return r.fe.ResetDevice() },
		"end":           func(r *rig) error { r.stop(); return r.wait() },
	} {
		t.Run(name, func(t *testing.T) {
			const rings = 3
			dev := &echo{queues: rings}
			all := make(chan struct{})
			let := sync.OnceFunc(func() { dev.held.Store(false); close(all) })
			var hurried atomic.Int32
			// The first workers to hurry wait for the last.
			dev.hurry = func() {
				if hurried.Add(1) == rings {
					let()
				}
				select {
				case <-all:
				case <-time.After(patience):
					t.Error("a ring waits for another")
					let()
				}
			}
			r := newRigWith(t, dev, nil, 10*time.Millisecond)
			r.must(r.fe.Negotiate(testFeatures, testProtocol|ProtocolStatus))
			m := r.memory(testMemory, testGuestAddr)
			r.must(r.fe.ShareMemory(m))
			r.must(r.fe.SetStatus(statusOK))
			dev.held.Store(true)
			var queues []*ring
			for i := range rings {
				queues = append(queues, r.start(m, i))
			}
			for _, q := range queues {
				q.submit()
			}
			eventually(t, "the requests to arrive", func() bool { return dev.holding.Load() == rings })
			// The front-end waits less long than this test.
			r.fe.Timeout = rings * patience
			r.must(stop(r))
			if n := hurried.Load(); n != rings {
				t.Errorf("%d of %d rings hurried", n, rings)
			}
			for _, q := range queues {
				q.finish()
			}
		})
	}
}

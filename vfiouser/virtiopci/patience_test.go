// SPDX-License-Identifier: Apache-2.0

package virtiopci_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRequestsHurry: requests that hold up a reset, an unmap or the end are
// hurried, whatever the patience of the device's instance is.
func TestRequestsHurry(t *testing.T) {
	for name, end := range map[string]func(*rig){
		"device":   func(r *rig) { r.must(r.Reset(time.Now().Add(patience))) },
		"function": func(r *rig) { r.c.Reset() },
		"unmap":    func(r *rig) { r.unmapAll() },
		"end":      func(r *rig) { r.must(r.c.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			const queues = 2
			gate := make(chan struct{})
			var hurried atomic.Int32
			open := sync.OnceFunc(func() { close(gate) })
			r := newRig(t, &echo{gate: gate, hurry: func() {
				if hurried.Add(1) == queues {
					open()
				}
			}})
			t.Cleanup(open) // so that a test that failed ends
			lanes := r.start(0, queues)
			for _, l := range lanes {
				l.send(0)
			}
			for i := range queues {
				eventually(t, "the request is taken", func() bool { return r.in.Counters(i).Chains.Load() == 1 })
			}
			// Whether that is in time for the answer depends on the machine.
			end(r)
			eventually(t, "all queues hurry", func() bool { return hurried.Load() == queues })
			for i, l := range lanes {
				eventually(t, "the request is answered", l.q.Pending)
				l.receive(1)
				if n := r.in.Counters(i).Chains.Load(); n != 1 {
					t.Errorf("queue %d took %d chains", i, n)
				}
			}
		})
	}
}

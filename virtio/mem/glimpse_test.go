// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestGlimpseIsNoUse: one who acquires a table just when it is replaced counts
// himself in for a moment, and out again. A change without end to its patience
// does not take that for a use.
func TestGlimpseIsNoUse(t *testing.T) {
	var m Memory
	var stop atomic.Bool
	var table atomic.Pointer[Table]
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				if t := table.Load(); t != nil {
					t.users.Add(1) // what Acquire does before it looks again
					t.Release()
				}
			}
		})
	}
	for i := range 50000 {
		table.Store(m.Current())
		if err := m.Set([]Region{{Addr: uint64(i), Data: make([]byte, 1)}}); err != nil {
			t.Errorf("change %d: %v", i, err)
			break
		}
	}
	stop.Store(true)
	wg.Wait()
}

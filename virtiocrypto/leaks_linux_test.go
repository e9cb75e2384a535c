// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"vcrypto/engine/gocrypto"
)

// footprint is what a process has that can be leaked.
type footprint struct {
	goroutines, descriptors, mappings int
	heap                              uint64 // bytes
}

func measure(t testing.TB) (f footprint) {
	t.Helper()
	for range 3 { // finalizers have finalizers
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return footprint{runtime.NumGoroutine(), len(fds), bytes.Count(maps, []byte("\n")), m.HeapAlloc}
}

// TestLeaksNothing: a thousand sessions of each kind, with requests, and
// queues that come and go, end with what they began with.
func TestLeaksNothing(t *testing.T) {
	e := newStrictEngine(gocrypto.New())
	m := newMachine(t, options{engine: e, form: forms[2].form}, newLocal)
	heap := *m.mem
	life := func(sessions int) {
		*m.mem = heap
		m.reset()
		for i, params := range sampleParams() {
			w := samples()[i]
			for range sessions {
				mem := *m.mem
				id, err := m.control.Create(params)
				if err != nil {
					t.Fatal(err)
				}
				w.Session, w.Params = id, nil
				readable, room, _ := m.o.form.Data(w)
				if _, _, err := m.data.DoPlain(m.fill(&mem, readable, room)); err != nil {
					t.Fatal(err)
				}
				w.Params = params // stateless
				readable, room, _ = m.o.form.Data(w)
				if _, _, err := m.data.DoPlain(m.fill(&mem, readable, room)); err != nil {
					t.Fatal(err)
				}
				if err := m.control.Destroy(id); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for range 3 {
		life(10)
	}
	before := measure(t)
	for range 20 {
		life(50)
	}
	after := measure(t)
	// The runtime has threads and arenas of its own to add.
	if after.goroutines > before.goroutines+2 || after.descriptors > before.descriptors || after.mappings > before.mappings+15 ||
		after.heap > before.heap+8<<20 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if n := e.open.Load(); n != 0 {
		t.Errorf("%d sessions of the engine are still open", n)
	}
	if n := m.dev.Counters().Sessions.Load(); n < 8*1000 {
		t.Errorf("only %d sessions were opened", n)
	}
}

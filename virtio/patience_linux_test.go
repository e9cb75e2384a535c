// SPDX-License-Identifier: Apache-2.0

package virtio_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/virtio/virtqdrv"
)

// long is when a test gives up.
const long = 3 * time.Minute

// taken waits until a queue took n chains.
func (g *guest) taken(queue int, n uint64) {
	g.t.Helper()
	chains := &g.in.Counters(queue).Chains
	for end := time.Now().Add(long); chains.Load() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("queue %d took %d chains, want %d", queue, chains.Load(), n)
		}
	}
}

// newPatient makes a guest whose device holds chains until it is to hurry.
func newPatient(t *testing.T, s *setup) (g *guest, open func()) {
	t.Helper()
	gate := make(chan struct{})
	open = sync.OnceFunc(func() { close(gate) })
	s.dev.async, s.dev.gate, s.dev.hurry = true, gate, open
	return newGuest(t, s), open
}

// ends runs what has to end, which open has it do in any case.
func ends(t *testing.T, what string, open, f func()) {
	t.Helper()
	late := time.AfterFunc(long, func() {
		t.Errorf("%s waits for what nobody does", what)
		open()
	})
	defer late.Stop()
	f()
}

// TestPatience: a queue that ends has its worker hurry when what it has takes too
// long, and answers all of it.
func TestPatience(t *testing.T) {
	g, open := newPatient(t, &setup{patient: 10 * time.Millisecond})
	for i := range 4 {
		g.send(i)
	}
	g.taken(0, 4)
	ends(t, "Stop", open, func() {
		if base, err := g.in.Stop(0); base != 4 || err != nil {
			t.Errorf("base %d, want 4 (%v)", base, err)
		}
	})
	g.receive(4)
	if left := g.in.PatienceLeft(); left != 0 {
		t.Errorf("after it was lost, there is %v of patience left", left)
	}
}

// TestPatienceIsShared: when earlier stops waited as long as they may, the next
// waits no longer.
func TestPatienceIsShared(t *testing.T) {
	for name, stop := range map[string]func(*guest){
		"Stop":    func(g *guest) { g.in.Stop(0) },
		"StopAll": func(g *guest) { g.in.StopAll() },
	} {
		t.Run(name, func(t *testing.T) {
			g, open := newPatient(t, &setup{patient: time.Hour})
			for i := range 4 {
				g.send(i)
			}
			g.taken(0, 4)
			g.in.SpendPatience()
			ends(t, name, open, func() { stop(g) })
			g.receive(4)
		})
	}
}

// TestStopAllTogether: queues that are stopped together lose their patience
// together, not one after another.
func TestStopAllTogether(t *testing.T) {
	for name, stop := range map[string]func(*testing.T, *guest){
		"StopAll": func(t *testing.T, g *guest) {
			if b := g.in.StopAll(); len(b) != 2 || b[0] != 3 || b[1] != 3 {
				t.Errorf("bases %v, want 3 of both", b)
			}
		},
		"Reset": func(_ *testing.T, g *guest) { g.in.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			gate := make(chan struct{})
			open := sync.OnceFunc(func() { close(gate) })
			var hurried atomic.Int32
			// The first worker to hurry waits for the other.
			hurry := func() {
				if hurried.Add(1) == 2 {
					open()
				}
				select {
				case <-gate:
				case <-time.After(long):
					t.Error("one queue waits for the other")
					open()
				}
			}
			g := newGuest(t, &setup{dev: echo{async: true, gate: gate, hurry: hurry}, patient: 10 * time.Millisecond})
			second, err := virtqdrv.New(g.Memory, virtqdrv.Config{Size: 16})
			if err != nil {
				t.Fatal(err)
			}
			c := g.config(virtqdrv.Config{Size: 16})
			c.Ring.Desc, c.Ring.Avail, c.Ring.Used = second.Desc(), second.Avail(), second.Used()
			c.Kick = newEvent(t)
			if err := g.in.Start(1, c); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				g.send(i)
				if err := second.Add(nil, g.bufs[8+i][:1], uint64(i)); err != nil {
					t.Fatal(err)
				}
			}
			second.Publish()
			c.Kick.Notify()
			g.taken(0, 3)
			g.taken(1, 3)
			stop(t, g)
			if g.drv.RawUsedIdx() != 3 || second.RawUsedIdx() != 3 || hurried.Load() != 2 {
				t.Errorf("%d and %d chains came back, %d queues hurried", g.drv.RawUsedIdx(), second.RawUsedIdx(), hurried.Load())
			}
			if g.in.Running(0) || g.in.Running(1) {
				t.Error("a queue runs")
			}
		})
	}
}

// TestLimitPatience: it lowers, and never raises.
func TestLimitPatience(t *testing.T) {
	for _, test := range []struct{ option, limit time.Duration }{
		{time.Hour, 10 * time.Millisecond},
		{10 * time.Millisecond, time.Hour},
	} {
		g, open := newPatient(t, &setup{patient: test.option, limit: test.limit})
		g.send(0)
		g.taken(0, 1)
		ends(t, "StopAll", open, func() { g.in.StopAll() })
		g.receive(1)
	}
}

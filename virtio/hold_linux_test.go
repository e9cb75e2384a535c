// SPDX-License-Identifier: Apache-2.0

package virtio_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// TestHold: on hold a queue finishes what it has, lets go of memory and takes
// nothing new, whatever memory looks like; then it goes on.
func TestHold(t *testing.T) {
	for _, spin := range []time.Duration{0, time.Hour} {
		g := newGuest(t, &setup{polling: virtio.Polling{Spin: spin}, queue: virtqdrv.Config{EventIdx: true}})
		g.send(0)
		g.receive(1)
		g.in.Hold()
		// This waits until the queue has let go.
		if err := g.in.Memory().Remove(g.Addr, uint64(g.size)); err != nil {
			t.Fatal(err)
		}
		g.send(1)
		g.kick.Notify()
		time.Sleep(20 * time.Millisecond)
		if g.drv.Pending() {
			t.Error("a queue on hold works")
		}
		g.mapMemory()
		g.in.GoOn()
		g.receive(1)
		select {
		case err := <-g.broken:
			t.Errorf("broken by a hold: %v", err)
		default:
		}
	}
}

// TestHoldAtAnyMoment: memory that is taken away while a queue just wakes up
// breaks nothing.
func TestHoldAtAnyMoment(t *testing.T) {
	g := newGuest(t, &setup{queue: virtqdrv.Config{EventIdx: true}})
	var stop atomic.Bool
	var kicks sync.WaitGroup
	defer kicks.Wait()
	defer stop.Store(true)
	kicks.Go(func() {
		for !stop.Load() {
			g.kick.Notify()
			runtime.Gosched()
		}
	})
	for i := range 20000 {
		g.in.Hold()
		if err := g.in.Memory().Remove(g.Addr, uint64(g.size)); err != nil {
			t.Fatal(err)
		}
		g.mapMemory()
		g.in.GoOn()
		select {
		case err := <-g.broken:
			t.Fatalf("broken by hold %d: %v", i, err)
		default:
		}
	}
	g.send(0)
	g.receive(1)
}

// TestHoldEndsRequests: a request that is being worked on ends before memory
// goes.
func TestHoldEndsRequests(t *testing.T) {
	s := &setup{dev: echo{async: true, gate: make(chan struct{})}}
	g := newGuest(t, s)
	g.send(0)
	for g.in.Counters(0).Chains.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	g.in.Hold()
	done := make(chan error)
	go func() { done <- g.in.Memory().Remove(g.Addr, uint64(g.size)) }()
	select {
	case err := <-done:
		t.Fatalf("memory went under a request: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(s.dev.gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	g.receive(1)
	g.stop() // a queue on hold can be stopped
}

// TestStopOnHold: what comes on hold is taken by the next start.
func TestStopOnHold(t *testing.T) {
	g := newGuest(t, &setup{})
	g.in.Hold()
	g.send(0)
	if base := g.stop(); base != 0 {
		t.Errorf("stopped at %d", base)
	}
	g.start(virtqdrv.Config{Size: 16})
	g.in.GoOn()
	g.receive(1)
}

// TestDoorbell: kicks that the transport passes on wake a queue that sleeps.
func TestDoorbell(t *testing.T) {
	g := newGuest(t, &setup{})
	g.stop()
	c := g.config(virtqdrv.Config{Size: 16})
	c.Kick, c.Doorbell = nil, true
	if err := g.in.Start(0, c); err != nil {
		t.Fatal(err)
	}
	kick := g.kick
	g.kick = nil
	mustIdle(t)
	for i := range 200 {
		g.send(i % 16)
		if i%2 == 0 {
			time.Sleep(50 * time.Microsecond) // let it fall asleep, or nearly
		}
		g.in.Kick(0)
		g.in.Kick(1) // does not run: nothing happens
		g.receive(1)
	}
	kick.Notify() // nobody listens
	if n := g.in.Counters(0).Kicks.Load(); n != 200 {
		t.Errorf("%d kicks counted", n)
	}
	if n := g.in.Counters(1).Kicks.Load(); n != 0 {
		t.Errorf("%d kicks of a queue that does not run", n)
	}
}

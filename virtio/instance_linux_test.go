// SPDX-License-Identifier: Apache-2.0

package virtio_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

func TestEcho(t *testing.T) {
	for _, async := range []bool{false, true} {
		for _, c := range []virtqdrv.Config{{}, {EventIdx: true}, {Indirect: 2, EventIdx: true}} {
			for _, spin := range []time.Duration{0, 20 * time.Microsecond} {
				c.Size = 16
				t.Run(fmt.Sprintf("async=%t,event=%t,indirect=%d,spin=%v", async, c.EventIdx, c.Indirect, spin), func(t *testing.T) {
					g := newGuest(t, &setup{dev: echo{async: async}, queue: c, polling: virtio.Polling{Spin: spin}})
					rounds := 1500
					for i := range rounds {
						n := 1 + i%8
						for j := range n {
							g.send(j)
						}
						g.receive(n)
						if i%100 == 0 {
							time.Sleep(2 * time.Millisecond) // let the queue fall asleep
						}
					}
					if base := g.stop(); base != uint16(g.in.Counters(0).Chains.Load()) || g.drv.Free() != c.Size {
						t.Errorf("base %d after %d chains, %d free", base, g.in.Counters(0).Chains.Load(), g.drv.Free())
					}
				})
			}
		}
	}
}

// TestStopWaitsForHeldChains: what was taken is given back before Stop
// returns, and a queue that starts at its base does nothing twice.
func TestStopWaitsForHeldChains(t *testing.T) {
	gate := make(chan struct{})
	c := virtqdrv.Config{Size: 16, EventIdx: true}
	g := newGuest(t, &setup{dev: echo{async: true, gate: gate}, queue: c})
	for i := range 4 {
		g.send(i)
	}
	g.taken(0, 4)
	stopped := make(chan uint16)
	go func() {
		base, _ := g.in.Stop(0)
		stopped <- base
	}()
	for range 4 {
		select {
		case <-stopped:
			t.Fatal("stopped while chains are held")
		case <-time.After(20 * time.Millisecond):
		}
		gate <- struct{}{}
	}
	base := <-stopped
	if base != 4 || g.drv.RawUsedIdx() != 4 {
		t.Fatalf("base %d, used index %d, want 4", base, g.drv.RawUsedIdx())
	}
	g.receive(4)
	if g.dev.closed != 1 {
		t.Errorf("%d workers closed", g.dev.closed)
	}
	g.send(0) // while it is stopped
	c.Base = base
	g.start(c)
	gate <- struct{}{}
	g.receive(1)
	if got := g.stop(); got != 5 || g.drv.RawUsedIdx() != 5 {
		t.Errorf("base %d, used index %d, want 5", got, g.drv.RawUsedIdx())
	}
}

func TestMemoryChangesWhileRunning(t *testing.T) {
	for _, async := range []bool{false, true} {
		for _, spin := range []time.Duration{0, 200 * time.Microsecond} {
			t.Run(fmt.Sprintf("async=%t,spin=%v", async, spin), func(t *testing.T) {
				g := newGuest(t, &setup{dev: echo{async: async}, polling: virtio.Polling{Spin: spin}})
				var stop atomic.Bool
				var wg sync.WaitGroup
				defer wg.Wait()
				defer stop.Store(true)
				wg.Go(func() {
					for !stop.Load() {
						g.mapMemory()
						time.Sleep(50 * time.Microsecond)
					}
				})
				for i := range 2000 {
					n := 1 + i%8
					for j := range n {
						g.send(j)
					}
					g.receive(n)
				}
			})
		}
	}
}

func TestMemoryChangesWhileIdle(t *testing.T) {
	for _, kick := range []bool{true, false} {
		g := newGuest(t, &setup{noKick: !kick})
		for range 20 {
			time.Sleep(2 * time.Millisecond) // asleep
			g.mapMemory()
			g.send(0)
			g.receive(1)
		}
	}
}

// TestMemoryChangesWhileSpinning: a queue that looks at its ring for a long
// time lets go of memory at once all the same.
func TestMemoryChangesWhileSpinning(t *testing.T) {
	g := newGuest(t, &setup{polling: virtio.Polling{Spin: time.Hour}})
	for range 5 {
		g.send(0)
		g.receive(1)
		changed := make(chan struct{})
		go func() { g.mapMemory(); close(changed) }()
		select {
		case <-changed:
		case <-time.After(g.waitFor):
			t.Error("memory is held by a queue that has nothing to do")
			g.stop()
			<-changed
			return
		}
	}
}

// TestMemoryStaysWhileHeld: a change waits for chains that are worked on
// elsewhere, and for nothing else.
func TestMemoryStaysWhileHeld(t *testing.T) {
	gate := make(chan struct{})
	g := newGuest(t, &setup{dev: echo{async: true, gate: gate}})
	for i := range 2 {
		g.send(i)
	}
	g.taken(0, 2)
	done := make(chan error)
	go func() { done <- g.in.Memory().Set(nil) }()
	for range 2 {
		select {
		case <-done:
			t.Fatal("memory is gone while chains are held")
		case <-time.After(20 * time.Millisecond):
		}
		gate <- struct{}{}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	g.receive(2) // given back before memory went
}

func TestBrokenRing(t *testing.T) {
	var log bytes.Buffer
	g := newGuest(t, &setup{log: slog.New(slog.NewTextHandler(&log, nil))})
	for round := range 3 {
		g.send(0)
		g.receive(1)
		g.drv.RawSend(9999)
		g.kick.Notify()
		err := <-g.broken
		if !strings.Contains(err.Error(), "9999") {
			t.Errorf("broken by %v", err)
		}
		g.kick.Notify() // nobody listens
		mustIdle(t)
		if !g.in.Running(0) {
			t.Error("a broken queue must be stopped before it can start")
		}
		g.stop()
		if got := g.in.Counters(0).Breaks.Load(); got != uint64(round+1) {
			t.Errorf("%d breaks counted, want %d", got, round+1)
		}
		// The driver sets up anew.
		g.Memory = &virtqdrv.Memory{Data: g.Data, Addr: g.Addr}
		if g.drv, err = virtqdrv.New(g.Memory, virtqdrv.Config{Size: 16}); err != nil {
			t.Fatal(err)
		}
		g.start(virtqdrv.Config{Size: 16})
	}
	g.stop()
	select {
	case err := <-g.broken:
		t.Errorf("broken once more: %v", err)
	default:
	}
	if got := strings.Count(log.String(), "level=ERROR"); got != 3 {
		t.Errorf("%d errors logged, want 3:\n%s", got, log.String())
	}
}

func TestRingNotInMemory(t *testing.T) {
	g := newGuest(t, &setup{})
	g.stop()
	c := g.config(virtqdrv.Config{Size: 16})
	c.Ring.Used = 0x1000
	if err := g.in.Start(0, c); err != nil {
		t.Fatal(err)
	}
	if err := <-g.broken; !strings.Contains(err.Error(), "device area") {
		t.Error(err)
	}
	g.stop()
	g.start(virtqdrv.Config{Size: 16})
	g.send(0)
	g.receive(1)
}

// TestDeadKick: whatever a peer sends for a kick descriptor, the queue neither
// spins nor loses chains.
func TestDeadKick(t *testing.T) {
	open := func(name string) func(*testing.T) int {
		return func(t *testing.T) int {
			fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			return fd
		}
	}
	for name, make := range map[string]func(*testing.T) int{
		"/dev/null": open("/dev/null"),
		"/dev/zero": open("/dev/zero"),
		"closed pipe": func(t *testing.T) int {
			var p [2]int
			if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			unix.Close(p[1])
			return p[0]
		},
		"closed socket": func(t *testing.T) int {
			p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(p[1])
			return p[0]
		},
		"file": func(t *testing.T) int {
			fd, err := unix.MemfdCreate("file", unix.MFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			return fd
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			g := newGuest(t, &setup{noKick: true, log: slog.New(slog.NewTextHandler(&log, nil))})
			g.stop()
			kick := virtio.EventFromFD(make(t))
			defer kick.Close()
			c := g.config(virtqdrv.Config{Size: 16})
			c.Kick = kick
			if err := g.in.Start(0, c); err != nil {
				t.Fatal(err)
			}
			g.send(0)
			g.receive(1)
			mustIdle(t)
			g.send(0)
			g.receive(1)
			g.stop()
			if got := strings.Count(log.String(), "not an eventfd"); got != 1 {
				t.Errorf("said so %d times:\n%s", got, log.String())
			}
		})
	}
}

func TestNoKick(t *testing.T) {
	g := newGuest(t, &setup{noKick: true})
	for range 20 {
		time.Sleep(time.Millisecond)
		g.send(0)
		g.receive(1)
	}
	mustIdle(t)
}

// TestFullQueueSleeps: a queue that holds all it may waits for its worker,
// though more is available.
func TestFullQueueSleeps(t *testing.T) {
	for _, spin := range []time.Duration{0, time.Millisecond} {
		gate := make(chan struct{})
		const size = 2048 // more than a queue holds
		g := newGuest(t, &setup{dev: echo{async: true, gate: gate}, queue: virtqdrv.Config{Size: size, Indirect: 2}, polling: virtio.Polling{Spin: spin}})
		for i := range size {
			g.send(i)
		}
		for g.in.Counters(0).Chains.Load() < 1024 {
			time.Sleep(time.Millisecond)
		}
		mustIdle(t)
		if got := g.in.Counters(0).Chains.Load(); got != 1024 {
			t.Errorf("holds %d chains", got)
		}
		close(gate)
		g.receive(size)
	}
}

func TestSetCall(t *testing.T) {
	g := newGuest(t, &setup{})
	var calls [2]counter
	for i := range 300 {
		c := &calls[i%2]
		g.in.SetCall(0, virtioNotifier{c, g.call})
		other := calls[1-i%2].n.Load()
		g.send(0)
		g.receive(1)
		if calls[1-i%2].n.Load() != other {
			t.Fatal("a notifier that was replaced is used")
		}
	}
	if calls[0].n.Load() == 0 || calls[1].n.Load() == 0 {
		t.Errorf("%d and %d calls", calls[0].n.Load(), calls[1].n.Load())
	}
	before := g.in.Counters(0).Interrupts.Load()
	g.in.SetCall(0, nil)
	g.send(0)
	for !g.drv.Pending() {
		time.Sleep(time.Millisecond)
	}
	g.receive(1)
	if g.in.Counters(0).Interrupts.Load() != before {
		t.Error("interrupts counted that were not sent")
	}
	g.in.SetCall(1, nil) // does not run
}

type counter struct{ n atomic.Int64 }

type virtioNotifier struct {
	c    *counter
	next virtio.Notifier
}

func (n virtioNotifier) Notify() { n.c.n.Add(1); n.next.Notify() }

// TestSpinLosesNothing: the moment between spinning and sleeping is where a
// kick could get lost.
func TestSpinLosesNothing(t *testing.T) {
	for _, eventIdx := range []bool{false, true} {
		for _, async := range []bool{false, true} {
			const spin = 30 * time.Microsecond
			g := newGuest(t, &setup{dev: echo{async: async}, queue: virtqdrv.Config{Size: 16, EventIdx: eventIdx}, polling: virtio.Polling{Spin: spin}})
			rounds := 5000
			if testing.Short() {
				rounds = 500
			}
			for i := range rounds {
				g.send(0)
				g.receive(1)
				// Send the next one just when the spin ends.
				for start := time.Now(); time.Since(start) < spin+time.Duration(i%21-10)*time.Microsecond; {
				}
			}
			if async {
				continue
			}
			if kicks := g.in.Counters(0).Kicks.Load(); kicks == 0 || kicks >= uint64(rounds) {
				t.Logf("%d kicks for %d chains: the moment was missed", kicks, rounds)
			}
		}
	}
}

// TestAThousandStarts: what a queue uses it gives back.
func TestAThousandStarts(t *testing.T) {
	g := newGuest(t, &setup{dev: echo{async: true}})
	g.stop()
	restart := func(n int) {
		for range n {
			g.Memory = &virtqdrv.Memory{Data: g.Data, Addr: g.Addr}
			var err error
			if g.drv, err = virtqdrv.New(g.Memory, virtqdrv.Config{Size: 16}); err != nil {
				t.Fatal(err)
			}
			g.start(virtqdrv.Config{Size: 16})
			g.send(0)
			g.receive(1)
			g.stop()
		}
	}
	count := func() (goroutines, fds, threads int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine(), len(entries), len(tasks)
	}
	restart(20)
	goroutines, fds, threads := count()
	restart(1000)
	var g2, f2, t2 int
	for range 100 { // the last goroutines may still be on their way out
		if g2, f2, t2 = count(); g2 <= goroutines && f2 <= fds {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	// The runtime keeps some threads of its own.
	if g2 > goroutines || f2 > fds || t2 > threads+10 {
		t.Errorf("goroutines %d, descriptors %d, threads %d; before %d, %d, %d", g2, f2, t2, goroutines, fds, threads)
	}
	if g.dev.closed != 1021 {
		t.Errorf("%d workers closed of 1021", g.dev.closed)
	}
}

func TestWrongUse(t *testing.T) {
	g := newGuest(t, &setup{dev: echo{refused: virtio.FeatureEventIdx}})
	c := g.config(virtqdrv.Config{Size: 16})
	for _, test := range []struct {
		what string
		err  error
		want error
	}{
		{"start twice", g.in.Start(0, c), virtio.ErrRunning},
		{"start -1", g.in.Start(-1, c), virtio.ErrNoQueue},
		{"start 2", g.in.Start(2, c), virtio.ErrNoQueue},
		{"features not offered", g.in.SetFeatures(virtio.FeatureRingPacked), virtio.ErrFeatures},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %v", test.what, test.err, test.want)
		}
	}
	if _, err := g.in.Stop(1); !errors.Is(err, virtio.ErrNotRunning) {
		t.Errorf("stop what does not run: %v", err)
	}
	if g.in.Running(-1) || g.in.Running(1) || g.in.Running(2) || !g.in.Running(0) {
		t.Error("Running is wrong")
	}
	if err := g.in.SetFeatures(virtio.FeatureVersion1 | 1); err != nil || g.in.Features() != virtio.FeatureVersion1|1 {
		t.Errorf("SetFeatures: %v, %#x", err, g.in.Features())
	}
	if err := g.in.SetFeatures(virtio.FeatureEventIdx); err == nil || g.in.Features() != virtio.FeatureVersion1|1 {
		t.Errorf("features the device refuses: %v, %#x", err, g.in.Features())
	}
	g.in.Reset()
	if g.dev.resets != 1 || g.in.Running(0) || g.in.Features() != 0 {
		t.Error("Reset left something")
	}
	g.dev.fail = errors.New("no worker today")
	fds, _ := os.ReadDir("/proc/self/fd")
	for range 10 {
		if err := g.in.Start(0, c); !errors.Is(err, g.dev.fail) || g.in.Running(0) {
			t.Errorf("Start without a worker: %v", err)
		}
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) > len(fds) {
		t.Errorf("%d descriptors leaked", len(after)-len(fds))
	}
}

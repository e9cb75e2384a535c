// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// event is an eventfd: any number of signals wake one waiter once.
type event chan struct{}

func (e event) signal() {
	select {
	case e <- struct{}{}:
	default:
	}
}

// TestNoSignalIsLost lets two threads sleep as often as the ring allows, each
// waiting for the other's signal. A lost one leaves both asleep.
func TestNoSignalIsLost(t *testing.T) {
	for _, c := range []virtqdrv.Config{
		{Size: 1}, {Size: 1, EventIdx: true},
		{Size: 4}, {Size: 4, EventIdx: true}, {Size: 4, EventIdx: true, AvailOdd: true}, {Size: 4, AvailOdd: true},
		{Size: 256}, {Size: 256, EventIdx: true},
	} {
		t.Run(fmt.Sprintf("size=%d,event=%t,odd=%t", c.Size, c.EventIdx, c.AvailOdd), func(t *testing.T) {
			hammer(t, c, nil)
		})
	}
	// The device does not know what was negotiated and serves both kinds.
	for _, eventIdx := range []bool{false, true} {
		t.Run(fmt.Sprintf("unnegotiated,event=%t", eventIdx), func(t *testing.T) {
			hammer(t, virtqdrv.Config{Size: 4, EventIdx: eventIdx, Indirect: 2}, func(c *virtq.Config) {
				c.EventIdx, c.Indirect, c.Unnegotiated = false, false, true
			})
		})
	}
}

func hammer(t *testing.T, c virtqdrv.Config, change func(*virtq.Config)) {
	total := 150_000
	if testing.Short() {
		total = 20_000
	}
	c.Base = 65000
	r := newRig(t, 1<<20, c, change)
	b := r.alloc(t, 8)
	kick, call, stuck := make(event, 1), make(event, 1), make(event)
	var taken, reaped, kicks, calls atomic.Int64
	fail := func(format string, args ...any) {
		t.Errorf(format, args...)
		runtime.Goexit()
	}
	wait := func(e event) {
		select {
		case <-e:
		case <-stuck:
			fail("asleep for good: device took %d chains, driver reaped %d, of %d", taken.Load(), reaped.Load(), total)
		}
	}
	// Anything that moves resets the alarm.
	stop := make(chan struct{})
	go func() {
		for last := int64(-1); ; {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Minute):
			}
			now := taken.Load() + reaped.Load()
			if now == last {
				close(stuck)
				return
			}
			last = now
		}
	}()

	var wg sync.WaitGroup
	wg.Go(func() { // the device
		rng := rand.New(rand.NewPCG(1, 1))
		batch := make([]*virtq.Chain, c.Size)
		r.dev.SuppressKicks()
		for done := 0; done < total; {
			n, err := r.dev.Next(batch[:1+rng.IntN(len(batch))])
			if err != nil {
				fail("%v", err)
			}
			for _, c := range batch[:n] {
				r.dev.Push(c, 8)
			}
			done += n
			taken.Add(int64(n))
			if r.dev.Publish() {
				calls.Add(1)
				call.signal()
			}
			if n == 0 && !r.dev.WantKicks() {
				wait(kick)
			}
			if n == 0 {
				r.dev.SuppressKicks()
			}
		}
	})
	wg.Go(func() { // the driver
		rng := rand.New(rand.NewPCG(2, 2))
		batch := make([]virtqdrv.Used, c.Size)
		added := 0
		for done := 0; done < total; {
			for range rng.IntN(c.Size + 1) {
				if added == total || r.drv.Add([]virtqdrv.Buf{b}, nil, 0) != nil {
					break
				}
				added++
			}
			if r.drv.Publish() {
				kicks.Add(1)
				kick.signal()
			}
			n, err := r.drv.Reap(batch)
			if err != nil {
				fail("%v", err)
			}
			done += n
			reaped.Add(int64(n))
			if n == 0 && r.drv.InFlight() > 0 {
				if !r.drv.EnableInterrupts() {
					wait(call)
				}
				r.drv.DisableInterrupts()
			}
		}
	})
	wg.Wait()
	close(stop)
	t.Logf("%d chains: %d kicks, %d interrupts", total, kicks.Load(), calls.Load())
}

// TestKickSuppression pins down when a driver is asked to kick.
func TestKickSuppression(t *testing.T) {
	for _, eventIdx := range []bool{false, true} {
		t.Run(fmt.Sprint("event=", eventIdx), func(t *testing.T) {
			r := newRig(t, 1<<16, virtqdrv.Config{Size: 16, EventIdx: eventIdx}, nil)
			b := r.alloc(t, 8)
			batch := make([]*virtq.Chain, 16)
			send := func() (kick bool) {
				if err := r.drv.Add([]virtqdrv.Buf{b}, nil, 0); err != nil {
					t.Fatal(err)
				}
				return r.drv.Publish()
			}
			drop := func() {
				n, err := r.dev.Next(batch)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range batch[:n] {
					r.dev.Push(c, 0)
				}
				r.dev.Publish()
				var used [16]virtqdrv.Used
				if _, err := r.drv.Reap(used[:]); err != nil {
					t.Fatal(err)
				}
			}
			if !send() {
				t.Error("no kick for the first chain")
			}
			drop()
			r.dev.SuppressKicks()
			for range 3 {
				if send() {
					t.Error("kick while suppressed")
				}
			}
			if !r.dev.WantKicks() {
				t.Error("WantKicks does not see chains that came without a kick")
			}
			r.dev.SuppressKicks()
			drop()
			if r.dev.WantKicks() {
				t.Error("WantKicks sees chains where there are none")
			}
			if !send() {
				t.Error("no kick though wanted")
			}
		})
	}
}

// TestInterruptSuppression pins down when a device interrupts.
func TestInterruptSuppression(t *testing.T) {
	for _, eventIdx := range []bool{false, true} {
		t.Run(fmt.Sprint("event=", eventIdx), func(t *testing.T) {
			r := newRig(t, 1<<16, virtqdrv.Config{Size: 16, EventIdx: eventIdx}, nil)
			b := r.alloc(t, 8)
			var used [16]virtqdrv.Used
			use := func(n int) (interrupt bool) {
				for range n {
					if err := r.drv.Add([]virtqdrv.Buf{b}, nil, 0); err != nil {
						t.Fatal(err)
					}
				}
				r.drv.Publish()
				batch := make([]*virtq.Chain, n)
				if got, err := r.dev.Next(batch); got != n || err != nil {
					t.Fatal(got, err)
				}
				for _, c := range batch {
					r.dev.Push(c, 0)
				}
				interrupt = r.dev.Publish()
				if r.dev.Publish() {
					t.Error("interrupt for nothing")
				}
				return interrupt
			}
			if !use(1) {
				t.Error("no interrupt for the first chain")
			}
			if !r.drv.EnableInterrupts() {
				t.Error("EnableInterrupts does not see what is there")
			}
			r.drv.Reap(used[:])
			r.drv.DisableInterrupts()
			if use(3) {
				t.Error("interrupt while disabled")
			}
			r.drv.Reap(used[:])
			if r.drv.EnableInterrupts() {
				t.Error("EnableInterrupts sees what is not there")
			}
			if !use(2) {
				t.Error("no interrupt though wanted")
			}
			if eventIdx {
				r.drv.Reap(used[:])
				r.drv.EnableInterruptsAfter(3)
				if use(2) {
					t.Error("interrupt after 2, wanted after 3")
				}
				if !use(1) {
					t.Error("no interrupt after 3")
				}
			}
		})
	}
}

// TestGoesOnAtBase: another queue goes on where the first one ended, with
// nothing twice and nothing lost.
func TestGoesOnAtBase(t *testing.T) {
	r := newRig(t, 1<<16, virtqdrv.Config{Size: 8, EventIdx: true, Base: 65533}, nil)
	b := r.alloc(t, 8)
	batch, used := make([]*virtq.Chain, 3), make([]virtqdrv.Used, 8)
	dev, cookie, reaped := r.dev, uint64(0), uint64(0)
	for range 50 {
		for r.drv.Free() > 0 {
			if err := r.drv.Add([]virtqdrv.Buf{b}, nil, cookie); err != nil {
				t.Fatal(err)
			}
			cookie++
		}
		r.drv.Publish()
		n, err := dev.Next(batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch[:n] {
			dev.Push(c, 0)
		}
		if !dev.Publish() {
			t.Fatal("a queue must interrupt for its first chain: it does not know what the driver saw")
		}
		base := dev.Base()
		dev.Detach()
		if dev, err = virtq.NewSplit(virtq.Config{
			Size: 8, Desc: r.drv.Desc(), Avail: r.drv.Avail(), Used: r.drv.Used(), EventIdx: true, Base: base,
		}); err != nil {
			t.Fatal(err)
		}
		if err := dev.Attach(r.table); err != nil {
			t.Fatal(err)
		}
		if n, err = r.drv.Reap(used); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		for _, u := range used[:n] {
			if u.Cookie != reaped {
				t.Fatalf("chain %d, want %d", u.Cookie, reaped)
			}
			reaped++
		}
	}
}

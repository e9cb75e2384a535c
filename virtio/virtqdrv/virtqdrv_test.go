// SPDX-License-Identifier: Apache-2.0

package virtqdrv_test

import (
	"errors"
	"fmt"
	"testing"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

const guestAddr = 0x1_0000_0000

// pair is a queue with both of its sides in this process.
func pair(t testing.TB, c virtqdrv.Config) (*virtqdrv.Memory, *virtqdrv.Queue, *virtq.Split) {
	t.Helper()
	m := &virtqdrv.Memory{Data: make([]byte, 1<<20), Addr: guestAddr}
	drv, err := virtqdrv.New(m, c)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := virtq.NewSplit(virtq.Config{
		Size: c.Size, Desc: drv.Desc(), Avail: drv.Avail(), Used: drv.Used(),
		Base: c.Base, Indirect: c.Indirect > 0, EventIdx: c.EventIdx,
	})
	if err != nil {
		t.Fatal(err)
	}
	var memory mem.Memory
	if err := memory.Set([]mem.Region{{Addr: m.Addr, Data: m.Data}}); err != nil {
		t.Fatal(err)
	}
	if err := dev.Attach(memory.Acquire()); err != nil {
		t.Fatal(err)
	}
	return m, drv, dev
}

func alloc(t testing.TB, m *virtqdrv.Memory, n int) virtqdrv.Buf {
	t.Helper()
	b, err := m.Alloc(n, 1)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// turn lets the device use all that is there, in the order it came.
func turn(t testing.TB, dev *virtq.Split, written uint32) int {
	t.Helper()
	batch := make([]*virtq.Chain, dev.Size())
	n, err := dev.Next(batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range batch[:n] {
		dev.Push(c, written)
	}
	dev.Publish()
	return n
}

func TestDescriptorsAreAccountedFor(t *testing.T) {
	for _, indirect := range []int{0, 4} {
		t.Run(fmt.Sprint("indirect=", indirect), func(t *testing.T) {
			m, drv, dev := pair(t, virtqdrv.Config{Size: 8, Indirect: indirect})
			b := alloc(t, m, 16)
			chain := []virtqdrv.Buf{b, b, b}
			perChain := 3
			if indirect > 0 {
				perChain = 1
			}
			for round := range 100 {
				added := 0
				for drv.Free() >= perChain {
					if err := drv.Add(chain[:2], chain[2:], uint64(added)); err != nil {
						t.Fatal(err)
					}
					added++
				}
				if err := drv.Add(chain[:2], chain[2:], 0); !errors.Is(err, virtqdrv.ErrFull) {
					t.Fatalf("Add to a full queue: %v, want ErrFull", err)
				}
				if !drv.Publish() {
					t.Fatal("no kick wanted by a device that did not say so")
				}
				if got := turn(t, dev, 16); got != added {
					t.Fatalf("device took %d chains of %d", got, added)
				}
				batch := make([]virtqdrv.Used, 8)
				n, err := drv.Reap(batch)
				if err != nil || n != added {
					t.Fatalf("round %d: reaped %d, %v; want %d", round, n, err, added)
				}
				for i, u := range batch[:n] {
					if u.Cookie != uint64(i) || u.Written != 16 {
						t.Fatalf("element %d is %+v", i, u)
					}
				}
				if drv.Free() != 8 || drv.InFlight() != 0 {
					t.Fatalf("%d descriptors free, %d chains in flight at the end", drv.Free(), drv.InFlight())
				}
			}
		})
	}
}

func TestPreparedSlots(t *testing.T) {
	for _, indirect := range []int{0, 4} {
		t.Run(fmt.Sprint("indirect=", indirect), func(t *testing.T) {
			m, drv, dev := pair(t, virtqdrv.Config{Size: 8, Indirect: indirect})
			b := alloc(t, m, 16)
			s, err := drv.Prepare([]virtqdrv.Buf{b}, []virtqdrv.Buf{b}, 42)
			if err != nil {
				t.Fatal(err)
			}
			free := drv.Free()
			var batch [8]virtqdrv.Used
			for range 100 {
				if err := drv.AddSlot(s); err != nil {
					t.Fatal(err)
				}
				if err := drv.AddSlot(s); !errors.Is(err, virtqdrv.ErrInFlight) {
					t.Fatalf("slot added twice: %v", err)
				}
				if err := drv.Release(s); !errors.Is(err, virtqdrv.ErrInFlight) {
					t.Fatalf("slot released in flight: %v", err)
				}
				drv.Publish()
				turn(t, dev, 7)
				n, err := drv.Reap(batch[:])
				if want := (virtqdrv.Used{Cookie: 42, Written: 7, Slot: s}); err != nil || n != 1 || batch[0] != want {
					t.Fatalf("reaped %d, %+v, %v", n, batch[0], err)
				}
			}
			if drv.Free() != free {
				t.Fatalf("%d free after use, %d before", drv.Free(), free)
			}
			if err := drv.Release(s); err != nil || drv.Free() != 8 {
				t.Fatalf("Release: %v, %d free", err, drv.Free())
			}
		})
	}
}

func TestReapChecksTheDevice(t *testing.T) {
	m, drv, dev := pair(t, virtqdrv.Config{Size: 4})
	b := alloc(t, m, 16)
	if err := drv.Add([]virtqdrv.Buf{b}, nil, 1); err != nil {
		t.Fatal(err)
	}
	drv.Publish()
	var batch [4]virtqdrv.Used

	used := m.Data[drv.Used()-m.Addr:]
	used[2] = 2 // idx, ahead of what is in flight
	if _, err := drv.Reap(batch[:]); !errors.Is(err, virtqdrv.ErrDevice) {
		t.Errorf("index too far: %v", err)
	}
	for _, id := range []byte{1, 4, 200} { // free; none
		used[2], used[4] = 1, id
		if _, err := drv.Reap(batch[:]); !errors.Is(err, virtqdrv.ErrDevice) {
			t.Errorf("element %d: %v", id, err)
		}
	}
	used[2], used[4] = 0, 0
	turn(t, dev, 0)
	if n, err := drv.Reap(batch[:]); n != 1 || err != nil {
		t.Errorf("honest element: %d, %v", n, err)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, indirect := range []int{0, 4} {
		m, drv, dev := pair(t, virtqdrv.Config{Size: 64, Indirect: indirect, EventIdx: true})
		b := alloc(t, m, 64)
		r, w := []virtqdrv.Buf{b, b}, []virtqdrv.Buf{b}
		batch, used := make([]*virtq.Chain, 64), make([]virtqdrv.Used, 64)
		allocs := testing.AllocsPerRun(1000, func() {
			for i := range 16 {
				if err := drv.Add(r, w, uint64(i)); err != nil {
					t.Fatal(err)
				}
			}
			drv.Publish()
			n, _ := dev.Next(batch)
			for _, c := range batch[:n] {
				dev.Push(c, 0)
			}
			dev.Publish()
			drv.DisableInterrupts()
			if n, err := drv.Reap(used); n != 16 || err != nil {
				t.Fatal(n, err)
			}
			drv.EnableInterrupts()
		})
		if allocs != 0 {
			t.Errorf("indirect=%d: %v allocations for 16 chains", indirect, allocs)
		}
	}
}

func TestBadArguments(t *testing.T) {
	m := &virtqdrv.Memory{Data: make([]byte, 4096), Addr: guestAddr}
	for _, size := range []int{-1, 0, 3, 65536} {
		if _, err := virtqdrv.New(m, virtqdrv.Config{Size: size}); err == nil {
			t.Errorf("size %d accepted", size)
		}
	}
	if _, err := virtqdrv.New(m, virtqdrv.Config{Size: 256}); !errors.Is(err, virtqdrv.ErrNoSpace) {
		t.Errorf("too little memory: %v", err)
	}
	_, drv, _ := pair(t, virtqdrv.Config{Size: 4})
	if err := drv.Add(nil, nil, 0); !errors.Is(err, virtqdrv.ErrChain) {
		t.Errorf("empty chain: %v", err)
	}
	if err := drv.Add(make([]virtqdrv.Buf, 5), nil, 0); !errors.Is(err, virtqdrv.ErrChain) {
		t.Errorf("chain of 5 in a queue of 4: %v", err)
	}
}

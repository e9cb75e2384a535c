// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

const guestAddr = 0x1_0000_0000

// mapped returns shared memory that the race detector does not watch, as that
// of a guest: the rings' own barriers must do.
func mapped(t testing.TB, size int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return b
}

// rig is a queue with both of its sides.
type rig struct {
	*virtqdrv.Memory
	drv   *virtqdrv.Queue
	dev   *virtq.Split
	table *mem.Table
}

// tableOf returns a held table of regions.
func tableOf(t testing.TB, regions ...mem.Region) *mem.Table {
	t.Helper()
	var m mem.Memory
	if err := m.Set(regions); err != nil {
		t.Fatal(err)
	}
	return m.Acquire()
}

// newRig makes a queue in memory of the given size. change, if not nil, may
// change the device's configuration; more are more regions.
func newRig(t testing.TB, size int, c virtqdrv.Config, change func(*virtq.Config), more ...mem.Region) *rig {
	t.Helper()
	r := &rig{Memory: &virtqdrv.Memory{Data: mapped(t, size), Addr: guestAddr}}
	var err error
	if r.drv, err = virtqdrv.New(r.Memory, c); err != nil {
		t.Fatal(err)
	}
	cfg := virtq.Config{
		Size: c.Size, Desc: r.drv.Desc(), Avail: r.drv.Avail(), Used: r.drv.Used(),
		Base: c.Base, Indirect: c.Indirect > 0, EventIdx: c.EventIdx,
	}
	if change != nil {
		change(&cfg)
	}
	if r.dev, err = virtq.NewSplit(cfg); err != nil {
		t.Fatal(err)
	}
	r.table = tableOf(t, append(more, mem.Region{Addr: r.Addr, Data: r.Data})...)
	if err := r.dev.Attach(r.table); err != nil {
		t.Fatal(err)
	}
	return r
}

// alloc cuts out a buffer.
func (r *rig) alloc(t testing.TB, n int) virtqdrv.Buf {
	t.Helper()
	b, err := r.Alloc(n, 1)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// one takes the only chain that is available.
func (r *rig) one(t testing.TB) *virtq.Chain {
	t.Helper()
	var batch [2]*virtq.Chain
	n, err := r.dev.Next(batch[:])
	if err != nil || n != 1 {
		t.Fatalf("Next took %d chains, %v; want 1", n, err)
	}
	return batch[0]
}

// lens are the lengths of segments.
func lens(segs [][]byte) []int {
	out := []int{}
	for _, s := range segs {
		out = append(out, len(s))
	}
	return out
}

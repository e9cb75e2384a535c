// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"fmt"
	"runtime"
	"testing"

	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// TestNothingIsAllocated: a queue that has warmed up leaves the heap alone,
// also for chains that do not fit a chain's own list.
func TestNothingIsAllocated(t *testing.T) {
	for _, segments := range []int{1, 4, 8, 9, 100} {
		for _, indirect := range []int{0, segments} {
			t.Run(fmt.Sprintf("segments=%d,indirect=%d", segments, indirect), func(t *testing.T) {
				r := newRig(t, 1<<20, virtqdrv.Config{Size: 128, Indirect: indirect, EventIdx: true}, nil)
				var bufs []virtqdrv.Buf
				for range segments {
					bufs = append(bufs, r.alloc(t, 16))
					r.alloc(t, 1) // a gap
				}
				batch, used := make([]*virtq.Chain, 8), make([]virtqdrv.Used, 8)
				turn := func() {
					added := 0
					for added < len(batch) && r.drv.Add(bufs[:segments/2], bufs[segments/2:], 0) == nil {
						added++
					}
					r.drv.Publish()
					n, err := r.dev.Next(batch)
					if n != added || err != nil {
						t.Fatal(n, err)
					}
					for _, c := range batch[:n] {
						r.dev.Push(c, 0)
					}
					r.dev.Publish()
					r.dev.WantKicks()
					r.dev.SuppressKicks()
					if n, err := r.drv.Reap(used); n != added || err != nil {
						t.Fatal(n, err)
					}
				}
				if n := testing.AllocsPerRun(500, turn); n != 0 {
					t.Errorf("%v allocations a batch", n)
				}
			})
		}
	}
}

// TestLongChainsLeaveNoMemoryBehind: a guest that sends the longest chains on
// each descriptor of a large ring does not make the device keep their lists.
func TestLongChainsLeaveNoMemoryBehind(t *testing.T) {
	const size = 1024
	r := newRig(t, 1<<20, virtqdrv.Config{Size: size}, func(c *virtq.Config) { c.Indirect = true })
	b := r.alloc(t, virtqdrv.DescSize*virtq.MaxChain)
	for i := range virtq.MaxChain {
		d := virtqdrv.Desc{Addr: guestAddr + uint64(2*i), Len: 1, Flags: next, Next: uint16(i + 1)}
		if i == virtq.MaxChain-1 {
			d.Flags = 0
		}
		virtqdrv.PutDesc(r.Bytes(b), i, d)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	held := make([]*virtq.Chain, 0, size)
	before := heap()
	for i := range size {
		r.drv.RawDesc(i, virtqdrv.Desc{Addr: b.Addr, Len: b.Len, Flags: indirect})
		r.drv.RawSend(uint16(i))
		held = append(held, r.one(t))
	}
	for _, c := range held {
		r.dev.Push(c, 0)
	}
	// All lists together were 24 MB.
	if after := heap(); after > before+(1<<20) {
		t.Errorf("%d bytes kept", after-before)
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(held)
}

// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"testing"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// BenchmarkRing is a batch of chains through a queue's ring, in both formats:
// what the choice of the format costs is in it.
func BenchmarkRing(b *testing.B) {
	const size, n = 256, 64
	for _, packed := range []bool{false, true} {
		name := "split"
		if packed {
			name = "packed"
		}
		b.Run(name, func(b *testing.B) {
			m := &virtqdrv.Memory{Data: make([]byte, 1<<20), Addr: 1 << 32}
			var drv interface {
				Add(readable, writable []virtqdrv.Buf, cookie uint64) error
				Publish() bool
				Reap([]virtqdrv.Used) (int, error)
				Desc() uint64
				Avail() uint64
				Used() uint64
			}
			var err error
			var base uint16
			if packed {
				base = virtq.PackedBase
				drv, err = virtqdrv.NewPacked(m, virtqdrv.Config{Size: size, Base: base, Indirect: 4})
			} else {
				drv, err = virtqdrv.New(m, virtqdrv.Config{Size: size, Indirect: 4})
			}
			if err != nil {
				b.Fatal(err)
			}
			ring, err := newVirtqueue(virtq.Config{Size: size, Desc: drv.Desc(), Avail: drv.Avail(), Used: drv.Used(), Base: base, Indirect: true}, packed)
			if err != nil {
				b.Fatal(err)
			}
			var memory mem.Memory
			if err := memory.Set([]mem.Region{{Addr: m.Addr, Data: m.Data}}); err != nil {
				b.Fatal(err)
			}
			if err := ring.Attach(memory.Acquire()); err != nil {
				b.Fatal(err)
			}
			in, _ := m.Alloc(72, 8)
			iv, _ := m.Alloc(16, 8)
			out, _ := m.Alloc(64, 8)
			status, _ := m.Alloc(1, 1)
			readable, writable := []virtqdrv.Buf{in, iv}, []virtqdrv.Buf{out, status}
			q := &Queue{ring: ring}
			var batch [n]*virtq.Chain
			var used [n]virtqdrv.Used
			b.ReportAllocs()
			for b.Loop() {
				for range n {
					if err := drv.Add(readable, writable, 0); err != nil {
						b.Fatal(err)
					}
				}
				drv.Publish()
				got, err := q.ring.Next(batch[:])
				if got != n || err != nil {
					b.Fatal(got, err)
				}
				for _, c := range batch[:got] {
					q.Push(c, 65)
				}
				q.ring.Publish()
				if got, err := drv.Reap(used[:]); got != n || err != nil {
					b.Fatal(got, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/chain")
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"fmt"
	"testing"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// BenchmarkSplit measures the device's side for chains as a crypto driver
// sends them: an indirect table of four descriptors (header, source,
// destination, status), prepared once. The driver's part of the loop is two
// bytes a chain, measured apart as "driver".
func BenchmarkSplit(b *testing.B) {
	for _, batchSize := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("batch=%d", batchSize), func(b *testing.B) {
			const size = 256
			m := &virtqdrv.Memory{Data: make([]byte, 16<<20), Addr: 1 << 32}
			drv, err := virtqdrv.New(m, virtqdrv.Config{Size: size, Indirect: 4, EventIdx: true})
			if err != nil {
				b.Fatal(err)
			}
			slots := make([]virtqdrv.Slot, size)
			for i := range slots {
				var bufs [4]virtqdrv.Buf
				for j, n := range []int{72, 64, 64, 1} {
					if bufs[j], err = m.Alloc(n, 64); err != nil {
						b.Fatal(err)
					}
				}
				if slots[i], err = drv.Prepare(bufs[:2], bufs[2:], uint64(i)); err != nil {
					b.Fatal(err)
				}
			}
			var memory mem.Memory
			if err := memory.Set([]mem.Region{{Addr: m.Addr, Data: m.Data}}); err != nil {
				b.Fatal(err)
			}
			dev, err := virtq.NewSplit(virtq.Config{
				Size: size, Desc: drv.Desc(), Avail: drv.Avail(), Used: drv.Used(),
				Indirect: true, EventIdx: true,
			})
			if err != nil {
				b.Fatal(err)
			}
			if err := dev.Attach(memory.Acquire()); err != nil {
				b.Fatal(err)
			}
			batch := make([]*virtq.Chain, batchSize)
			used := make([]virtqdrv.Used, batchSize)
			free := slots
			next := 0
			b.ReportAllocs()
			for done := 0; done < b.N; done += batchSize {
				for range batchSize {
					if err := drv.AddSlot(free[next%size]); err != nil {
						b.Fatal(err)
					}
					next++
				}
				drv.Publish()
				n, err := dev.Next(batch)
				if err != nil || n != batchSize {
					b.Fatal(n, err)
				}
				for _, c := range batch[:n] {
					dev.Push(c, 65)
				}
				dev.Publish()
				if n, err := drv.Reap(used); err != nil || n != batchSize {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/chain")
		})
	}
}

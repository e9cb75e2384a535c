// SPDX-License-Identifier: Apache-2.0

package virtqdrv_test

import (
	"fmt"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// A chain that is sent again and again is written once.
func ExampleQueue_Prepare() {
	m := &virtqdrv.Memory{Data: make([]byte, 1<<16), Addr: 1 << 32}
	drv, err := virtqdrv.New(m, virtqdrv.Config{Size: 4, Indirect: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	request, _ := m.Alloc(64, 64)
	status, _ := m.Alloc(1, 1)
	slot, err := drv.Prepare([]virtqdrv.Buf{request}, []virtqdrv.Buf{status}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}

	// The device's side, in the same process here.
	var memory mem.Memory
	memory.Set([]mem.Region{{Addr: m.Addr, Data: m.Data}})
	table := memory.Acquire()
	defer table.Release()
	dev, _ := virtq.NewSplit(virtq.Config{Size: 4, Desc: drv.Desc(), Avail: drv.Avail(), Used: drv.Used(), Indirect: true})
	if err := dev.Attach(table); err != nil {
		fmt.Println(err)
		return
	}

	for range 3 {
		drv.AddSlot(slot)
		drv.Publish()

		var batch [4]*virtq.Chain
		n, _ := dev.Next(batch[:])
		for _, c := range batch[:n] {
			dev.Push(c, uint32(c.WriteLen))
		}
		dev.Publish()

		var used [4]virtqdrv.Used
		n, _ = drv.Reap(used[:])
		fmt.Println(n, used[0].Written, used[0].Slot == slot)
	}
	// Output:
	// 1 1 true
	// 1 1 true
	// 1 1 true
}

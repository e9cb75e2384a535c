// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"bytes"
	"fmt"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// A device that answers in capitals. The driver that makes its requests
// available is another package's; with a VMM it is in the guest.
func Example() {
	guest := &virtqdrv.Memory{Data: make([]byte, 1<<16), Addr: 1 << 32}
	driver, err := virtqdrv.New(guest, virtqdrv.Config{Size: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	request, _ := guest.Alloc(64, 1)
	answer, _ := guest.Alloc(64, 1)

	// A transport tells where memory and the ring are.
	var memory mem.Memory
	memory.Set([]mem.Region{{Addr: guest.Addr, Data: guest.Data}})
	table := memory.Acquire()
	defer table.Release()
	q, err := virtq.NewSplit(virtq.Config{Size: 4, Desc: driver.Desc(), Avail: driver.Avail(), Used: driver.Used()})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := q.Attach(table); err != nil {
		fmt.Println(err)
		return
	}

	copy(guest.Bytes(request), "hello, device")
	if err := driver.Add([]virtqdrv.Buf{request}, []virtqdrv.Buf{answer}, 1); err != nil {
		fmt.Println(err)
		return
	}
	driver.Publish()

	batch := make([]*virtq.Chain, 4)
	n, err := q.Next(batch)
	if err != nil {
		fmt.Println(err) // the driver broke its ring
		return
	}
	for _, chain := range batch[:n] {
		text := make([]byte, 64)
		in := chain.Reader()
		out := chain.Writer()
		written := out.Write(bytes.ToUpper(text[:in.Read(text)]))
		q.Push(chain, uint32(written))
	}
	fmt.Println("the driver wants a notification:", q.Publish())

	used := make([]virtqdrv.Used, 4)
	n, _ = driver.Reap(used)
	fmt.Printf("%d used, %d bytes: %s\n", n, used[0].Written, bytes.TrimRight(guest.Bytes(answer), "\x00"))
	// Output:
	// the driver wants a notification: true
	// 1 used, 64 bytes: HELLO, DEVICE
}

// SPDX-License-Identifier: Apache-2.0

package virtio_test

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"vcrypto/virtio"
	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// upper is a device that answers what it reads in upper case.
type upper struct{}

func (upper) ID() virtio.DeviceID                              { return 0x3f }
func (upper) Features() uint64                                 { return 0 }
func (upper) Queues() int                                      { return 1 }
func (upper) ReadConfig([]byte, uint32)                        {}
func (upper) Negotiated(uint64) error                          { return nil }
func (upper) NewWorker(q *virtio.Queue) (virtio.Worker, error) { return upperWorker{q}, nil }
func (upper) Reset()                                           {}

type upperWorker struct{ q *virtio.Queue }

func (w upperWorker) Handle(chains []*virtq.Chain) {
	for _, c := range chains {
		in, out := c.Reader(), c.Writer()
		var header [64]byte // a copy: the guest may change what it sent
		n := in.Read(header[:])
		w.q.Push(c, uint32(out.Write(bytes.ToUpper(header[:n]))))
	}
}

func (w upperWorker) Poll(bool) bool { return false } // all was done at once
func (w upperWorker) Close()         {}

// This is a device, its instance, and a driver that sends it one chain.
func ExampleInstance() {
	in := virtio.NewInstance(upper{}, virtio.Options{})
	defer in.Close()

	// What a transport learns from its peer: memory, and where the ring is.
	data, err := unix.Mmap(-1, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		fmt.Println(err)
		return
	}
	guest := &virtqdrv.Memory{Data: data, Addr: 1 << 32}
	drv, err := virtqdrv.New(guest, virtqdrv.Config{Size: 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := in.Memory().Set([]mem.Region{{Addr: guest.Addr, Data: guest.Data}}); err != nil {
		fmt.Println(err)
		return
	}
	kick, _ := virtio.NewEvent()
	call, _ := virtio.NewEvent()
	defer kick.Close()
	defer call.Close()
	err = in.Start(0, virtio.QueueConfig{
		Ring: virtq.Config{Size: 16, Desc: drv.Desc(), Avail: drv.Avail(), Used: drv.Used()},
		Kick: kick,
		Call: call,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// What a driver does.
	question, _ := guest.Alloc(5, 1)
	answer, _ := guest.Alloc(16, 1)
	copy(guest.Bytes(question), "hello")
	if err := drv.Add([]virtqdrv.Buf{question}, []virtqdrv.Buf{answer}, 7); err != nil {
		fmt.Println(err)
		return
	}
	if drv.Publish() {
		kick.Notify()
	}
	unix.Poll([]unix.PollFd{{Fd: int32(call.FD()), Events: unix.POLLIN}}, -1)
	call.Drain()
	var used [1]virtqdrv.Used
	n, err := drv.Reap(used[:])
	fmt.Println(n, err, used[0].Cookie, string(guest.Bytes(answer)[:used[0].Written]))

	base, _ := in.Stop(0)
	fmt.Println("stopped at", base)
	// Output:
	// 1 <nil> 7 HELLO
	// stopped at 1
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/sock"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// greeter is an entropy device of little entropy: it fills what the driver
// gives it with a greeting.
type greeter struct{}

func (greeter) ID() virtio.DeviceID       { return virtio.IDEntropy }
func (greeter) Features() uint64          { return 0 }
func (greeter) Queues() int               { return 1 }
func (greeter) ReadConfig([]byte, uint32) {}
func (greeter) Negotiated(uint64) error   { return nil }
func (greeter) Reset()                    {}

func (greeter) NewWorker(q *virtio.Queue) (virtio.Worker, error) { return greeterWorker{q}, nil }

type greeterWorker struct{ q *virtio.Queue }

func (w greeterWorker) Handle(chains []*virtq.Chain) {
	for _, c := range chains {
		out := c.Writer()
		w.q.Push(c, uint32(out.Write([]byte("hello, driver"))))
	}
}
func (greeterWorker) Poll(bool) bool { return false }
func (greeterWorker) Close()         {}

// A device is served on a socket, and driven by a front-end.
func Example() {
	dir, err := os.MkdirTemp("", "vhostuser")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "socket")

	// The back-end's process:
	l, err := sock.Listen(path)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go vhostuser.ServeListener(ctx, l, func() (*virtio.Instance, vhostuser.Extension, error) {
		return virtio.NewInstance(greeter{}, virtio.Options{}), nil, nil
	}, vhostuser.Options{})

	// The front-end's:
	if err := drive(path); err != nil {
		log.Fatal(err)
	}
	// Output: 13 bytes: hello, driver
}

func drive(path string) error {
	fe, err := vhostuser.Dial(path)
	if err != nil {
		return err
	}
	defer fe.Close()
	if err := fe.Negotiate(virtio.FeatureVersion1, vhostuser.ProtocolMQ|vhostuser.ProtocolReplyAck); err != nil {
		return err
	}
	m, err := vhostuser.NewSharedMemory(64<<10, 0x10000)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := fe.ShareMemory(m); err != nil {
		return err
	}
	ring, err := virtqdrv.New(&m.Memory, virtqdrv.Config{Size: 16})
	if err != nil {
		return err
	}
	q, err := fe.SetupQueue(0, vhostuser.QueueSetup{Size: 16, Desc: ring.Desc(), Avail: ring.Avail(), Used: ring.Used()})
	if err != nil {
		return err
	}
	if err := fe.Enable(0, true); err != nil {
		return err
	}
	buf, err := m.Alloc(64, 1)
	if err != nil {
		return err
	}
	if err := ring.Add(nil, []virtqdrv.Buf{buf}, 1); err != nil {
		return err
	}
	if ring.Publish() {
		q.Kick.Notify()
	}
	for !ring.Pending() {
		q.WaitCall(10 * time.Second)
	}
	var used [1]virtqdrv.Used
	if _, err := ring.Reap(used[:]); err != nil {
		return err
	}
	fmt.Printf("%d bytes: %s\n", used[0].Written, m.Bytes(buf)[:used[0].Written])
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"net"
	"sync"
	"time"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// Transports of [DeviceCase].
const (
	VhostUser = "vhost-user"
	VFIOUser  = "vfio-user"
)

// link is a front-end: the daemon's device by one of the transports.
type link interface {
	// start agrees on features, gives the device its memory, and starts all
	// queues.
	start(features uint64, m *vhostuser.SharedMemory, rings []virtqdrv.Ring) ([]*endpoint, error)
	close() error
}

// endpoint is the driver's end of a queue that runs.
type endpoint struct {
	index int
	kick  func()
	// await waits until the device interrupts, and reports whether it did in
	// time.
	await func(time.Duration) bool
}

func newLink(transport string, c *net.UnixConn) (link, error) {
	switch transport {
	case "", VhostUser:
		return &vhostLink{vhostuser.NewFrontEnd(c)}, nil
	case VFIOUser:
		return &vfioLink{c: vfiouser.NewClient(c)}, nil
	}
	return nil, fmt.Errorf("transport %q: there are %s and %s", transport, VhostUser, VFIOUser)
}

// vhostLink is a vhost-user front-end. A kick is an eventfd.
type vhostLink struct{ fe *vhostuser.FrontEnd }

func (l *vhostLink) start(features uint64, m *vhostuser.SharedMemory, rings []virtqdrv.Ring) (all []*endpoint, err error) {
	l.fe.Timeout = deviceSilence
	err = l.fe.Negotiate(features, vhostuser.ProtocolMQ|vhostuser.ProtocolReplyAck|vhostuser.ProtocolConfig)
	if err != nil {
		return nil, err
	}
	if err := l.fe.ShareMemory(m); err != nil {
		return nil, err
	}
	base := uint16(0)
	if features&virtio.FeatureRingPacked != 0 {
		base = virtqdrv.PackedBase
	}
	for i, r := range rings {
		q, err := l.fe.SetupQueue(i, vhostuser.QueueSetup{Size: r.Size(), Desc: r.Desc(), Avail: r.Avail(), Used: r.Used(), Base: base})
		if err != nil {
			return nil, err
		}
		if err := l.fe.Enable(i, true); err != nil {
			return nil, err
		}
		all = append(all, &endpoint{i, q.Kick.Notify, q.WaitCall})
	}
	return all, nil
}

func (l *vhostLink) close() error { return l.fe.Close() }

// vfioLink is a vfio-user client and a virtio-pci driver over it. A kick is a
// message.
type vfioLink struct {
	c      *vfiouser.Client
	events []*virtio.Event

	mu     sync.Mutex // queues kick at the same time
	driver *virtiopci.Driver
}

func (l *vfioLink) start(features uint64, m *vhostuser.SharedMemory, rings []virtqdrv.Ring) (all []*endpoint, err error) {
	if _, err := l.c.Version(vfiouser.Version{}); err != nil {
		return nil, err
	}
	// The device takes memory of zeros for memory that the guest does not share:
	// a guest has written to its own long before it starts a driver.
	m.Data[len(m.Data)-1] = 1
	const readWrite = vfiouser.DMARead | vfiouser.DMAWrite
	err = l.c.Map(vfiouser.DMAMap{Flags: readWrite, Address: m.Addr, Size: uint64(len(m.Data))}, int(m.File.Fd()))
	if err != nil {
		return nil, err
	}
	if l.driver, err = virtiopci.NewDriver(l.c); err != nil {
		return nil, err
	}
	if err := l.driver.Negotiate(features); err != nil {
		return nil, err
	}
	for range rings {
		e, err := virtio.NewEvent()
		if err != nil {
			return nil, err
		}
		l.events = append(l.events, e)
	}
	const first = 1 // vector 0 is for changes of the configuration
	if err := l.driver.SetVectors(first, l.events...); err != nil {
		return nil, err
	}
	for i, r := range rings {
		if err := l.driver.AddQueue(i, r, uint16(first+i)); err != nil {
			return nil, err
		}
		await := (&vhostuser.FrontQueue{Call: l.events[i]}).WaitCall
		all = append(all, &endpoint{i, func() { l.kick(i) }, await})
	}
	return all, l.driver.Ready()
}

// kick rings a doorbell. That the device is gone is seen by its silence.
func (l *vfioLink) kick(queue int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.driver.Kick(queue)
}

func (l *vfioLink) close() error {
	err := l.c.Close()
	for _, e := range l.events {
		e.Close()
	}
	return err
}

// SPDX-License-Identifier: Apache-2.0

package virtiopci_test

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"vcrypto/vfiouser"
	"vcrypto/virtio"
)

// qemuVersion is what QEMU 11.1 says first.
const qemuVersion = `{"capabilities": {"pgsizes": 4096, "max_msg_fds": 16, "max_dma_maps": 65535, "max_data_xfer_size": 1048576, "migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, "write_multiple": true}}`

// pipeline sends commands without waiting and then takes their answers.
type pipeline struct {
	r    *rig
	sent []sentCommand
}

type sentCommand struct {
	cmd  vfiouser.Command
	id   uint16
	want error
}

func (p *pipeline) send(cmd vfiouser.Command, payload []byte, want error, fds ...int) {
	p.r.t.Helper()
	id, err := p.r.c.Start(cmd, 0, payload, fds...)
	p.r.must(err)
	p.sent = append(p.sent, sentCommand{cmd, id, want})
}

func (p *pipeline) finish() {
	p.r.t.Helper()
	for i, c := range p.sent {
		if _, err := p.r.c.Finish(c.cmd, c.id); !errors.Is(err, c.want) {
			p.r.t.Fatalf("message %d: %v", i, err)
		}
	}
	p.sent = nil
}

// mapped and unmapped are DMA_MAP and DMA_UNMAP in the form of the log.
func (p *pipeline) mapped(flags uint32, off, addr, size uint64, file bool) {
	p.r.t.Helper()
	m := vfiouser.DMAMap{Flags: flags, Offset: off, Address: addr, Size: size}
	if file {
		p.send(vfiouser.CmdDMAMap, m.Append(nil), nil, int(p.r.file.Fd()))
	} else {
		p.send(vfiouser.CmdDMAMap, m.Append(nil), nil)
	}
}

func (p *pipeline) unmapped(addr, size uint64) {
	p.r.t.Helper()
	p.send(vfiouser.CmdDMAUnmap, vfiouser.DMAUnmap{Address: addr, Size: size}.Append(nil), nil)
}

// TestCapturedSequence: what QEMU 11.1 sent for a guest of 512 MiB, from
// connecting to the driver's first notification, with memory maps in bursts.
func TestCapturedSequence(t *testing.T) {
	r := newBareRig(t, &echo{queues: 5})
	const guest = 0x2000_0000
	r.must(r.file.Truncate(guest)) // sparse
	p := &pipeline{r: r}
	p.mapped(3, 0, 0, 0xa0000, true)
	p.mapped(1, 0, 0xc0000, 0x20000, false)
	p.mapped(1, 0, 0xe0000, 0x20000, false)
	p.mapped(3, 0x100000, 0x100000, 0x1ff00000, true)
	p.mapped(1, 0, 0xfffc0000, 0x40000, false)
	p.finish()

	info, err := r.c.Info()
	r.must(err)
	if info.Flags != vfiouser.DeviceReset|vfiouser.DevicePCI || info.Regions != 9 || info.IRQs != 5 {
		t.Errorf("device: %+v", info)
	}
	for index, size := range map[uint32]uint64{0: 0x4000, 1: 0x1000, 2: 0, 3: 0, 4: 0, 5: 0, 7: 256} {
		region, err := r.c.Region(index)
		r.must(err)
		if region.Size != size || region.Flags&vfiouser.RegionMmap != 0 || (region.Flags == 0) != (size == 0) {
			t.Errorf("region %d: %+v", index, region)
		}
	}
	irq, err := r.c.IRQ(vfiouser.IRQErr)
	r.must(err)
	if irq.Count != 1 {
		t.Errorf("ERR: %+v: QEMU warns of none", irq)
	}
	var config [256]byte
	r.must(r.c.Read(vfiouser.RegionConfig, 0, config[:]))
	for _, at := range []uint64{0x30, 0x10, 0x14} {
		r.must(r.c.Write(vfiouser.RegionConfig, at, []byte{0, 0xf8, 0xff, 0xff}))
		r.must(r.c.Read(vfiouser.RegionConfig, at, config[:4]))
		r.must(r.c.Write(vfiouser.RegionConfig, at, make([]byte, 4)))
	}
	line, err := virtio.NewEvent()
	r.must(err)
	defer line.Close()
	trigger := vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, Count: 1}
	r.must(r.c.SetIRQs(trigger, line.FD()))
	r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataNone | vfiouser.IRQTrigger}))
	r.must(r.c.Write(vfiouser.RegionConfig, 4, []byte{0, 0}))
	r.must(r.c.Reset())
	r.must(r.c.SetIRQs(trigger, line.FD()))

	// The firmware moves ROM shadows about.
	p.unmapped(0xc0000, 0x20000)
	p.unmapped(0xe0000, 0x20000)
	p.unmapped(0x100000, 0x1ff00000)
	p.mapped(3, 0xc0000, 0xc0000, 0x10000, true)
	p.mapped(1, 0, 0xd0000, 0x10000, false)
	p.mapped(1, 0, 0xe0000, 0x10000, false)
	p.mapped(3, 0xf0000, 0xf0000, 0x1ff10000, true)
	p.finish()
	p.unmapped(0xc0000, 0x10000)
	p.unmapped(0xd0000, 0x10000)
	p.unmapped(0xe0000, 0x10000)
	p.unmapped(0xf0000, 0x1ff10000)
	p.mapped(3, 0xc0000, 0xc0000, 0x1ff40000, true)
	p.mapped(3, 0, 0xfd000000, 0x1000000, false)
	p.unmapped(0, 0xa0000)
	p.unmapped(0xc0000, 0x1ff40000)
	p.mapped(3, 0, 0, guest, true)
	p.unmapped(0, guest)
	p.mapped(3, 0, 0, 0xa0000, true)
	p.mapped(3, 0xc0000, 0xc0000, 0x1ff40000, true)
	p.mapped(1, 0, 0xfebe0000, 0x10000, false)
	p.unmapped(0xfebe0000, 0x10000)
	p.unmapped(0xc0000, 0x1ff40000)
	p.mapped(1, 0xc0000, 0xc0000, 0xb000, true)
	p.mapped(3, 0xcb000, 0xcb000, 0x3000, true)
	p.mapped(1, 0xce000, 0xce000, 0x2000, true)
	p.mapped(3, 0xd0000, 0xd0000, 0x20000, true)
	p.mapped(1, 0xf0000, 0xf0000, 0x10000, true)
	p.mapped(3, 0x100000, 0x100000, 0x1ff00000, true)
	p.unmapped(0xce000, 0x2000)
	p.unmapped(0xd0000, 0x20000)
	p.mapped(1, 0xce000, 0xce000, 0x1a000, true)
	p.mapped(3, 0xe8000, 0xe8000, 0x8000, true)
	p.unmapped(0xfd000000, 0x1000000)
	p.mapped(3, 0, 0xfd000000, 0x1000000, false)
	p.finish()

	// The driver: posted writes to BAR 0.
	post := func(at uint64, b ...byte) { t.Helper(); r.must(r.c.Post(vfiouser.RegionBAR0, at, b)) }
	status := func(want byte) {
		t.Helper()
		var b [1]byte
		r.must(r.c.Read(vfiouser.RegionBAR0, 0x14, b[:]))
		if b[0] != want {
			t.Fatalf("status %#x, want %#x", b[0], want)
		}
	}
	post(0x14, 0)
	status(0)
	post(0x14, 1)
	status(1)
	post(0x14, 3)
	var features [2][4]byte
	for i := range features {
		post(0x00, byte(i), 0, 0, 0)
		r.must(r.c.Read(vfiouser.RegionBAR0, 0x04, features[i][:]))
	}
	if features != [2][4]byte{{8, 0, 0, 0x30}, {5, 0, 0, 0}} { // the log's device had no packed rings
		t.Errorf("features %x", features)
	}
	post(0x08, 0, 0, 0, 0)
	post(0x0c, 0, 0, 0, 0x10)
	post(0x08, 1, 0, 0, 0)
	post(0x0c, 1, 0, 0, 0)
	status(3)
	r.must(r.file.Truncate(guest)) // no change
	if _, err := r.file.WriteAt([]byte("BIOS"), 0x400); err != nil {
		t.Fatal(err)
	}
	post(0x14, 0x0b)
	status(0x0b)
	r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataNone | vfiouser.IRQTrigger}))
	enable := vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, Index: vfiouser.IRQMSIX, Count: 1}
	r.must(r.c.SetIRQs(enable))
	var events []*virtio.Event
	for i := range 6 {
		e, err := virtio.NewEvent()
		r.must(err)
		defer e.Close()
		events = append(events, e)
		enable.Start = uint32(i)
		r.must(r.c.SetIRQs(enable, e.FD()))
	}
	for i := range 6 {
		r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataNone | vfiouser.IRQTrigger, Index: vfiouser.IRQMSIX, Start: uint32(i), Count: 1}))
		r.waitEvent(events[i]) // each descriptor became the vector it came for
	}
}

// TestVersionAnswers: the answer is never longer than the question, and its
// version no newer.
func TestVersionAnswers(t *testing.T) {
	for _, test := range []struct{ minor, want uint16 }{{0, 0}, {1, 1}, {7, 1}} {
		for _, data := range []string{qemuVersion, `{}`, `{"capabilities":{}}`, ``} {
			c := dialRaw(t)
			request := vfiouser.Version{Minor: test.minor, Data: []byte(data)}.Append(nil)
			answer, err := c.Do(vfiouser.CmdVersion, request)
			if err != nil {
				t.Fatal(err)
			}
			v, err := vfiouser.DecodeVersion(bytes.Clone(answer))
			if err != nil || v.Major != 0 || v.Minor != test.want || len(answer) > len(request) {
				t.Errorf("%s: answer %q of %d bytes to %d, version %d.%d, %v", data, answer, len(answer), len(request), v.Major, v.Minor, err)
			}
		}
	}
}

// dialRaw connects to a device and says nothing.
func dialRaw(t testing.TB) *vfiouser.Client {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	server := connOf(t, fds[0])
	client := vfiouser.NewClient(connOf(t, fds[1]))
	done := make(chan struct{})
	go func() {
		defer close(done)
		serveEcho(t, server)
	}()
	t.Cleanup(func() { client.Close(); <-done })
	return client
}

// connOf takes over a socket.
func connOf(t testing.TB, fd int) *net.UnixConn {
	t.Helper()
	c, err := fileConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

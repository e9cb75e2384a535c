// SPDX-License-Identifier: Apache-2.0

package virtiopci_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// cloudClient speaks as Cloud Hypervisor 53 does, by its source (pci/src/vfio.rs,
// pci/src/vfio_user.rs, vmm/src/device_manager.rs) and that of its vfio_user crate
// (rust-vmm/vfio, vfio-user/src/lib.rs): it waits for each answer before the next
// command, reads as many bytes as a good answer has, never looks at the error flag,
// and so hangs on an answer that is shorter, and loses its place on a longer one.
type cloudClient struct {
	t    *testing.T
	conn *net.UnixConn
	id   uint16
}

// Sizes of its structures, header included.
const (
	cloudHeader     = 16
	cloudInfo       = cloudHeader + 16
	cloudRegionInfo = cloudHeader + 32
	cloudAccess     = cloudHeader + 16
	cloudIRQInfo    = cloudHeader + 16
	cloudUnmap      = cloudHeader + 24
	// cloudBatch is how many eventfds it sends with one message.
	cloudBatch = 16
)

// do sends a command and reads an answer of size bytes.
func (c *cloudClient) do(cmd vfiouser.Command, payload []byte, size int, fds ...int) []byte {
	c.t.Helper()
	b := vfiouser.Header{ID: c.id, Command: cmd, Size: uint32(cloudHeader + len(payload))}.Append(nil)
	c.id++
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := c.conn.WriteMsgUnix(append(b, payload...), oob, nil); err != nil {
		c.t.Fatalf("%v: %v", cmd, err)
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(c.conn, answer); err != nil {
		c.t.Fatalf("%v: waiting for %d bytes: %v", cmd, size, err)
	}
	h, err := vfiouser.DecodeHeader(answer[:cloudHeader])
	if err != nil || !h.Reply() || h.ID != c.id-1 || h.Flags&vfiouser.FlagError != 0 {
		c.t.Fatalf("%v: answer %+v, %v", cmd, h, err)
	}
	if int(h.Size) != size && cmd != vfiouser.CmdVersion {
		c.t.Fatalf("%v: an answer of %d bytes, and it reads %d", cmd, h.Size, size)
	}
	return answer
}

// words makes a payload of 32-bit words.
func words(w ...uint32) (b []byte) {
	for _, v := range w {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

// read and write are region_read and region_write.
func (c *cloudClient) read(region uint32, offset uint64, n int) []byte {
	c.t.Helper()
	p := binary.NativeEndian.AppendUint64(nil, offset)
	return c.do(vfiouser.CmdRegionRead, append(p, words(region, uint32(n))...), cloudAccess+n)[cloudAccess:]
}

func (c *cloudClient) write(region uint32, offset uint64, data []byte) {
	c.t.Helper()
	p := binary.NativeEndian.AppendUint64(nil, offset)
	c.do(vfiouser.CmdRegionWrite, append(append(p, words(region, uint32(len(data)))...), data...), cloudAccess)
}

func (c *cloudClient) dword(offset uint64) uint32 {
	c.t.Helper()
	return binary.LittleEndian.Uint32(c.read(vfiouser.RegionConfig, offset, 4))
}

// setIRQs is set_irqs: argsz is of the structure without the header.
func (c *cloudClient) setIRQs(index, flags, start, count uint32, fds ...int) {
	c.t.Helper()
	c.do(vfiouser.CmdSetIRQs, words(20, flags, index, start, count), cloudHeader, fds...)
}

func (c *cloudClient) irqs(index uint32) uint32 {
	c.t.Helper()
	return binary.NativeEndian.Uint32(c.do(vfiouser.CmdIRQInfo, words(16, 0, index, 0), cloudIRQInfo)[28:])
}

// connect is Client::new.
func (c *cloudClient) connect() {
	c.t.Helper()
	const version = `{"capabilities":{"max_msg_fds":1,"max_data_xfer_size":1048576,"migration":{"pgsize":4096}}}`
	payload := append([]byte{0, 0, 1, 0}, version+"\x00"...)
	head := c.do(vfiouser.CmdVersion, payload, cloudHeader+4)
	data := make([]byte, int(binary.NativeEndian.Uint32(head[4:]))-len(head))
	if _, err := io.ReadFull(c.conn, data); err != nil {
		c.t.Fatal(err)
	}
	// It takes the last byte off, unseen, and demands the key.
	var caps struct{ Capabilities *struct{} }
	if len(data) == 0 || data[len(data)-1] != 0 {
		c.t.Fatalf("version data %q", data)
	}
	if err := json.Unmarshal(data[:len(data)-1], &caps); err != nil || caps.Capabilities == nil {
		c.t.Fatalf("version data %q: %v", data, err)
	}

	// Its argsz counts the header too.
	info := c.do(vfiouser.CmdGetInfo, words(cloudInfo, 0, 0, 0), cloudInfo)
	flags, regions := binary.NativeEndian.Uint32(info[20:]), binary.NativeEndian.Uint32(info[24:])
	const isPCI, canReset = 2, 1
	if flags&isPCI == 0 {
		c.t.Fatalf("device flags %#x", flags)
	}
	for i := range regions {
		r := c.do(vfiouser.CmdRegionInfo, words(32, 0, i, 0, 0, 0, 0, 0), cloudRegionInfo)
		if argsz := binary.NativeEndian.Uint32(r[16:]); argsz > 32 {
			c.t.Fatalf("region %d: argsz %d has it ask again, for capabilities", i, argsz)
		}
	}
	// It has the meaning of this flag the wrong way round.
	if flags&canReset == 0 {
		c.do(vfiouser.CmdReset, nil, cloudHeader)
	}
}

// bars sizes the BARs, the ROM's too, and returns the sizes.
func (c *cloudClient) bars() (sizes []uint32) {
	c.t.Helper()
	for _, offset := range []uint64{0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30} {
		c.dword(offset)
		c.write(vfiouser.RegionConfig, offset, []byte{0xff, 0xff, 0xff, 0xff})
		size := c.dword(offset) &^ 0xf
		if size != 0 {
			size = -size
		}
		sizes = append(sizes, size)
	}
	return sizes
}

// TestCloudHypervisor: what Cloud Hypervisor sends for a --user-device, from the
// connection on to a driver in the guest and to the end, in its order; in between
// a driver's requests, on more vectors than fit into one message.
func TestCloudHypervisor(t *testing.T) {
	const queues = 20
	r := newServedRig(t, &echo{queues: queues})
	uc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer uc.Close()
	uc.SetDeadline(time.Now().Add(patience))
	c := &cloudClient{t: t, conn: uc}
	c.connect()

	// VfioCommon::new: status, capabilities, and which interrupts there are.
	if status := binary.LittleEndian.Uint16(c.read(vfiouser.RegionConfig, 0x06, 2)); status&(1<<4) == 0 {
		t.Fatalf("no capabilities: status %#x", status)
	}
	vectors := uint32(0)
	for at := c.read(vfiouser.RegionConfig, 0x34, 1)[0] &^ 3; at != 0; at = c.read(vfiouser.RegionConfig, uint64(at)+1, 1)[0] &^ 3 {
		const msix = 0x11
		if c.read(vfiouser.RegionConfig, uint64(at), 1)[0] != msix {
			continue
		}
		if vectors = c.irqs(vfiouser.IRQMSIX); vectors != queues+1 {
			t.Fatalf("%d vectors for %d queues", vectors, queues)
		}
		c.read(vfiouser.RegionConfig, uint64(at)+2, 2)
		c.dword(uint64(at) + 4)
		c.dword(uint64(at) + 8)
	}
	events := make([]*virtio.Event, vectors)
	fds := make([]int, vectors)
	for i := range events {
		if events[i], err = virtio.NewEvent(); err != nil {
			t.Fatal(err)
		}
		defer events[i].Close()
		fds[i] = events[i].FD()
	}
	intx, err := virtio.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	defer intx.Close()
	const trigger, none, unmask = vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, vfiouser.IRQDataNone | vfiouser.IRQTrigger, vfiouser.IRQDataNone | vfiouser.IRQUnmask
	if n := c.irqs(vfiouser.IRQIntx); n != 1 {
		t.Fatalf("%d INTx interrupts", n)
	}
	c.setIRQs(vfiouser.IRQIntx, trigger, 0, 1, intx.FD())

	// The guest's memory, one command a region.
	m := vfiouser.DMAMap{Flags: vfiouser.DMARead | vfiouser.DMAWrite, Address: guestAddr, Size: guestSize}
	c.do(vfiouser.CmdDMAMap, m.Append(nil), cloudHeader, int(r.file.Fd()))

	if sizes := c.bars(); sizes[0] == 0 || sizes[0]&(sizes[0]-1) != 0 || sizes[1] == 0 || sizes[2] != 0 || sizes[6] != 0 {
		t.Errorf("sizes of BARs: %#x", sizes)
	}

	// The guest's driver: as with any VMM from here on, but each write is
	// answered before the next, and MSI-X comes 16 vectors at a time.
	client := vfiouser.NewClient(uc)
	if r.Driver, err = virtiopci.NewDriver(client); err != nil {
		t.Fatal(err)
	}
	r.must(r.Negotiate(0))
	c.setIRQs(vfiouser.IRQIntx, none, 0, 0)
	for at := 0; at < len(fds); at += cloudBatch {
		batch := fds[at:min(at+cloudBatch, len(fds))]
		c.setIRQs(vfiouser.IRQMSIX, trigger, uint32(at), uint32(len(batch)), batch...)
	}
	var lanes []*lane
	for i := range queues {
		l := r.addLane(i, virtiopci.NoVector, virtqdrv.Config{})
		lanes = append(lanes, l)
	}
	// The queues' vectors are the guest's choice: the last ones too.
	for i, l := range lanes {
		vector := uint16(int(vectors) - 1 - i)
		r.must(r.AddQueue(i, l.q, vector))
		l.event = events[vector]
	}
	r.must(r.Ready())
	for _, l := range lanes {
		l.exchange(3)
	}

	// Back to INTx, and an interrupt that the guest took.
	c.setIRQs(vfiouser.IRQMSIX, none, 0, 0)
	c.setIRQs(vfiouser.IRQIntx, trigger, 0, 1, intx.FD())
	c.setIRQs(vfiouser.IRQIntx, unmask, 0, 1)
	r.must(r.Reset(time.Now().Add(patience)))
	answer := c.do(vfiouser.CmdDMAUnmap, vfiouser.DMAUnmap{Address: guestAddr, Size: guestSize}.Append(nil), cloudUnmap)
	if !bytes.Contains(answer, binary.NativeEndian.AppendUint64(nil, guestAddr)) {
		t.Errorf("the answer to DMA_UNMAP: %x", answer)
	}
	if err := uc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(uc, make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

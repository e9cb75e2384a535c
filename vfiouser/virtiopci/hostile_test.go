// SPDX-License-Identifier: Apache-2.0

package virtiopci_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/virtio"
)

// fileConn makes a connection of a descriptor.
func fileConn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// serveEcho serves a fresh device.
func serveEcho(t testing.TB, conn *net.UnixConn) error {
	f, err := virtiopci.New(virtio.NewInstance(&echo{queues: 3}, virtio.Options{}), virtiopci.Options{})
	if err != nil {
		t.Error(err)
		conn.Close()
		return err
	}
	return vfiouser.Serve(context.Background(), conn, f, vfiouser.Options{})
}

func header(id uint16, cmd vfiouser.Command, size, flags uint32) []byte {
	return vfiouser.Header{ID: id, Command: cmd, Size: size, Flags: flags}.Append(nil)
}

var hello = append(header(1, vfiouser.CmdVersion, 16+4, 0), 0, 0, 0, 0)

// TestBrokenStreams: what cannot be understood ends the connection, and
// nothing else.
func TestBrokenStreams(t *testing.T) {
	version := func(data string) []byte {
		b := append(header(1, vfiouser.CmdVersion, uint32(16+4+len(data)), 0), 0, 0, 0, 0)
		return append(b, data...)
	}
	major := version("")
	major[16] = 1
	for name, stream := range map[string][]byte{
		"too small":            header(1, vfiouser.CmdVersion, 15, 0),
		"too large":            header(1, vfiouser.CmdVersion, 1<<31, 0),
		"no type":              header(1, vfiouser.CmdVersion, 20, 2),
		"a reply":              append(hello[:len(hello):len(hello)], header(2, vfiouser.CmdReset, 16, 1)...),
		"not VERSION first":    header(1, vfiouser.CmdReset, 16, 0),
		"VERSION twice":        append(hello[:len(hello):len(hello)], hello...),
		"major version":        major,
		"version of two bytes": append(header(1, vfiouser.CmdVersion, 18, 0), 0, 0),
		"no NUL":               version(`{}`),
		"no JSON":              version("{\x00"),
		"no object":            version("[]\x00"),
		"half a header":        hello[:7],
		"half a payload":       hello[:18],
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t)
			c.SetDeadline(time.Now().Add(patience))
			if err := c.SendRaw(stream); err != nil {
				t.Fatal(err)
			}
			if name[:4] == "half" {
				c.Close()
				return
			}
			for {
				m, err := c.Receive()
				if err != nil {
					if !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
						t.Errorf("the connection did not end: %v", err)
					}
					return
				}
				// An answer to what came before, or an error.
				m.Close()
			}
		})
	}
}

// TestRefusedCommands: commands that are not served, and such that do not hold
// together, are answered with an error, and the connection goes on.
func TestRefusedCommands(t *testing.T) {
	r := newRig(t, new(echo))
	access := func(offset uint64, region, count uint32, data int) []byte {
		return vfiouser.RegionAccess{Offset: offset, Region: region, Count: count, Data: make([]byte, data)}.Append(nil)
	}
	for name, test := range map[string]struct {
		cmd     vfiouser.Command
		payload []byte
		fds     int
		want    error
	}{
		"IO_FDS":           {vfiouser.CmdRegionIOFDs, make([]byte, 16), 0, unix.EOPNOTSUPP},
		"DMA_READ":         {vfiouser.CmdDMARead, make([]byte, 16), 0, unix.EOPNOTSUPP},
		"DMA_WRITE":        {vfiouser.CmdDMAWrite, make([]byte, 16), 0, unix.EOPNOTSUPP},
		"DIRTY_PAGES":      {vfiouser.CmdDirtyPages, make([]byte, 16), 0, unix.EOPNOTSUPP},
		"WRITE_MULTI":      {vfiouser.CmdWriteMulti, make([]byte, 16), 0, unix.EOPNOTSUPP},
		"FEATURE":          {vfiouser.CmdFeature, make([]byte, 16), 0, unix.EOPNOTSUPP},
		"0":                {0, nil, 0, unix.EOPNOTSUPP},
		"65535":            {65535, nil, 3, unix.EOPNOTSUPP},
		"short map":        {vfiouser.CmdDMAMap, make([]byte, 31), 1, unix.EINVAL},
		"two files":        {vfiouser.CmdDMAMap, vfiouser.DMAMap{Flags: 3, Address: 0, Size: 4096}.Append(nil), 2, unix.EINVAL},
		"short unmap":      {vfiouser.CmdDMAUnmap, make([]byte, 23), 0, unix.EINVAL},
		"short region":     {vfiouser.CmdRegionInfo, make([]byte, 31), 0, unix.EINVAL},
		"region 9":         {vfiouser.CmdRegionInfo, vfiouser.RegionInfo{Index: 9}.Append(nil), 0, unix.EINVAL},
		"short interrupt":  {vfiouser.CmdIRQInfo, make([]byte, 15), 0, unix.EINVAL},
		"interrupt 5":      {vfiouser.CmdIRQInfo, vfiouser.IRQInfo{Index: 5}.Append(nil), 0, unix.EINVAL},
		"short set":        {vfiouser.CmdSetIRQs, make([]byte, 19), 1, unix.EINVAL},
		"short access":     {vfiouser.CmdRegionRead, make([]byte, 15), 0, unix.EINVAL},
		"read region 9":    {vfiouser.CmdRegionRead, access(0, 9, 1, 0), 0, unix.EINVAL},
		"read no region":   {vfiouser.CmdRegionRead, access(0, 2, 1, 0), 0, unix.EINVAL},
		"read beyond":      {vfiouser.CmdRegionRead, access(255, 7, 2, 0), 0, unix.EINVAL},
		"read far beyond":  {vfiouser.CmdRegionRead, access(^uint64(0), 7, 2, 0), 0, unix.EINVAL},
		"read too much":    {vfiouser.CmdRegionRead, access(0, 0, 0xffff_ffff, 0), 0, unix.EINVAL},
		"read with data":   {vfiouser.CmdRegionRead, access(0, 0, 1, 1), 0, unix.EINVAL},
		"write too little": {vfiouser.CmdRegionWrite, access(0, 0, 4, 3), 0, unix.EINVAL},
		"write too much":   {vfiouser.CmdRegionWrite, access(0, 0, 4, 5), 0, unix.EINVAL},
		"write beyond":     {vfiouser.CmdRegionWrite, access(0x3fff, 0, 2, 2), 0, unix.EINVAL},
	} {
		var fds []int
		for range test.fds {
			fds = append(fds, int(r.file.Fd()))
		}
		if _, err := r.c.Do(test.cmd, test.payload, fds...); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	// What is not to be answered is not, also if it fails.
	_, err := r.c.Start(vfiouser.CmdRegionWrite, vfiouser.FlagNoReply, access(0x3fff, 0, 2, 2))
	r.must(err)
	r.start(0, 1)[0].exchange(1)
}

// TestNothingLeaks: a thousand clients, each with memory, interrupts and a
// working queue, leave no descriptor, no mapping and no goroutine behind.
func TestNothingLeaks(t *testing.T) {
	file, mem := newMemory(t)
	event, err := virtio.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	defer event.Close()
	once := func(i int) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		server, client := connOf(t, fds[0]), vfiouser.NewClient(connOf(t, fds[1]))
		done := make(chan error, 1)
		go func() { done <- serveEcho(t, server) }()
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err = client.Version(vfiouser.Version{Data: []byte(qemuVersion)})
		check(err)
		check(client.Map(vfiouser.DMAMap{Flags: rw, Address: guestAddr, Size: guestSize}, int(file.Fd())))
		check(client.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, Index: vfiouser.IRQMSIX, Count: 3}, event.FD(), event.FD(), event.FD()))
		mem.Data[0] = 1
		d, err := virtiopci.NewDriver(client)
		check(err)
		if i%3 == 0 {
			check(d.Negotiate(0))
			check(d.Ready())
		}
		switch i % 4 {
		case 0: // with descriptors that belong to nothing
			_, err = client.Start(vfiouser.CmdReset, 0, nil, event.FD(), event.FD())
		case 1: // in the middle of a message, with descriptors
			err = client.SendRaw(header(9, vfiouser.CmdSetIRQs, 36, 0), event.FD())
		case 2: // with a message that ends the connection
			err = client.SendRaw(header(9, vfiouser.CmdSetIRQs, 15, 0), event.FD(), event.FD())
		}
		check(err)
		client.Close()
		<-done
	}
	once(0)
	fds, maps := openFDs(t), mappings(t)
	for i := range 1000 {
		once(i)
	}
	if n := openFDs(t); n != fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	if n := mappings(t); n != maps {
		t.Errorf("%d mappings of guest memory, %d before", n, maps)
	}
}

// FuzzConnection: no stream of messages does harm. Each message is a command
// byte, a length byte and so many bytes; some get a descriptor of memory.
func FuzzConnection(f *testing.F) {
	message := func(cmd vfiouser.Command, payload []byte) []byte {
		return append([]byte{byte(cmd), byte(len(payload))}, payload...)
	}
	post := func(at uint64, b ...byte) []byte {
		return message(vfiouser.CmdRegionWrite|0x80, vfiouser.RegionAccess{Offset: at, Count: uint32(len(b)), Data: b}.Append(nil))
	}
	memory := message(vfiouser.CmdDMAMap|0x40, vfiouser.DMAMap{Flags: 3, Address: 0x10000, Size: 0x10000}.Append(nil))
	start := append([]byte(nil), memory...)
	for _, m := range [][]byte{
		post(0x14, 3), post(0x08, 1, 0, 0, 0), post(0x0c, 1, 0, 0, 0), post(0x14, 11),
		post(0x18, 4, 0), post(0x20, 0, 0, 1, 0), post(0x28, 0, 0x10, 1, 0), post(0x30, 0, 0x20, 1, 0), post(0x1c, 1, 0),
		post(0x14, 15), post(0x3000, 0, 0),
		message(vfiouser.CmdDMAUnmap, vfiouser.DMAUnmap{Address: 0x10000, Size: 0x10000}.Append(nil)),
		memory, post(0x14, 0), message(vfiouser.CmdReset, nil),
	} {
		start = append(start, m...)
	}
	f.Add(start)
	f.Add(message(vfiouser.CmdSetIRQs|0x40, vfiouser.IRQSet{Flags: 0x24, Index: 2, Count: 1}.Append(nil)))
	f.Add(message(vfiouser.CmdRegionRead, vfiouser.RegionAccess{Region: 7, Count: 255}.Append(nil)))
	file, mem := newMemory(f)
	f.Fuzz(func(t *testing.T, program []byte) {
		mem.Data[0] = 1
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		server, client := connOf(t, fds[0]), vfiouser.NewClient(connOf(t, fds[1]))
		done := make(chan error, 1)
		go func() { done <- serveEcho(t, server) }()
		go func() {
			for { // answers must not fill the socket
				m, err := client.Receive()
				if err != nil {
					return
				}
				m.Close()
			}
		}()
		err = client.SendRaw(hello)
		for len(program) >= 2 && err == nil {
			n := min(int(program[1]), len(program)-2)
			cmd, flags := vfiouser.Command(program[0]&0x1f), uint32(0)
			if program[0]&0x80 != 0 {
				flags = vfiouser.FlagNoReply
			}
			b := append(header(7, cmd, uint32(16+n), flags), program[2:2+n]...)
			if program[0]&0x20 != 0 && n >= 4 {
				binary.LittleEndian.PutUint32(b[4:], binary.LittleEndian.Uint32(program[2:])&0x1ff)
			}
			if program[0]&0x40 != 0 {
				err = client.SendRaw(b, int(file.Fd()))
			} else {
				err = client.SendRaw(b)
			}
			program = program[2+n:]
		}
		client.Close()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("the server does not end")
		}
	})
}

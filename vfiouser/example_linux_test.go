// SPDX-License-Identifier: Apache-2.0

package vfiouser_test

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"vcrypto/vfiouser"
	"vcrypto/virtio/mem"
)

// register is a PCI function with one register of four bytes in BAR 0.
type register struct {
	value [4]byte
	mem   mem.Memory
	dma   *vfiouser.DMA
	irqs  *vfiouser.Interrupts
}

func (r *register) RegionSize(region int) uint64 {
	if region == vfiouser.RegionBAR0 {
		return uint64(len(r.value))
	}
	return 0
}

func (r *register) ReadRegion(_ int, p []byte, offset uint64) error {
	copy(p, r.value[offset:])
	return nil
}

func (r *register) WriteRegion(_ int, p []byte, offset uint64) error {
	copy(r.value[offset:], p)
	return nil
}

func (r *register) Interrupts() *vfiouser.Interrupts { return r.irqs }
func (r *register) DMA() *vfiouser.DMA               { return r.dma }
func (r *register) Reset() error                     { r.value = [4]byte{}; return nil }
func (r *register) Hold()                            {} // it does not touch guest memory
func (r *register) GoOn()                            {}
func (r *register) Fail(error)                       {}
func (r *register) Close() error                     { r.irqs.Close(); return r.dma.Close() }

// This is a device of its own kind, and a client that uses it.
func ExampleServe() {
	server, client := pair()
	dev := &register{irqs: vfiouser.NewInterrupts(0)}
	dev.dma = vfiouser.NewDMA(&dev.mem)
	done := make(chan error)
	go func() { done <- vfiouser.Serve(context.Background(), server, dev, vfiouser.Options{}) }()

	c := vfiouser.NewClient(client)
	v, err := c.Version(vfiouser.Version{Minor: 1})
	fmt.Println("version", v.Major, v.Minor, err)
	region, err := c.Region(vfiouser.RegionBAR0)
	fmt.Println("BAR 0 has", region.Size, "bytes", err)
	c.Post(vfiouser.RegionBAR0, 1, []byte{7, 8})
	var b [4]byte
	err = c.Read(vfiouser.RegionBAR0, 0, b[:])
	fmt.Println(b, err)
	err = c.Read(vfiouser.RegionBAR0, 2, b[:])
	fmt.Println(err)
	c.Close()
	fmt.Println(<-done)
	// Output:
	// version 0 1 <nil>
	// BAR 0 has 4 bytes <nil>
	// [0 7 8 0] <nil>
	// the server answered REGION_READ with invalid argument
	// <nil>
}

// pair returns two ends of a connection.
func pair() (a, b *net.UnixConn) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		if err != nil {
			panic(err)
		}
		f.Close()
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

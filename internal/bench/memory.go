// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"vcrypto/vhostuser"
	"vcrypto/virtio/virtqdrv"
)

// Kinds of guest memory.
const (
	MemFD   = "memfd"   // a memfd, as memory-backend-memfd makes it
	HugeTLB = "hugetlb" // a memfd of huge pages, as with hugetlb=on
)

// memoryPage is what sizes of guest memory are a multiple of: a huge page.
const memoryPage = 2 << 20

// newMemory makes guest memory: MemFD, HugeTLB, or a file in a directory, as
// memory-backend-file makes it, which may be in a tmpfs or a hugetlbfs.
func newMemory(kind string, size int) (*vhostuser.SharedMemory, error) {
	size = (size + memoryPage - 1) &^ (memoryPage - 1)
	var f *os.File
	var err error
	switch kind {
	case "", MemFD:
		return vhostuser.NewSharedMemory(size, guestBase)
	case HugeTLB:
		var fd int
		if fd, err = unix.MemfdCreate("guest-memory", unix.MFD_CLOEXEC|unix.MFD_HUGETLB|unix.MFD_HUGE_2MB); err == nil {
			f = os.NewFile(uintptr(fd), "guest-memory")
		}
	default:
		if f, err = os.CreateTemp(kind, "guest-memory-"); err == nil {
			err = os.Remove(f.Name())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("guest memory in %s: %w", kind, err)
	}
	if err := f.Truncate(int64(size)); err != nil {
		return nil, errors.Join(fmt.Errorf("guest memory of %d bytes in %s: %w", size, kind, err), f.Close())
	}
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guest memory of %d bytes in %s: mmap: %w", size, kind, err), f.Close())
	}
	return &vhostuser.SharedMemory{Memory: virtqdrv.Memory{Data: data, Addr: guestBase}, User: guestBase, File: f}, nil
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/virtqdrv"
)

// userBase is added to a guest address to make the address that the front-end
// claims to have it at. It is a name only, nobody uses it as a pointer.
const userBase = 0x7f00_0000_0000

// SharedMemory is "guest" memory that a front-end shares: a memfd that is
// mapped here. Rings and buffers are cut from it with Alloc and reached with
// Bytes.
type SharedMemory struct {
	virtqdrv.Memory

	// User is the address of the first byte in the front-end's address space.
	// Offset is where it is in File. Both may be changed before the memory is
	// shared.
	User, Offset uint64
	File         *os.File
}

// NewSharedMemory makes memory of a number of bytes at a guest physical
// address, both whole pages.
func NewSharedMemory(size int, guestAddr uint64) (*SharedMemory, error) {
	fd, err := unix.MemfdCreate("guest-memory", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", os.NewSyscallError("memfd_create", err))
	}
	f := file(fd, "guest-memory")
	if err := f.Truncate(int64(size)); err != nil {
		return nil, errors.Join(fmt.Errorf("shared memory of %d bytes: %w", size, err), f.Close())
	}
	data, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("shared memory of %d bytes: %w", size, os.NewSyscallError("mmap", err)), f.Close())
	}
	return &SharedMemory{
		Memory: virtqdrv.Memory{Data: data, Addr: guestAddr},
		User:   userBase + guestAddr,
		File:   f,
	}, nil
}

// Close unmaps the memory here. A back-end may have it mapped still.
func (m *SharedMemory) Close() error {
	err := unix.Munmap(m.Data)
	m.Data = nil
	return errors.Join(err, m.File.Close())
}

// Region is the memory as the protocol describes it.
func (m *SharedMemory) Region() MemRegion {
	return MemRegion{GuestAddr: m.Addr, Size: uint64(len(m.Data)), UserAddr: m.User, Offset: m.Offset}
}

// ShareMemory makes this the guest's memory, in place of what was.
func (fe *FrontEnd) ShareMemory(ms ...*SharedMemory) error {
	var regions []MemRegion
	var fds []int
	for _, m := range ms {
		regions = append(regions, m.Region())
		fds = append(fds, int(m.File.Fd()))
	}
	if err := fe.Do(ReqSetMemTable, AppendMemTable(nil, regions), fds...); err != nil {
		return err
	}
	fe.memory = slices.Clone(ms)
	return nil
}

// AddMemory adds to the guest's memory.
func (fe *FrontEnd) AddMemory(m *SharedMemory) error {
	if err := fe.Do(ReqAddMemReg, AppendSingleRegion(nil, m.Region()), int(m.File.Fd())); err != nil {
		return err
	}
	fe.memory = append(fe.memory, m)
	return nil
}

// RemoveMemory takes memory from the guest. When it returns without an error,
// and REPLY_ACK was negotiated, the back-end does not use it any more.
func (fe *FrontEnd) RemoveMemory(m *SharedMemory) error {
	if err := fe.Do(ReqRemMemReg, AppendSingleRegion(nil, m.Region())); err != nil {
		return err
	}
	fe.memory = slices.DeleteFunc(fe.memory, func(have *SharedMemory) bool { return have == m })
	return nil
}

// user translates a guest address. One outside memory is passed on as if
// memory reached there, for the back-end to refuse.
func (fe *FrontEnd) user(guest uint64) uint64 {
	for _, m := range fe.memory {
		if guest >= m.Addr && guest-m.Addr < uint64(len(m.Data)) {
			return m.User + (guest - m.Addr)
		}
	}
	return userBase + guest
}

// SPDX-License-Identifier: Apache-2.0

//go:build linux

package cuse

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readMemory copies len(p) bytes from a process.
func readMemory(pid int, addr uint64, p []byte) error {
	return transferMemory(pid, addr, p, unix.ProcessVMReadv)
}

// writeMemory copies p to a process.
func writeMemory(pid int, addr uint64, p []byte) error {
	return transferMemory(pid, addr, p, unix.ProcessVMWritev)
}

func transferMemory(pid int, addr uint64, p []byte, do func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error)) error {
	local := []unix.Iovec{{Base: unsafe.SliceData(p)}}
	local[0].SetLen(len(p))
	n, err := do(pid, local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(p)}}, 0)
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.ESRCH):
		return syscall.EMSGSIZE // see Call
	case err != nil || n != len(p):
		return syscall.EFAULT
	}
	return nil
}

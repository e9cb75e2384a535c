// SPDX-License-Identifier: Apache-2.0

//go:build linux

package cryptodev

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ioctl makes the system call.
func (c conn) Ioctl(request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(c), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

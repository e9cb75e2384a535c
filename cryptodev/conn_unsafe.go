// SPDX-License-Identifier: Apache-2.0

package cryptodev

import "unsafe"

// Conn is an open cryptodev file. Open provides one that makes system calls;
// tests and tracers bring their own to [New]. Its methods are called by
// several goroutines at once, but Close once, last and alone.
type Conn interface {
	// Ioctl makes the call. arg points to the struct that package abi has for
	// the request; the struct, and all that it points to, stay in place until
	// Ioctl returns. Errors are of type syscall.Errno.
	Ioctl(request uintptr, arg unsafe.Pointer) error

	// Close closes the file.
	Close() error
}

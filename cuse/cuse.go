// SPDX-License-Identifier: Apache-2.0

// Package cuse makes a character device of a program: what a driver does in
// the kernel for open, ioctl, poll and close, the program does, asked by the
// kernel over /dev/cuse.
//
//	program ── ioctl ──> /dev/NAME ──> kernel (module cuse) ──> /dev/cuse ──> Serve ──> File.Ioctl
//
// The kernel sends requests in the protocol of FUSE, a message for each call,
// and the caller waits until it is answered. An ioctl's argument is an address
// in the caller's memory that this process cannot follow. So an ioctl goes in
// rounds: the file says what it wants to read and write ([Call.Prepare]), the
// kernel copies that for it and asks anew. [File.Ioctl] is written as if all
// were one: it runs from its beginning in each round, and must not change
// anything before it has prepared all that it needs.
//
// The package knows nothing of what the device does. It is for Linux.
package cuse

import (
	"io/fs"
	"log/slog"
)

// Device is what a program serves.
type Device interface {
	// Open is called for each open of the node by a user. wake may be called
	// at any time, from any goroutine, when Poll's answer has changed; not
	// while a lock is held that Poll takes. Errors are of type syscall.Errno.
	Open(uid uint32, wake func()) (File, error)
}

// File is an open file of the device. Its methods are called by several
// goroutines at once, but Close once, last and alone.
type File interface {
	// Ioctl does a call; see the package's comment. Errors are of type
	// syscall.Errno, or *Told, or what Prepare returned.
	Ioctl(*Call) error
	// Poll says whether the file has something to read, and room to write.
	Poll() (readable, writable bool)
	Close()
}

// Told is an error of an ioctl that writes to its caller's memory all the
// same.
type Told struct{ Err error }

func (t *Told) Error() string { return t.Err.Error() }

// Unwrap returns the error.
func (t *Told) Unwrap() error { return t.Err }

// Options are a device's.
type Options struct {
	Name string      // of the node, in /dev
	Mode fs.FileMode // of the node
	GID  int         // of the node; negative: root's
	Log  *slog.Logger
}

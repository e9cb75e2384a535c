// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Event is an eventfd: how a kick, an interrupt or an error crosses a process
// boundary. The descriptor is kept as a number and its flags are left alone:
// O_NONBLOCK belongs to the open file, which the peer shares.
type Event struct {
	fd int
	// blocking: the peer made the file so. Look before each write.
	blocking bool
}

// NewEvent makes an event of this process.
func NewEvent() (*Event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &Event{fd: fd}, nil
}

// EventFromFD takes over a descriptor that a peer sent.
func EventFromFD(fd int) *Event {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return &Event{fd: fd, blocking: err == nil && flags&unix.O_NONBLOCK == 0}
}

// FD returns the descriptor, which stays the event's.
func (e *Event) FD() int { return e.fd }

// one is what a signal adds to the counter.
var one = func() (b [8]byte) { binary.NativeEndian.PutUint64(b[:], 1); return }()

// Notify signals the event. It does not wait, unless the peer makes the file
// blocking after it was taken over, and full.
func (e *Event) Notify() {
	if e.blocking && !canWrite(e.fd) {
		return // the counter is full, so the event is signalled
	}
	for {
		_, err := unix.Write(e.fd, one[:])
		if err != unix.EINTR {
			// EAGAIN: the counter is full, so the event is signalled. Other
			// errors mean a peer sent something that is no eventfd: its loss.
			return
		}
	}
}

// Drain takes the signal, if there is one, without waiting. It must not block
// even where the peer made the eventfd blocking.
func (e *Event) Drain() {
	if pollRead(0, e.fd)[0] == readable {
		e.take()
	}
}

// Take takes the signal of an event that poll(2) found readable, and reports
// whether the descriptor is an eventfd at all: others may be readable for
// ever.
func (e *Event) Take() bool { return pollRead(0, e.fd)[0] == readable && e.take() }

// take takes a signal that poll has seen. It reports false if this cannot be
// an eventfd: those have a count to read that is not 0, while /dev/null, a
// file or a socket may be readable for ever and have none.
func (e *Event) take() bool {
	var b [8]byte
	for {
		n, err := unix.Read(e.fd, b[:])
		switch err {
		case unix.EINTR:
		case unix.EAGAIN: // another reader was quicker
			return true
		default:
			return err == nil && n == len(b) && b != [8]byte{}
		}
	}
}

// Close closes the descriptor.
func (e *Event) Close() error { return unix.Close(e.fd) }

// canWrite reports whether a write would not block.
func canWrite(fd int) bool {
	set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(set, 0)
	return err == nil && n > 0 && set[0].Revents&unix.POLLOUT != 0
}

// readiness is what a poll found out about a descriptor.
type readiness uint8

const (
	quiet    readiness = iota
	readable           // there is a signal
	dead               // no signal will ever come: polling it again would spin
)

// pollRead waits until one of two descriptors can be read, at most for the
// given time, negative for no limit. Descriptors below 0 stay quiet.
func pollRead(timeout time.Duration, fds ...int) (found [2]readiness) {
	var set [2]unix.PollFd
	for i := range set {
		set[i].Fd = -1
	}
	for i, fd := range fds {
		set[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	var limit *unix.Timespec
	if timeout >= 0 {
		ts := unix.NsecToTimespec(timeout.Nanoseconds())
		limit = &ts
	}
	if n, err := unix.Ppoll(set[:], limit, nil); err != nil || n == 0 {
		return found
	}
	for i, p := range set {
		switch {
		case p.Revents&unix.POLLIN != 0:
			found[i] = readable
		case p.Revents != 0:
			found[i] = dead
		}
	}
	return found
}

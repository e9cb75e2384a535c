// SPDX-License-Identifier: Apache-2.0

package cuse

import (
	"errors"
	"syscall"
)

// Span is memory of a caller's.
type Span struct {
	Addr uint64
	Len  uint64 // bytes
}

// ErrAgain is [Call.Prepare]'s error where the memory is not here yet. The
// file returns it, having changed nothing, and is called once more with it.
var ErrAgain = errors.New("once more with the caller's memory")

// Call is an ioctl on its way.
//
// The memory of who made it is reached by saying beforehand what will be read
// and written ([Call.Prepare]). The kernel copies it, with the caller's own
// rights, so that an address is good or bad as it would be in a driver; if it
// is bad the caller gets EFAULT and the file hears no more of the call.
//
// One round of copying carries 128 KiB each way. What is larger is read and
// written directly (process_vm_readv(2)): the calling thread cannot go away
// before its call is answered, not even when it is killed, so that its number
// names it and nobody else for so long (unless an administrator ends the device
// under it). That takes CAP_SYS_PTRACE, and a
// caller in the same PID namespace; without, such a call is EMSGSIZE.
type Call struct {
	Cmd    uint32
	Arg    uint64
	Compat bool // the caller is a 32-bit program
	UID    uint32

	server reacher
	pid    int
	data   []byte // what the kernel copied for this round
	room   int    // bytes the kernel takes back in this round

	in, out []Span   // that the kernel copies
	at      [][]byte // of in: the data
	buf     []byte   // for out, span behind span
	written int      // bytes of buf up to the last one written
	far     []Span   // that are reached directly, to read or write
}

// Prepare says what will be read and what written, in addition to what was
// said before in this call. It returns nil if all that is here, ErrAgain if
// the file is to return that, or the call's error.
//
// All of out must be written before the file returns nil, but for the end of
// the last span. Writes happen when the file has returned.
func (c *Call) Prepare(in, out []Span) error {
	again := false
	for _, s := range in {
		switch {
		case s.Len == 0:
		case c.fits(c.in, s):
			n := int(s.Len)
			c.in = append(c.in, s)
			if n > len(c.data) {
				again = true
				n = len(c.data)
			}
			c.at = append(c.at, c.data[:n])
			c.data = c.data[n:]
		default:
			c.far = append(c.far, s)
		}
	}
	for _, s := range out {
		switch {
		case s.Len == 0:
		case c.fits(c.out, s):
			c.out = append(c.out, s)
			if n := len(c.buf) + int(s.Len); n <= cap(c.buf) {
				c.buf = c.buf[:n]
			} else {
				c.buf = append(c.buf, make([]byte, s.Len)...)
			}
		default:
			c.far = append(c.far, s)
		}
	}
	if len(c.in)+len(c.out) > maxSpans {
		return syscall.EINVAL
	}
	if again || len(c.buf) > c.room {
		return ErrAgain
	}
	return nil
}

// reacher reaches memory of callers directly, while it may.
type reacher interface {
	reach(pid int, addr uint64, p []byte, write bool) error
}

// fits says whether a span can be copied by the kernel beside the others.
func (c *Call) fits(others []Span, s Span) bool {
	room := uint64(maxRound)
	for _, o := range others {
		room -= o.Len
	}
	return s.Len <= room
}

// within says whether a span holds n bytes at addr, and where.
func (s Span) within(addr uint64, n int) (off uint64, ok bool) {
	off = addr - s.Addr
	return off, addr >= s.Addr && off <= s.Len && uint64(n) <= s.Len-off
}

// Read reads memory that was prepared.
func (c *Call) Read(addr uint64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	for i, s := range c.in {
		if off, ok := s.within(addr, len(p)); ok {
			copy(p, c.at[i][off:])
			return nil
		}
	}
	return c.reach(addr, p, false)
}

// Write writes memory that was prepared.
func (c *Call) Write(addr uint64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	base := 0
	for _, s := range c.out {
		if off, ok := s.within(addr, len(p)); ok {
			n := copy(c.buf[base+int(off):], p)
			c.written = max(c.written, base+int(off)+n)
			return nil
		}
		base += int(s.Len)
	}
	return c.reach(addr, p, true)
}

// reach reads or writes directly.
func (c *Call) reach(addr uint64, p []byte, write bool) error {
	for _, s := range c.far {
		if _, ok := s.within(addr, len(p)); ok {
			if c.pid == 0 {
				return syscall.EMSGSIZE // of another PID namespace
			}
			return c.server.reach(c.pid, addr, p, write)
		}
	}
	return syscall.EFAULT // a mistake of the file's: not prepared
}

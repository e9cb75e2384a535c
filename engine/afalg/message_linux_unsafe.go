// SPDX-License-Identifier: Apache-2.0

//go:build linux

package afalg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
)

// errTag: the tag of an AEAD is wrong.
var errTag = errors.New("the tag is wrong")

const (
	wordSize = 4 // bytes of a u32 of the kernel's

	// maxParts is the most pieces of memory of a message: additional data,
	// text, tag.
	maxParts = 3

	// ivHead is what struct af_alg_iv has before the IV: its length.
	ivHead = wordSize
)

// controlSize holds an operation, an IV and the length of additional data, each
// behind its header.
var controlSize = unix.CmsgSpace(wordSize) + unix.CmsgSpace(ivHead+engine.MaxIV) + unix.CmsgSpace(wordSize)

// message is what goes to an operation socket, and where what comes back goes to.
// It is used again and again, so that a request allocates nothing.
type message struct {
	header  unix.Msghdr
	parts   [maxParts]unix.Iovec
	n       int // of parts
	size    int // bytes of the parts
	control []byte
	used    int // bytes of control
}

// begin starts the message of a request to a cipher or an AEAD.
func (m *message) begin(operation uint32) {
	if m.control == nil {
		m.control = make([]byte, controlSize) // aligned as headers are
	}
	m.used = 0
	binary.NativeEndian.PutUint32(m.item(unix.ALG_SET_OP, wordSize), operation)
}

// item appends an item of control data, and returns its n bytes.
func (m *message) item(typ int32, n int) []byte {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&m.control[m.used]))
	h.Level, h.Type = unix.SOL_ALG, typ
	h.SetLen(unix.CmsgLen(n))
	data := m.control[m.used+unix.CmsgLen(0):][:n]
	m.used += unix.CmsgSpace(n)
	return data
}

// iv adds the IV, if there is one. It is copied.
func (m *message) iv(iv []byte) {
	if len(iv) == 0 {
		return
	}
	b := m.item(unix.ALG_SET_IV, ivHead+len(iv))
	binary.NativeEndian.PutUint32(b, uint32(len(iv)))
	copy(b[ivHead:], iv)
}

// additional says how much of what is sent is additional data, in bytes.
func (m *message) additional(n int) {
	binary.NativeEndian.PutUint32(m.item(unix.ALG_SET_AEAD_ASSOCLEN, wordSize), uint32(n))
}

// again makes the next message one that goes on from the last.
func (m *message) again() { m.used = 0 }

// add adds memory to read from, or to write to.
func (m *message) add(b []byte) {
	if len(b) == 0 {
		return
	}
	m.parts[m.n].Base = unsafe.SliceData(b)
	m.parts[m.n].SetLen(len(b))
	m.n++
	m.size += len(b)
}

// reset forgets everything: no memory of a request is named any more, no IV
// stays.
func (m *message) reset() {
	m.clear()
	clear(m.control)
	m.used = 0
}

// clear forgets the memory.
func (m *message) clear() {
	m.header = unix.Msghdr{}
	m.parts = [maxParts]unix.Iovec{}
	m.n, m.size = 0, 0
}

// send sends the memory that was added, and forgets it. It never waits for room
// in the socket: nobody else would make some.
func (m *message) send(op, flags int) error {
	if m.used > 0 {
		m.header.Control = &m.control[0]
		m.header.SetControllen(m.used)
	}
	return m.do("send to", unix.SYS_SENDMSG, op, flags)
}

// receive has the kernel do the request, into the memory that was added. All of it
// is filled.
func (m *message) receive(op int) error { return m.do("receive from", unix.SYS_RECVMSG, op, 0) }

func (m *message) do(what string, call uintptr, op, flags int) error {
	defer m.clear()
	m.header.Iov = &m.parts[0]
	m.header.SetIovlen(m.n)
	for {
		n, _, errno := unix.Syscall(call, uintptr(op), uintptr(unsafe.Pointer(&m.header)), uintptr(flags|unix.MSG_DONTWAIT))
		switch {
		case errno == unix.EINTR:
		case errno == unix.EBADMSG:
			return errTag
		case errno != 0:
			return fmt.Errorf("%s an AF_ALG operation: %w", what, errno)
		case int(n) != m.size:
			return fmt.Errorf("%s an AF_ALG operation: %d bytes of %d", what, n, m.size)
		default:
			return nil
		}
	}
}

// setKey gives a bound socket its key. The bytes are only read, by the kernel: no
// copy stays behind.
func setKey(fd int, key []byte) error {
	return setsockopt(fd, unix.ALG_SET_KEY, unsafe.Pointer(unsafe.SliceData(key)), len(key))
}

// setTagSize gives a bound socket its tag size, which goes where the length of an
// option's value is, without a value.
func setTagSize(fd, n int) error { return setsockopt(fd, unix.ALG_SET_AEAD_AUTHSIZE, nil, n) }

func setsockopt(fd, option int, value unsafe.Pointer, n int) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_ALG, uintptr(option), uintptr(value), uintptr(n), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// accept opens an operation socket. It has no address, and the kernel takes it ill
// if it is asked for one, as [unix.Accept4] does.
func accept(fd int) (int, error) {
	for {
		op, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(op), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"vcrypto/cryptodev/abi"
)

// The calls, each with its struct. The kernel follows addresses inside the
// structs that the Go runtime knows nothing of once the system call runs, so
// everything they name is pinned until it returns.

func (d *Device) ioctl(request uintptr, arg unsafe.Pointer) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.conn == nil {
		return os.ErrClosed
	}
	return d.conn.Ioctl(request, arg)
}

func (d *Device) newSession(p SessionParams) (id uint32, err error) {
	op := &abi.SessionOp{
		Cipher:    uint32(p.Cipher),
		KeyLen:    uint32(len(p.Key)),
		MAC:       uint32(p.Hash),
		MACKeyLen: uint32(len(p.HashKey)),
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(op)
	op.Key = address(&pin, p.Key)
	op.MACKey = address(&pin, p.HashKey)
	if err := d.ioctl(abi.CIOCGSESSION, unsafe.Pointer(op)); err != nil {
		return 0, err
	}
	return op.Session, nil
}

// address pins a slice's memory and returns where it is; nil for nothing.
func address(pin *runtime.Pinner, b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	pin.Pin(p)
	return p
}

func (d *Device) endSession(id uint32) error {
	return d.ioctl(abi.CIOCFSESSION, unsafe.Pointer(&id))
}

func (d *Device) info(id uint32) (*abi.SessionInfoOp, error) {
	op := &abi.SessionInfoOp{Session: id}
	if err := d.ioctl(abi.CIOCGSESSINFO, unsafe.Pointer(op)); err != nil {
		return nil, err
	}
	return op, nil
}

func (d *Device) publicKeys() (ops uint32, err error) {
	err = d.ioctl(abi.CIOCASYMFEAT, unsafe.Pointer(&ops))
	return ops, err
}

func (d *Device) clone() (fd int, err error) {
	var n int32
	if err := d.ioctl(abi.CRIOGET, unsafe.Pointer(&n)); err != nil {
		return 0, err
	}
	if n < 0 {
		// cryptodev-linux stores the error where the descriptor should be,
		// and reports success.
		return 0, syscall.Errno(-n)
	}
	return int(n), nil
}

// cryptCall is all that one CIOCCRYPT needs on the Go side; kept from call to
// call so that a request allocates nothing.
type cryptCall struct {
	op  abi.CryptOp
	iv  [abi.MaxIVLen]byte
	sum [abi.MaxDigestLen]byte
	pin runtime.Pinner
}

var cryptCalls = sync.Pool{New: func() any { return new(cryptCall) }}

// crypt does a request whose arguments have been checked. The IV is copied:
// the kernel reads and writes as many bytes as it thinks the cipher has; and
// so is the sum, which it writes where the session has a hash.
func (s *Session) crypt(dir Direction, dst, src, iv, sum []byte, flags Flags) error {
	c := cryptCalls.Get().(*cryptCall)
	copy(c.iv[:], iv)
	c.op = abi.CryptOp{
		Session: s.id,
		Op:      uint16(dir),
		Flags:   uint16(flags),
		Len:     uint32(len(src)),
	}
	c.pin.Pin(c)
	// Always there, even where the cipher has none: without it drivers go on
	// from the session's last IV, one request after the other.
	c.op.IV = unsafe.Pointer(&c.iv)
	c.op.MAC = unsafe.Pointer(&c.sum)
	c.op.Src = address(&c.pin, src)
	c.op.Dst = address(&c.pin, dst)
	err := s.dev.ioctl(abi.CIOCCRYPT, unsafe.Pointer(&c.op))
	c.pin.Unpin()
	if err == nil {
		copy(sum, c.sum[:])
		if flags&WriteIV != 0 {
			copy(iv, c.iv[:])
		}
	}
	c.op = abi.CryptOp{} // the pool must not keep the caller's memory alive
	cryptCalls.Put(c)
	return err
}

// copyHash copies a running hash to another session of the device.
func (s *Session) copyHash(to *Session) error {
	op := &abi.CopyHashOp{Dst: to.id, Src: s.id}
	return s.dev.ioctl(abi.CIOCCPHASH, unsafe.Pointer(op))
}

// authCall is all that one CIOCAUTHCRYPT needs on the Go side.
type authCall struct {
	op  abi.AuthOp
	iv  [abi.MaxIVLen]byte
	pin runtime.Pinner
}

var authCalls = sync.Pool{New: func() any { return new(authCall) }}

// authArgs are what a CIOCAUTHCRYPT works on.
type authArgs struct {
	dir      Direction
	flags    Flags
	auth     []byte // authenticated, not encrypted
	src, dst []byte // the kernel goes by src's length
	tag      []byte // of SRTP
	tagLen   int
	iv       []byte
}

// auth does a request whose arguments have been checked. n is how many bytes
// are at its destination.
func (s *Session) auth(a authArgs) (n int, err error) {
	c := authCalls.Get().(*authCall)
	clear(c.iv[:])
	copy(c.iv[:], a.iv)
	c.op = abi.AuthOp{
		Session: s.id,
		Op:      uint16(a.dir),
		Flags:   uint16(a.flags),
		Len:     uint32(len(a.src)),
		AuthLen: uint32(len(a.auth)),
		TagLen:  uint32(a.tagLen),
		IVLen:   uint32(len(a.iv)),
	}
	c.pin.Pin(c)
	c.op.IV = unsafe.Pointer(&c.iv)
	c.op.AuthSrc = address(&c.pin, a.auth)
	c.op.Src = address(&c.pin, a.src)
	c.op.Dst = address(&c.pin, a.dst)
	c.op.Tag = address(&c.pin, a.tag)
	if a.flags&(tls|srtp) != 0 {
		c.op.Src = c.op.Dst // in place, even where there is no text yet
	}
	err = s.dev.ioctl(abi.CIOCAUTHCRYPT, unsafe.Pointer(&c.op))
	c.pin.Unpin()
	n = int(c.op.Len)
	c.op = abi.AuthOp{} // the pool must not keep the caller's memory alive
	authCalls.Put(c)
	return n, err
}

// overlap reports whether a and b share memory but do not begin at the same
// address.
func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	pa := uintptr(unsafe.Pointer(unsafe.SliceData(a)))
	pb := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return pa != pb && pa < pb+uintptr(len(b)) && pb < pa+uintptr(len(a))
}

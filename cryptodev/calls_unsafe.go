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

func (d *Device) newSession(c Cipher, key []byte) (id uint32, err error) {
	op := &abi.SessionOp{
		Cipher: uint32(c),
		KeyLen: uint32(len(key)),
		Key:    unsafe.Pointer(unsafe.SliceData(key)),
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(op)
	pin.Pin(op.Key)
	if err := d.ioctl(abi.CIOCGSESSION, unsafe.Pointer(op)); err != nil {
		return 0, err
	}
	return op.Session, nil
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
	pin runtime.Pinner
}

var cryptCalls = sync.Pool{New: func() any { return new(cryptCall) }}

// crypt does a request whose arguments have been checked. The IV is copied:
// the kernel reads and writes as many bytes as it thinks the cipher has.
func (s *Session) crypt(dir Direction, dst, src, iv []byte, flags Flags) error {
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
	if len(src) > 0 {
		c.op.Src = unsafe.Pointer(unsafe.SliceData(src))
		c.op.Dst = unsafe.Pointer(unsafe.SliceData(dst))
		c.pin.Pin(c.op.Src)
		c.pin.Pin(c.op.Dst)
	}
	err := s.dev.ioctl(abi.CIOCCRYPT, unsafe.Pointer(&c.op))
	c.pin.Unpin()
	if err == nil && flags&WriteIV != 0 {
		copy(iv, c.iv[:])
	}
	c.op = abi.CryptOp{} // the pool must not keep the caller's memory alive
	cryptCalls.Put(c)
	return err
}

// authCrypt does a request of an AEAD whose arguments have been checked.
func (s *Session) authCrypt(dir Direction, dst, src, aad, iv []byte) error {
	c := new(struct {
		op  abi.AuthCryptOp
		iv  [abi.MaxIVLen]byte
		pin runtime.Pinner
	})
	copy(c.iv[:], iv)
	c.op = abi.AuthCryptOp{
		Session: s.id,
		Op:      uint16(dir),
		Len:     uint32(len(src)),
		AuthLen: uint32(len(aad)),
		TagLen:  GCMTagSize,
		IVLen:   uint32(len(iv)),
	}
	defer c.pin.Unpin()
	c.pin.Pin(c)
	c.op.IV = unsafe.Pointer(&c.iv)
	for _, m := range []struct {
		at *unsafe.Pointer
		b  []byte
	}{{&c.op.Src, src}, {&c.op.Dst, dst}, {&c.op.AuthSrc, aad}} {
		if len(m.b) > 0 {
			*m.at = unsafe.Pointer(unsafe.SliceData(m.b))
			c.pin.Pin(*m.at)
		}
	}
	return s.dev.ioctl(abi.CIOCAUTHCRYPT, unsafe.Pointer(&c.op))
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

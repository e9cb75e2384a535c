// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"vcrypto/cryptodev/abi"
)

var (
	// ErrFull is Submit's error where the driver has no room for another
	// request before one is fetched.
	ErrFull = errors.New("as many requests are under way as the driver takes")
	// ErrEmpty is Fetch's error where no request is done.
	ErrEmpty = errors.New("no request is done")
)

// Request is one to be done while the program does something else: it is
// handed over by [Session.Submit] and comes back from [Device.Fetch]. Between
// the two it and its slices belong to the kernel.
type Request struct {
	Direction    Direction
	Dst, Src, IV []byte // as for Session.Crypt; a hash alone has only Src
	Sum          []byte // of a session with a hash, as for Session.CryptSum
	Flags        Flags
	Owner        any // the caller's, left alone

	// Err is what became of it, once fetched.
	Err error

	op  abi.CryptOp
	iv  [abi.MaxIVLen]byte
	sum [abi.MaxDigestLen]byte
	pin runtime.Pinner
}

// mark is what tells the request when it comes back: the address of its sum,
// which drivers give back as they got it.
func (r *Request) mark() unsafe.Pointer { return unsafe.Pointer(&r.sum) }

// flights are a device's requests under way, by the mark that comes back with
// each. Being in here keeps them from the garbage collector.
type flights struct {
	mu sync.Mutex
	by map[uintptr]*Request
}

func (f *flights) add(r *Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = make(map[uintptr]*Request)
	}
	f.by[uintptr(r.mark())] = r
}

func (f *flights) take(mark unsafe.Pointer) *Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.by[uintptr(mark)]
	delete(f.by, uintptr(mark))
	return r
}

func (f *flights) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.by)
}

// Submit hands over a request. The error is [ErrFull] where there is no room:
// the request is the caller's still, as after any error.
//
// Drivers may have this call (CIOCASYNCCRYPT) or not: EINVAL is what those
// without say.
func (s *Session) Submit(r *Request) error {
	if err := s.checkRequest(r); err != nil {
		return &Error{opSubmit, s.dev.path, err}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return &Error{opSubmit, s.dev.path, os.ErrClosed}
	}
	copy(r.iv[:], r.IV)
	r.Err = nil
	r.op = abi.CryptOp{
		Session: s.id,
		Op:      uint16(r.Direction),
		Flags:   uint16(r.Flags),
		Len:     uint32(len(r.Src)),
		IV:      unsafe.Pointer(&r.iv),
		MAC:     r.mark(),
	}
	if s.hash != 0 {
		r.op.Flags |= uint16(reset) // a message of its own
	}
	r.pin.Pin(r)
	r.op.Src = address(&r.pin, r.Src)
	r.op.Dst = address(&r.pin, r.Dst)
	s.dev.flights.add(r)
	err := s.dev.ioctl(abi.CIOCASYNCCRYPT, unsafe.Pointer(&r.op))
	if err == nil {
		return nil
	}
	s.dev.flights.take(r.mark())
	r.land()
	if errors.Is(err, syscall.EBUSY) && s.dev.flights.len() > 0 {
		err = ErrFull
	}
	return &Error{opSubmit, s.dev.path, err}
}

func (s *Session) checkRequest(r *Request) error {
	if r.Sum != nil || s.cipher == 0 {
		if err := s.checkSum(r.Sum); err != nil {
			return err
		}
	}
	if s.cipher != 0 {
		return s.check(r.Direction, r.Dst, r.Src, r.IV)
	}
	if len(r.Dst) > 0 {
		return fmt.Errorf("a hash has no destination but Sum: %w", syscall.EINVAL)
	}
	return checkLen(r.Src)
}

// land lets go of what the kernel had of it.
func (r *Request) land() {
	r.op = abi.CryptOp{}
	r.pin.Unpin()
}

// Fetch returns the request that was done first of those not fetched yet; its
// Err says what became of it. If none is done it waits if told to, and else
// the error is [ErrEmpty], as it is when none is under way. An error without
// a request is of the device; drivers that do not say which request an error
// is of, as cryptodev-linux, give it this way too.
func (d *Device) Fetch(wait bool) (*Request, error) {
	for {
		op := new(abi.CryptOp)
		err := d.ioctl(abi.CIOCASYNCFETCH, unsafe.Pointer(op))
		if r := d.flights.take(op.MAC); r != nil {
			if err == nil {
				copy(r.Sum, r.sum[:])
				if r.Flags&WriteIV != 0 {
					copy(r.IV, r.iv[:])
				}
			}
			r.land()
			if err != nil {
				r.Err = &Error{opFetch, d.path, err}
			}
			return r, nil
		}
		switch {
		case err == nil:
			err = errors.New("a request came back that is not of this Device")
		case errors.Is(err, syscall.EBUSY) && (!wait || d.flights.len() == 0):
			err = ErrEmpty
		case errors.Is(err, syscall.EBUSY):
			if err = d.waitReadable(); err == nil {
				continue
			}
		}
		return nil, &Error{opFetch, d.path, err}
	}
}

// waitReadable waits until something can be fetched.
func (d *Device) waitReadable() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.conn == nil {
		return os.ErrClosed
	}
	w, ok := d.conn.(interface{ wait() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return w.wait()
}

// settle fetches what is under way: until then the kernel may write to it.
func (d *Device) settle() {
	for d.flights.len() > 0 {
		if r, err := d.Fetch(true); r == nil && err != nil {
			return
		}
	}
}

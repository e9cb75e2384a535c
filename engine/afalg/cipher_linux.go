// SPDX-License-Identifier: Apache-2.0

package afalg

import (
	"golang.org/x/sys/unix"

	"vcrypto/engine"
)

const aesBlock = 16 // FIPS 197: bytes

// cipherSession is a cipher in one direction.
type cipherSession struct {
	base
	algorithm engine.Algorithm
	direction engine.Direction
}

// operation returns the kernel's number of a direction.
func operation(d engine.Direction) uint32 {
	if d == engine.Encrypt {
		return unix.ALG_OP_ENCRYPT
	}
	return unix.ALG_OP_DECRYPT
}

func (s *cipherSession) check(r *engine.Request) engine.Status {
	n := len(r.Src)
	if n != len(r.Dst) || n%s.algorithm.BlockSize() != 0 || int(r.IVLen) != s.algorithm.IVSize() {
		return engine.BadRequest
	}
	if s.algorithm == engine.AESXTS {
		if n < aesBlock {
			return engine.BadRequest
		}
		if n > s.engine.room {
			return engine.NotSupported // it cannot be done in pieces
		}
	}
	return engine.OK
}

// run does a request in pieces that fit the socket. The kernel keeps the IV for
// the next one: those that come without one go on from there.
func (s *cipherSession) run(w *work, op int, r *engine.Request) error {
	m := &w.message
	m.begin(operation(s.direction))
	m.iv(r.IV[:r.IVLen])
	for src, dst := r.Src, r.Dst; len(src) > 0; {
		n := min(len(src), s.engine.room)
		m.add(src[:n])
		if err := m.send(op, 0); err != nil {
			return err
		}
		m.add(dst[:n])
		if err := m.receive(op); err != nil {
			return err
		}
		src, dst = src[n:], dst[n:]
		m.again()
	}
	return nil
}

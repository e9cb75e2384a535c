// SPDX-License-Identifier: Apache-2.0

package afalg

import (
	"golang.org/x/sys/unix"

	"vcrypto/engine"
)

// hashPiece is how much is hashed in one system call, in bytes: what a thread may
// be kept in the kernel for.
const hashPiece = 1 << 20

// hashSession is a hash or a MAC.
type hashSession struct {
	base
	size int  // of the result, bytes
	part bool // less of the result will do
}

func (s *hashSession) check(r *engine.Request) engine.Status {
	if n := len(r.Dst); n > s.size || n < s.size && (!s.part || n == 0) || r.IVLen != 0 {
		return engine.BadRequest
	}
	return engine.OK
}

// run hashes a message. The last piece may be empty, as the message may be.
func (s *hashSession) run(w *work, op int, r *engine.Request) error {
	m := &w.message
	src := r.Src
	for len(src) > hashPiece {
		m.add(src[:hashPiece])
		if err := m.send(op, unix.MSG_MORE); err != nil {
			return err
		}
		src = src[hashPiece:]
	}
	m.add(src)
	if err := m.send(op, 0); err != nil {
		return err
	}
	m.add(r.Dst)
	return m.receive(op)
}

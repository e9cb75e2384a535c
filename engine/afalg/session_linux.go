// SPDX-License-Identifier: Apache-2.0

package afalg

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
)

// work is what a worker needs for a request at a time.
type work struct {
	message message
	buf     []byte
}

// room returns n bytes of the worker's own.
func (w *work) room(n int) []byte {
	if n > cap(w.buf) {
		w.buf = make([]byte, n)
	}
	return w.buf[:n]
}

// session is what the sessions of all kinds are to a worker.
type session interface {
	engine.Session
	// check says whether a request can be done: OK, or how it ends.
	check(r *engine.Request) engine.Status
	// run does it, on an operation socket that is the caller's.
	run(w *work, op int, r *engine.Request) error
	common() *base
}

// do does a request.
func (w *work) do(r *engine.Request) engine.Status {
	s, ok := r.Session.(session)
	if !ok {
		return engine.Failed
	}
	if status := s.check(r); status != engine.OK {
		return status
	}
	b := s.common()
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.sockets.ready()
	if err == nil {
		err = s.run(w, b.sockets.op, r)
	}
	w.message.reset()
	switch {
	case err == nil:
		return engine.OK
	case errors.Is(err, errTag):
		clear(r.Dst)
		return engine.BadTag
	}
	b.sockets.spoil()
	b.engine.trouble.Log(name, fmt.Errorf("%d bytes: %w", len(r.Src), err))
	return engine.Failed
}

// base is a part of all sessions.
type base struct {
	engine  *Engine
	atClose func()

	mu      sync.Mutex // held for a request
	sockets *sockets   // guarded by mu
}

func (b *base) common() *base { return b }

// AtClose has Close call f when it is done.
func (b *base) AtClose(f func()) { b.atClose = f }

// Close ends the session's sockets; the kernel zeroes the key.
func (b *base) Close() {
	b.mu.Lock()
	b.sockets.close()
	b.mu.Unlock()
	if b.atClose != nil {
		b.atClose()
	}
}

// sockets are a session's.
type sockets struct {
	bound int // to the algorithm, with the key
	op    int // accepted from it; -1: none
}

// dial opens the sockets of a session. Its errors wrap engine.ErrKey or
// engine.ErrNotSupported where the kernel refuses the parameters, ENOENT where
// it does not have the algorithm.
func dial(p engine.Params) (*sockets, error) {
	typ, alg := kernelTypes[p.Algorithm.Kind()], kernelNames[p.Algorithm]
	fd, err := unix.Socket(unix.AF_ALG, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open an AF_ALG socket: %w", err)
	}
	x := &sockets{bound: fd, op: -1}
	if err := unix.Bind(fd, &unix.SockaddrALG{Type: typ, Name: alg}); err != nil {
		x.close()
		return nil, fmt.Errorf("ask the kernel for %s %s: %w", typ, alg, err)
	}
	if err := x.prepare(p); err != nil {
		x.close()
		return nil, err
	}
	if err := x.ready(); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

// prepare gives the bound socket its key and tag size.
func (x *sockets) prepare(p engine.Params) error {
	kind := p.Algorithm.Kind()
	key := p.Key
	if kind == engine.MAC && len(key) == 0 {
		key = []byte{0} // the same HMAC: keys are filled up with zeros (RFC 2104 section 2)
	}
	if kind != engine.Hash {
		if err := setKey(x.bound, key); err != nil {
			err = fmt.Errorf("give the kernel a key of %d bytes: %w", len(key), err)
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EKEYREJECTED) {
				err = fmt.Errorf("%w: %w", engine.ErrKey, err)
			}
			return err
		}
	}
	if kind != engine.AEAD {
		return nil
	}
	err := setTagSize(x.bound, p.TagSize)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("a tag of %d bytes: %w", p.TagSize, engine.ErrNotSupported)
	}
	if err != nil {
		return fmt.Errorf("give the kernel a tag size of %d bytes: %w", p.TagSize, err)
	}
	return nil
}

// ready sees to it that there is an operation socket.
func (x *sockets) ready() error {
	if x.op >= 0 {
		return nil
	}
	fd, err := accept(x.bound)
	if err != nil {
		return fmt.Errorf("open an AF_ALG operation: %w", err)
	}
	x.op = fd
	return nil
}

// spoil closes an operation socket that may hold something.
func (x *sockets) spoil() {
	if x.op >= 0 {
		unix.Close(x.op) // there is nothing to do about an error
		x.op = -1
	}
}

func (x *sockets) close() {
	x.spoil()
	unix.Close(x.bound)
}

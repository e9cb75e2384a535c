// SPDX-License-Identifier: Apache-2.0

// Package node is the other side of the cryptodev API: what a driver does for
// the ioctls of a program, in Go, with an engine of this program's for the
// ciphers and Go's library for the hashes.
//
// It behaves as cryptodev-linux 1.14, errno by errno, and as the guest driver
// where the two differ: see guest/driver/README.md. What it lacks is CRIOGET:
// no program can give another one a descriptor that easily.
//
// A [Node] is opened as often as programs open theirs; each [File] has its
// sessions and its asynchronous operations. How the memory of the caller is
// reached is [Memory]'s business: package cuse has a way through the kernel,
// cryptodevtest one for callers in the same process.
package node

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"vcrypto/engine"
)

// Limits.
const (
	// MaxSessions is how many sessions a file may have; more are ENOSPC.
	MaxSessions = 4096

	// MaxAsync is how many asynchronous operations a file may have that are
	// not fetched; more are EBUSY.
	MaxAsync = 256

	// maxWhole is the longest message, in bytes, of what cannot be done in
	// pieces; longer ones are EMSGSIZE.
	maxWhole = 4 << 20

	// chunk is how much of a longer message is worked on at a time, in bytes.
	chunk = 128 << 10
)

// Options are a node's.
type Options struct {
	// Engine does the ciphers. It stays the caller's.
	Engine engine.Engine
	// Driver is what session info names as the driver, before the name of the
	// algorithm.
	Driver string
	// Flags of session info, of package abi.
	InfoFlags uint32
	// MaxAsync is less than the constant, for tests; 0: the constant.
	MaxAsync int
}

// Node is a cryptodev node. Its methods may be called by several goroutines at
// once.
type Node struct {
	o Options

	mu      sync.Mutex
	workers []engine.Worker // idle
	buffers [][]byte        // idle, of chunk bytes
}

// New makes a node.
func New(o Options) *Node {
	if o.MaxAsync == 0 {
		o.MaxAsync = MaxAsync
	}
	return &Node{o: o}
}

// Close gives back what is kept for the next operation. All files are closed
// before.
func (n *Node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for _, w := range n.workers {
		errs = append(errs, w.Close())
	}
	n.workers, n.buffers = nil, nil
	return errors.Join(errs...)
}

// do has the engine do a request.
func (n *Node) do(r *engine.Request) error {
	w, err := n.worker()
	if err != nil {
		return fmt.Errorf("a worker for the request: %w", errors.Join(err, syscall.ENOMEM))
	}
	w.Submit([]*engine.Request{r})
	done := make([]*engine.Request, 1)
	for w.Reap(done, engine.Wait) == 0 {
	}
	n.mu.Lock()
	n.workers = append(n.workers, w)
	n.mu.Unlock()
	switch r.Status {
	case engine.OK:
		return nil
	case engine.BadTag:
		return syscall.EBADMSG
	case engine.BadRequest:
		return syscall.EINVAL
	case engine.NotSupported:
		return syscall.EOPNOTSUPP
	}
	return syscall.EIO
}

func (n *Node) worker() (engine.Worker, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if last := len(n.workers) - 1; last >= 0 {
		w := n.workers[last]
		n.workers = n.workers[:last]
		return w, nil
	}
	return n.o.Engine.NewWorker(engine.WorkerConfig{Depth: 1})
}

// buffer returns chunk bytes.
func (n *Node) buffer() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if last := len(n.buffers) - 1; last >= 0 {
		b := n.buffers[last]
		n.buffers = n.buffers[:last]
		return b
	}
	return make([]byte, chunk)
}

// done takes a buffer back; plaintext has been in it.
func (n *Node) done(b []byte, used int) {
	clear(b[:used])
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buffers = append(n.buffers, b)
}

// Span is memory of a caller's.
type Span struct {
	Addr uint64
	Len  uint64 // bytes
}

// Memory is that of a caller, while its ioctl runs.
//
// Prepare says what will be read and written. It may return an error with
// which the ioctl is to return and to be called anew, so nothing is changed
// before all is prepared. Then all of out is written, or the ioctl fails; but
// for the end of the last span. Spans of no bytes may have any address.
type Memory interface {
	Prepare(in, out []Span) error
	Read(addr uint64, p []byte) error
	Write(addr uint64, p []byte) error
}

// Told is an error of an ioctl that has written to its caller all the same.
type Told struct{ Errno syscall.Errno }

func (t *Told) Error() string { return t.Errno.Error() }

// Unwrap returns the errno.
func (t *Told) Unwrap() error { return t.Errno }

// SPDX-License-Identifier: Apache-2.0

package node

import (
	"math/rand/v2"
	"sync"
	"syscall"

	"vcrypto/cryptodev/abi"
)

// File is an open file of a node. Its methods may be called by several
// goroutines at once, but Close once and last.
type File struct {
	node *Node
	wake func()

	mu       sync.Mutex
	sessions map[uint32]*session
	done     []flight // not fetched yet
}

// flight is an asynchronous operation that is done.
type flight struct {
	op  []byte // its struct
	ptr int
	err error
}

// Open opens the node. wake, if not nil, is called when Poll's answer changed.
func (n *Node) Open(wake func()) *File {
	return &File{node: n, wake: wake, sessions: make(map[uint32]*session)}
}

// Close ends the file's sessions.
func (f *File) Close() {
	f.mu.Lock()
	sessions := f.sessions
	f.sessions, f.done = nil, nil
	f.mu.Unlock()
	for _, s := range sessions {
		s.end()
	}
}

// Sessions is how many sessions are open.
func (f *File) Sessions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sessions)
}

// Poll says whether an operation can be fetched, and whether there is room for
// another.
func (f *File) Poll() (readable, writable bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.done) > 0, len(f.done) < f.node.o.MaxAsync
}

// find returns a session.
func (f *File) find(id uint32) *session {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[id]
}

// publish gives a session an id: random, and free in this file.
func (f *File) publish(s *session) (id uint32, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sessions == nil {
		return 0, syscall.EBADF
	}
	if len(f.sessions) >= MaxSessions {
		return 0, syscall.ENOSPC
	}
	for id = rand.Uint32(); f.sessions[id] != nil; {
		id = rand.Uint32()
	}
	f.sessions[id] = s
	return id, nil
}

// Ioctl does a call; 32-bit callers have structs of their own. The error is a
// syscall.Errno, *Told, or what the memory's Prepare returned.
func (f *File) Ioctl(m Memory, cmd uintptr, arg uint64, compat bool) error {
	ptr := func(size func(int) int) (int, bool) {
		switch {
		case requestSize(cmd) == size(wide):
			return wide, true
		case compat && requestSize(cmd) == size(narrow):
			return narrow, true
		}
		return 0, false
	}
	switch cmd {
	case abi.CIOCFSESSION:
		return f.endSession(m, arg)
	case abi.CIOCASYMFEAT:
		return put(m, arg, make([]byte, 4)) // no public key operation
	case abi.CIOCGSESSINFO:
		return f.info(m, arg)
	case abi.CIOCCPHASH:
		return f.copyHash(m, arg)
	}
	if compat && requestSize(cmd) == cryptSize(narrow) {
		// The numbers that cryptodev-linux has for 32-bit callers.
		switch requestNumber(cmd) {
		case 107:
			return f.submit(m, arg, narrow)
		case 108:
			return f.fetch(m, arg, narrow)
		}
	}
	switch requestNumber(cmd) {
	case requestNumber(abi.CIOCGSESSION):
		if p, ok := ptr(sessionSize); ok {
			return f.newSession(m, arg, p)
		}
	case requestNumber(abi.CIOCCRYPT):
		if p, ok := ptr(cryptSize); ok {
			return f.crypt(m, arg, p)
		}
	case requestNumber(abi.CIOCAUTHCRYPT):
		if p, ok := ptr(authSize); ok {
			return f.auth(m, arg, p)
		}
	case requestNumber(abi.CIOCASYNCCRYPT):
		if p, ok := ptr(cryptSize); ok {
			return f.submit(m, arg, p)
		}
	case requestNumber(abi.CIOCASYNCFETCH):
		if p, ok := ptr(cryptSize); ok {
			return f.fetch(m, arg, p)
		}
	}
	return syscall.EINVAL // CRIOGET and CIOCKEY among them
}

// put writes a struct.
func put(m Memory, addr uint64, b []byte) error {
	if err := m.Prepare(nil, []Span{{addr, uint64(len(b))}}); err != nil {
		return err
	}
	return m.Write(addr, b)
}

// get reads a struct of n bytes. back says that it will be written too.
func get(m Memory, addr uint64, n int, back bool) ([]byte, error) {
	span := []Span{{addr, uint64(n)}}
	var out []Span
	if back {
		out = span
	}
	if err := m.Prepare(span, out); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	return b, m.Read(addr, b)
}

// endSession is CIOCFSESSION. An id that is not there is no error: so it is in
// cryptodev-linux.
func (f *File) endSession(m Memory, arg uint64) error {
	b, err := get(m, arg, 4, false)
	if err != nil {
		return err
	}
	id := order.Uint32(b)
	f.mu.Lock()
	s := f.sessions[id]
	delete(f.sessions, id)
	f.mu.Unlock()
	if s != nil {
		s.end()
	}
	return nil
}

// info is CIOCGSESSINFO. What the session does not have is left as it is.
func (f *File) info(m Memory, arg uint64) error {
	b, err := get(m, arg, infoSize, true)
	if err != nil {
		return err
	}
	s := f.find(order.Uint32(b))
	if s == nil {
		return syscall.EINVAL
	}
	if s.cipher != nil {
		putInfo(b[infoCipher:], s.cipher.name, f.node.o.Driver+"-"+s.cipher.name)
	}
	if s.hash != nil {
		putInfo(b[infoHash:], s.hash.name, f.node.o.Driver+"-"+s.hash.name)
	}
	order.PutUint16(b[infoAlign:], 0)
	order.PutUint32(b[infoFlags:], f.node.o.InfoFlags)
	return m.Write(arg, b)
}

// copyHash is CIOCCPHASH.
func (f *File) copyHash(m Memory, arg uint64) error {
	b, err := get(m, arg, cphashSize, false)
	if err != nil {
		return err
	}
	to, from := order.Uint32(b), order.Uint32(b[4:])
	if to == from {
		return syscall.EDEADLK
	}
	dst, src := f.find(to), f.find(from)
	if dst == nil || src == nil {
		return syscall.ENOENT
	}
	first, second := dst, src
	if to > from { // everybody in the same order
		first, second = src, dst
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	second.mu.Lock()
	defer second.mu.Unlock()
	return dst.copyFrom(src)
}

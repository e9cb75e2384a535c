// SPDX-License-Identifier: Apache-2.0

package cryptodevtest

import (
	"slices"
	"syscall"
	"unsafe"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/abi"
	"vcrypto/cryptodev/node"
)

// file is an open file of a node: the kernel's side of the calls.
type file struct {
	node *Node
	file *node.File
}

func (f *file) Ioctl(request uintptr, arg unsafe.Pointer) error {
	if f.node.Fail != nil {
		if err := f.node.Fail(request); err != nil {
			return err
		}
	}
	switch request {
	case abi.CIOCGSESSION:
		if op := (*abi.SessionOp)(arg); op.Cipher != 0 && !f.node.takes(op.Cipher, op.KeyLen) {
			return syscall.EINVAL
		}
	case abi.CIOCCRYPT, abi.CIOCASYNCCRYPT:
		f.node.counted()
		if op := (*abi.CryptOp)(arg); f.node.MaxLen != 0 && op.Len > f.node.MaxLen {
			return syscall.ENOMEM
		}
	}
	// The memory is this process's: an address is a pointer.
	err := f.file.Ioctl(memory{}, request, uint64(uintptr(arg)), false)
	f.node.sessionsOf(f)
	if err != nil {
		if told, ok := err.(*node.Told); ok {
			return told.Errno
		}
		return err
	}
	if f.node.Spoil != nil && request == abi.CIOCCRYPT {
		op := (*abi.CryptOp)(arg)
		f.node.Spoil(op, unsafe.Slice((*byte)(op.Dst), op.Len))
	}
	return nil
}

func (f *file) Close() error {
	f.file.Close()
	f.node.sessionsOf(f)
	return nil
}

// memory is this process's own. What is passed by address stays in place
// while the call runs: cryptodev.Conn says so.
type memory struct{}

// Prepare refuses what no memory is at.
func (memory) Prepare(in, out []node.Span) error {
	for _, s := range slices.Concat(in, out) {
		if s.Addr == 0 && s.Len > 0 {
			return syscall.EFAULT
		}
	}
	return nil
}

// bytes is memory at an address. The address was a pointer before it became a
// part of a struct, and is pinned.
func bytes(addr uint64, n int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n)
}

func (memory) Read(addr uint64, p []byte) error {
	if len(p) > 0 {
		copy(p, bytes(addr, len(p)))
	}
	return nil
}

func (memory) Write(addr uint64, p []byte) error {
	if len(p) > 0 {
		copy(bytes(addr, len(p)), p)
	}
	return nil
}

var _ cryptodev.Conn = (*file)(nil)

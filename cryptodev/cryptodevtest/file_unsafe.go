// SPDX-License-Identifier: Apache-2.0

package cryptodevtest

import (
	"crypto/aes"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"vcrypto/cryptodev/abi"
)

// file is an open file of a node: the kernel's side of the calls.
type file struct {
	node *Node

	mu       sync.Mutex
	last     uint32
	sessions map[uint32]*session
	done     []done
}

// done is a request that is not fetched yet.
type done struct {
	op  abi.CryptOp
	err error
}

// room is how many requests a file holds: as few as make a test see it.
const room = 8

// submit does the request at once; that it is done is told when it is fetched.
func (f *file) submit(op abi.CryptOp) error {
	if _, err := f.session(op.Session); err != nil {
		return err
	}
	f.mu.Lock()
	full := len(f.done) >= room
	f.mu.Unlock()
	if full {
		return syscall.EBUSY
	}
	err := f.crypt(&op)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = append(f.done, done{op, err})
	return nil
}

func (f *file) fetch(op *abi.CryptOp) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.done) == 0 {
		return syscall.EBUSY
	}
	d := f.done[0]
	f.done = f.done[1:]
	*op = d.op
	return d.err
}

func (f *file) Ioctl(request uintptr, arg unsafe.Pointer) error {
	if f.node.Fail != nil {
		if err := f.node.Fail(request); err != nil {
			return err
		}
	}
	switch request {
	case abi.CIOCGSESSION:
		return f.newSession((*abi.SessionOp)(arg))
	case abi.CIOCFSESSION:
		f.endSession(*(*uint32)(arg))
		return nil
	case abi.CIOCCRYPT:
		return f.crypt((*abi.CryptOp)(arg))
	case abi.CIOCASYNCCRYPT:
		return f.submit(*(*abi.CryptOp)(arg))
	case abi.CIOCASYNCFETCH:
		return f.fetch((*abi.CryptOp)(arg))
	case abi.CIOCGSESSINFO:
		return f.info((*abi.SessionInfoOp)(arg))
	}
	return syscall.EINVAL
}

func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.node.count(-len(f.sessions), 0)
	clear(f.sessions)
	return nil
}

func (f *file) newSession(op *abi.SessionOp) error {
	if op.MAC != 0 || !f.node.takes(op.Cipher, op.KeyLen) {
		return syscall.EINVAL
	}
	block, err := aes.NewCipher(unsafe.Slice((*byte)(op.Key), op.KeyLen))
	if err != nil {
		return syscall.EINVAL
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	op.Session = f.last
	f.sessions[op.Session] = &session{cipher: op.Cipher, block: block}
	f.node.count(1, 0)
	return nil
}

// endSession succeeds even if there is no such session, as cryptodev-linux's
// does.
func (f *file) endSession(id uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.sessions[id]; ok {
		delete(f.sessions, id)
		f.node.count(-1, 0)
	}
}

func (f *file) session(id uint32) (*session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.sessions[id]; ok {
		return s, nil
	}
	return nil, syscall.EINVAL
}

func (f *file) info(op *abi.SessionInfoOp) error {
	s, err := f.session(op.Session)
	if err != nil {
		return err
	}
	name := map[uint32]string{
		abi.CipherAESCBC: "cbc(aes)",
		abi.CipherAESCTR: "ctr(aes)",
		abi.CipherAESECB: "ecb(aes)",
	}[s.cipher]
	copy(op.Cipher.Name[:], name+"\x00")
	copy(op.Cipher.Driver[:], "fake-"+name+"\x00")
	op.AlignMask = 15
	op.Flags = abi.InfoKernelDriverOnly
	return nil
}

func (f *file) crypt(op *abi.CryptOp) error {
	f.node.count(0, 1)
	if op.Op != abi.OpEncrypt && op.Op != abi.OpDecrypt {
		return syscall.EINVAL
	}
	s, err := f.session(op.Session)
	if err != nil {
		return err
	}
	if op.Len%uint32(s.blockSize()) != 0 {
		return syscall.EINVAL
	}
	if f.node.MaxLen != 0 && op.Len > f.node.MaxLen {
		return syscall.ENOMEM
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if op.IV != nil {
		copy(s.iv[:], unsafe.Slice((*byte)(op.IV), s.ivSize()))
	}
	data := slices.Clone(unsafe.Slice((*byte)(op.Src), op.Len))
	s.crypt(data, op.Op == abi.OpDecrypt)
	if f.node.Spoil != nil {
		f.node.Spoil(op, data)
	}
	copy(unsafe.Slice((*byte)(op.Dst), op.Len), data)
	if op.IV != nil && op.Flags&abi.FlagWriteIV != 0 {
		copy(unsafe.Slice((*byte)(op.IV), s.ivSize()), s.iv[:])
	}
	return nil
}

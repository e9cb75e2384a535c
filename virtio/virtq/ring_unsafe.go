// SPDX-License-Identifier: Apache-2.0

package virtq

import (
	"sync/atomic"
	"unsafe"
)

// How rings are read and written, and the barriers
//
// The driver runs on another CPU. Go's sync/atomic gives acquire loads,
// release stores and (on x86) full barriers, but has no 16-bit operations,
// and rings are made of 16-bit fields that the specification aligns to 2.
// So, once and for all:
//
//   - The driver's idx is loaded as the aligned 32-bit word that contains it:
//     flags and idx where the ring is 4-aligned, idx and ring[0] where it is
//     not. The load acquires (barrier 1 in split.go).
//   - Our flags and idx share a 4-aligned word that only we write: one 32-bit
//     store, which releases (barrier 2).
//   - All other 16-bit fields are plain single-instruction accesses, made
//     through a *uint16 so that the compiler cannot split them. They are
//     ordered by the barriers around them.
//   - Where a store must be visible before a later load is made (barriers 3
//     and 4), neither acquire nor release is enough, and neither is an atomic
//     read-modify-write on arm64: fence() is a real barrier instruction, in
//     assembly, a few lines for each CPU.
//
// The compiler does not move memory accesses across atomics or calls of
// assembly functions. Rings are little-endian, and so are the CPUs that this
// is built for; see endian.go.

// index is the driver's idx within its containing word.
type index struct {
	word  *uint32
	shift uint8
}

// newIndex finds the idx field of an available ring.
func newIndex(avail []byte) (index, error) {
	if w, err := word(avail); err == nil {
		return index{w, 8 * availIdx}, nil
	}
	w, err := word(avail[availIdx:])
	return index{w, 0}, err
}

func (i index) load() uint16 { return uint16(atomic.LoadUint32(i.word) >> i.shift) }

// word returns the 32-bit word at the beginning of b, if it is aligned.
func word(b []byte) (*uint32, error) {
	p := unsafe.Pointer(&b[:4][0])
	if uintptr(p)%4 != 0 {
		return nil, broken("ring area at an odd place in memory")
	}
	return (*uint32)(p), nil
}

func storeWord(w *uint32, v uint32) { atomic.StoreUint32(w, v) }

func load16(b []byte) uint16 { return *(*uint16)(unsafe.Pointer(&b[:2][0])) }
func load32(b []byte) uint32 { return *(*uint32)(unsafe.Pointer(&b[:4][0])) }
func load64(b []byte) uint64 { return *(*uint64)(unsafe.Pointer(&b[:8][0])) }

func store16(b []byte, v uint16) { *(*uint16)(unsafe.Pointer(&b[:2][0])) = v }

// join returns a and b as one slice if b begins where a ends and both come
// from the same mapping, which a's capacity does not tell; so it compares
// addresses. Two regions that happen to be mapped side by side join as well:
// both stay mapped while their table is held.
func join(a, b []byte) []byte {
	end := unsafe.Add(unsafe.Pointer(unsafe.SliceData(a)), len(a))
	if end != unsafe.Pointer(unsafe.SliceData(b)) {
		return nil
	}
	return unsafe.Slice(unsafe.SliceData(a), len(a)+len(b))
}

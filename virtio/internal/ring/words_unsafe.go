// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"sync/atomic"
	"unsafe"
)

// How rings are read and written, and the barriers
//
// The other side runs on another CPU. Go's sync/atomic gives acquire loads,
// release stores and (on x86) full barriers, but has no 16-bit operations,
// and rings are made of 16-bit fields that the specification aligns to 2.
// So, once and for all:
//
//   - The other side's idx is loaded as the aligned 32-bit word that contains
//     it: flags and idx where the ring is 4-aligned, idx and ring[0] where it
//     is not (only an available ring may be so). The load acquires.
//   - One's own idx is stored as that same word, which only this side writes.
//     The store releases.
//   - All other 16-bit fields are plain single-instruction accesses, made
//     through a *uint16 so that the compiler cannot split them. They are
//     ordered by the barriers around them.
//   - Where a store must be visible before a later load is made (an index
//     before the other side's wish, a wish before the other side's index),
//     neither acquire nor release is enough, and neither is an atomic
//     read-modify-write on arm64: Fence is a real barrier instruction, in
//     assembly, a few lines for each CPU.
//
// The compiler does not move memory accesses across atomics or calls of
// assembly functions. Rings are little-endian, and so are the CPUs that this
// is built for; see endian.go. The race detector does not see memory that is
// mapped, so it vouches for none of this.

// ErrMisaligned: a ring's area is at a place in this process's memory where
// its fields cannot be read at once.
var ErrMisaligned = errors.New("ring area at an odd place in memory")

// Index is an idx field within its containing word.
type Index struct {
	word  *uint32
	shift uint8
}

// NewIndex finds the idx field of an available or a used ring.
func NewIndex(area []byte) (Index, error) {
	if w, err := Word(area); err == nil {
		return Index{w, IdxShift}, nil
	}
	w, err := Word(area[AvailIdx:])
	return Index{w, 0}, err
}

// Load returns the index. It acquires: what the other side wrote before it
// moved the index is read after it.
func (i Index) Load() uint16 { return uint16(atomic.LoadUint32(i.word) >> i.shift) }

// Word returns the 32-bit word at the beginning of b, if it is aligned.
func Word(b []byte) (*uint32, error) {
	p := unsafe.Pointer(&b[:4][0])
	if uintptr(p)%4 != 0 {
		return nil, ErrMisaligned
	}
	return (*uint32)(p), nil
}

// StoreWord stores and releases: what was written before is visible before.
func StoreWord(w *uint32, v uint32) { atomic.StoreUint32(w, v) }

// StoreWordFence stores and releases like StoreWord and is a full barrier
// after the store, like Fence. On x86 the store is the barrier.
func StoreWordFence(w *uint32, v uint32) {
	if swapIsFence {
		atomic.SwapUint32(w, v)
		return
	}
	atomic.StoreUint32(w, v)
	Fence()
}

// Load16 and Load32 read a field at once.
func Load16(b []byte) uint16 { return *(*uint16)(unsafe.Pointer(&b[:2][0])) }
func Load32(b []byte) uint32 { return *(*uint32)(unsafe.Pointer(&b[:4][0])) }

// Store16, Store32 and Store64 write a field at once.
func Store16(b []byte, v uint16) { *(*uint16)(unsafe.Pointer(&b[:2][0])) = v }
func Store32(b []byte, v uint32) { *(*uint32)(unsafe.Pointer(&b[:4][0])) = v }
func Store64(b []byte, v uint64) { *(*uint64)(unsafe.Pointer(&b[:8][0])) = v }

// Heads and Elems return the entries of an available and of a used ring's
// area: of the former descriptors, of the latter an id and a length in a word.
// Like fields they are read and written at once.
func Heads(avail []byte, size int) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(&avail[AvailRing:AvailBytes(size)][0])), size)
}

// Elems does the same for a used ring.
func Elems(used []byte, size int) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(&used[UsedRing:UsedBytes(size)][0])), size)
}

// Elem is an entry of a used ring.
func Elem(id uint16, written uint32) uint64 {
	return uint64(written)<<(8*UsedElemLen) | uint64(id)
}

// Desc is a descriptor in place. The other side may change it at any time:
// Load it once, and use what was loaded.
type Desc struct{ addr, rest uint64 }

// Descs returns the descriptors in b.
func Descs(b []byte) []Desc {
	return unsafe.Slice((*Desc)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/DescSize)
}

// Load reads a descriptor: two loads, after which nothing is read again.
func (d *Desc) Load() (addr uint64, length uint32, flags, next uint16) {
	rest := d.rest
	return d.addr, uint32(rest), uint16(rest >> (8 * (DescFlags - DescLen))), uint16(rest >> (8 * (DescNext - DescLen)))
}

// LoadWords is Load with flags and next as they are in memory, in a word.
func (d *Desc) LoadWords() (addr uint64, length, tail uint32) {
	rest := d.rest
	return d.addr, uint32(rest), uint32(rest >> (8 * (DescFlags - DescLen)))
}

// tail is the word with a packed descriptor's id and flags.
func (d *Desc) tail() *uint32 {
	return (*uint32)(unsafe.Add(unsafe.Pointer(d), PackedID))
}

// LoadTail reads a packed descriptor's id and flags. It acquires: what the
// other side wrote before it wrote the flags is read after them.
func (d *Desc) LoadTail() (id, flags uint16) {
	w := atomic.LoadUint32(d.tail())
	return uint16(w), uint16(w >> 16)
}

// StoreTail writes a packed descriptor's id and flags, and releases.
func (d *Desc) StoreTail(id, flags uint16) {
	atomic.StoreUint32(d.tail(), uint32(flags)<<16|uint32(id))
}

// PutTail writes a packed descriptor's id and flags in no order with other
// writes: a store that releases must come before the other side looks.
func (d *Desc) PutTail(id, flags uint16) { *d.tail() = uint32(flags)<<16 | uint32(id) }

// StoreTailFence is StoreTail and a full barrier.
func (d *Desc) StoreTailFence(id, flags uint16) {
	StoreWordFence(d.tail(), uint32(flags)<<16|uint32(id))
}

// LoadBody reads a packed descriptor's address and length.
func (d *Desc) LoadBody() (addr uint64, length uint32) { return d.addr, uint32(d.rest) }

// StoreBody writes a packed descriptor's address and length.
func (d *Desc) StoreBody(addr uint64, length uint32) {
	d.addr = addr
	d.StoreLength(length)
}

// StoreLength writes a descriptor's length.
func (d *Desc) StoreLength(length uint32) {
	*(*uint32)(unsafe.Add(unsafe.Pointer(d), DescLen)) = length
}

// LoadWord loads and acquires.
func LoadWord(w *uint32) uint32 { return atomic.LoadUint32(w) }

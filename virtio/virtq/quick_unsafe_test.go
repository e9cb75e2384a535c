// SPDX-License-Identifier: Apache-2.0

package virtq

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unsafe"

	"vcrypto/virtio/internal/ring"
	"vcrypto/virtio/mem"
)

// TestQuickAgrees: of any table of descriptors, the quick loops make what the
// general ones make, or leave it to them.
func TestQuickAgrees(t *testing.T) {
	const (
		size   = 64
		start  = 1 << 32
		length = 1 << 14
		tables = 4096 // where indirect tables are
	)
	r := rand.New(rand.NewPCG(1, 2))
	low, high := make([]byte, length), make([]byte, length)
	var memory mem.Memory
	if err := memory.Set([]mem.Region{{Addr: start, Data: low}, {Addr: start + length, Data: high}}); err != nil {
		t.Fatal(err)
	}
	table := memory.Acquire()
	defer table.Release()
	le := binary.LittleEndian
	for _, packed := range []bool{false, true} {
		c := Config{Size: size, Desc: start, Avail: start + 2048, Used: start + 3072, Indirect: true}
		var split *Split
		var pack *Packed
		var err error
		if packed {
			if pack, err = NewPacked(c); err == nil {
				split, err = &pack.core, pack.Attach(table)
			}
		} else if split, err = NewSplit(c); err == nil {
			err = split.Attach(table)
		}
		if err != nil {
			t.Fatal(err)
		}
		quick := 0
		const rounds = 200_000
		for range rounds {
			split.warm(start)
			// A chain of up to a few descriptors, mostly as drivers make them.
			n := 1 + r.IntN(7)
			readable := r.IntN(n + 1)
			at := uint64(start)
			indirect := r.IntN(3) > 0
			if indirect {
				at += tables
			}
			for i := range n {
				addr, size := start+uint64(r.IntN(2*length)), uint32(1+r.IntN(64))
				if r.IntN(4) > 0 {
					addr = start + uint64(r.IntN(length/2))
				}
				if i > 0 && r.IntN(4) == 0 { // beside the one before
					b := low[at-start+uint64(16*(i-1)):]
					addr = le.Uint64(b) + uint64(le.Uint32(b[8:]))
				}
				flags, next := uint16(0), uint16(i+1)
				if i >= readable {
					flags |= ring.DescFWrite
				}
				if i < n-1 {
					flags |= ring.DescFNext
				}
				switch r.IntN(40) {
				case 0:
					flags ^= 1 << r.IntN(4)
				case 1:
					next = uint16(r.IntN(8))
				case 2:
					size = r.Uint32()
				case 3:
					addr = r.Uint64()
				case 4:
					size = 0
				}
				b := low[at-start+uint64(16*i):]
				le.PutUint64(b, addr)
				le.PutUint32(b[8:], size)
				if packed {
					le.PutUint16(b[12:], next)
					le.PutUint16(b[14:], flags&^ring.DescFNext)
				} else {
					le.PutUint16(b[12:], flags)
					le.PutUint16(b[14:], next)
				}
			}
			if indirect || packed {
				le.PutUint64(low, at)
				le.PutUint32(low[8:], uint32(16*n+r.IntN(40)/39))
				first, second := uint16(ring.DescFIndirect), uint16(0)
				if packed {
					first, second = second, first
				}
				le.PutUint16(low[12:], first)
				le.PutUint16(low[14:], second)
			}
			a, b := newChain(split, 0), newChain(split, 1)
			ok := false
			if packed {
				ok = pack.quick(a, &pack.desc[0], ring.DescFIndirect)
				err = pack.walk(b, 0, ring.DescFIndirect)
			} else {
				ok = split.quick(a, 0)
				err = split.walk(b, 0)
			}
			if !ok {
				continue
			}
			quick++
			if err != nil {
				t.Fatalf("taken quickly, and wrong: %v", err)
			}
			if a.ReadLen != b.ReadLen || a.WriteLen != b.WriteLen ||
				!same(a.Readable(), b.Readable()) || !same(a.Writable(), b.Writable()) {
				t.Fatalf("%d and %d bytes taken quickly, %d and %d otherwise", a.ReadLen, a.WriteLen, b.ReadLen, b.WriteLen)
			}
		}
		if quick < rounds/20 {
			t.Errorf("packed %v: only %d of %d chains were taken quickly", packed, quick, rounds)
		}
	}
}

// same reports whether two lists are the same memory.
func same(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if len(a[i]) != len(b[i]) || unsafe.SliceData(a[i]) != unsafe.SliceData(b[i]) {
			return false
		}
	}
	return true
}

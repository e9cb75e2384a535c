// SPDX-License-Identifier: Apache-2.0

package virtq

import (
	"unsafe"

	"vcrypto/virtio/internal/ring"
)

// base is where a region begins in this process, without its length: what is
// reached from it was checked against the region before.
type base = *byte

func baseOf(region []byte) base { return unsafe.SliceData(region) }

// within returns n bytes at an offset from a base. Only segments, which were
// checked when they were made, are reached this way.
func within(b base, off uint64, n uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(b), off)), n)
}

// at returns the byte at an offset from a base.
func at(b base, off uint64) *byte { return (*byte)(unsafe.Add(unsafe.Pointer(b), off)) }

// descsAt returns n descriptors at an offset from a base, which was checked.
func descsAt(b base, off uint64, n uint32) []ring.Desc {
	return unsafe.Slice((*ring.Desc)(unsafe.Add(unsafe.Pointer(b), off)), n)
}

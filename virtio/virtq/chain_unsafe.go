// SPDX-License-Identifier: Apache-2.0

package virtq

import "unsafe"

// base is where a region begins in this process, without its length: what is
// reached from it was checked against the region before.
type base = *byte

func baseOf(region []byte) base { return unsafe.SliceData(region) }

// within returns n bytes at an offset from a base. Only segments, which were
// checked when they were made, are reached this way.
func within(b base, off uint64, n uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(b), off)), n)
}

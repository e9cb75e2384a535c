// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import "unsafe"

// overlaps reports whether a and b, of the same length, share memory without
// being the same.
func overlaps(a, b []byte) bool {
	x, y := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	n := uintptr(len(a))
	return x != y && x < y+n && y < x+n
}

// touches reports whether a and b, of any lengths, share memory.
func touches(a, b []byte) bool {
	x, y := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return len(a) > 0 && len(b) > 0 && x < y+uintptr(len(b)) && y < x+uintptr(len(a))
}

// SPDX-License-Identifier: Apache-2.0

//go:build !(amd64 || arm64)

package ring

import "sync/atomic"

var fenceWord atomic.Uint32

// Fence relies on Go's promise that atomic operations are sequentially
// consistent: swap is one that compilers turn into a full barrier.
func Fence() { fenceWord.Swap(0) }

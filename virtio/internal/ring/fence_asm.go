// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package ring

// Fence is a full memory barrier: no access moves across it in either
// direction.
//
//go:noescape
func Fence()

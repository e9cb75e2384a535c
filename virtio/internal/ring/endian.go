// SPDX-License-Identifier: Apache-2.0

//go:build !(amd64 || arm64 || riscv64 || loong64 || ppc64le || 386 || arm)

package ring

// Rings are little-endian and read in place: this package is not built for
// big-endian CPUs.
var _ = virtqueues_need_a_little_endian_CPU

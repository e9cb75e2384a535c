// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"math/bits"
	"time"
)

// histogram counts times in buckets that are at most 1/32 wide: values have
// their first six bits kept.
type histogram struct {
	counts [64 << subBits]uint64
	total  uint64
}

const subBits = 5

func bucket(ns uint64) int {
	if ns < 1<<subBits {
		return int(ns)
	}
	shift := bits.Len64(ns) - subBits - 1
	return (shift+1)<<subBits + int(ns>>shift)&(1<<subBits-1)
}

// low is the smallest value of a bucket.
func low(b int) uint64 {
	if b < 1<<subBits {
		return uint64(b)
	}
	shift := b>>subBits - 1
	return uint64(1<<subBits+b&(1<<subBits-1)) << shift
}

func (h *histogram) add(d time.Duration, n uint64) {
	h.counts[bucket(uint64(max(d, 0)))] += n
	h.total += n
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}

// quantile returns the value below which a share q of all values lie.
func (h *histogram) quantile(q float64) time.Duration {
	want, seen := uint64(q*float64(h.total)), uint64(0)
	for b, n := range h.counts {
		if seen += n; seen > want {
			return time.Duration((low(b) + low(b+1)) / 2)
		}
	}
	return 0
}

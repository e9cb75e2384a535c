// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"math"
	"testing"
	"time"
)

// TestSharedPatience: what was waited is missing from the next wait until as
// much time has passed, and there is never more than the whole.
func TestSharedPatience(t *testing.T) {
	for _, full := range []time.Duration{20 * time.Second, time.Second, math.MaxInt64} {
		p := patience{full: full}
		now := time.Now()
		if got := p.begin(now); !got.Equal(now.Add(full)) {
			t.Fatalf("%v: the first wait ends after %v", full, got.Sub(now))
		}
	}
	now := time.Now()
	p := patience{full: 20 * time.Second}
	for i, step := range []struct {
		pause, want, wait time.Duration // before it, seconds; what it may take, and takes
	}{
		{0, 20, 5},
		{0, 15, 15},
		{0, 0, 3}, // what was begun takes longer
		{0, 0, 0},
		{4, 4, 1},
		{2, 5, 9},
		{19, 19, 0},
		{1, 20, 0},
		{3600, 20, 20},
		{0, 0, 0},
	} {
		now = now.Add(step.pause * time.Second)
		if got := p.begin(now).Sub(now); got != step.want*time.Second {
			t.Errorf("step %d: %v left, want %v", i, got, step.want*time.Second)
		}
		now = now.Add(step.wait * time.Second)
		p.end(now)
	}
}

// SPDX-License-Identifier: Apache-2.0

package virtio

import "testing"

// TestSpins: looks in vain get rarer down to a bound, a hit forgets them, and
// after each pause there is a whole run of looks: the first may have cost the
// driver a kick, so only the next shows what looking is worth.
func TestSpins(t *testing.T) {
	var s spins
	for run := range uint(2 * maxSpinsLeft) {
		for look := range uint(spinRun) {
			if s.skip() {
				t.Fatalf("run %d: look %d of %d was left out", run, look, spinRun)
			}
			s.miss()
		}
		skipped := uint(0)
		for s.skip() {
			skipped++
		}
		if want := min(run+1, maxSpinsLeft); skipped != want {
			t.Fatalf("after run %d in vain %d waits went without a look, not %d", run, skipped, want)
		}
	}
	s.hit()
	for range spinRun - 1 {
		s.miss()
		if s.skip() {
			t.Fatal("a look was left out after fewer misses than a run has, and a hit before")
		}
	}
}

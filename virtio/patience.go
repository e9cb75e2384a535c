// SPDX-License-Identifier: Apache-2.0

package virtio

import "time"

// patience is how long an instance waits, in all, for queues that it stops.
// What one stop waited the next one lacks, until as much time has passed: so a
// front-end that stops queue after queue, or a device that ends while its
// queues pause for a change, waits no longer than for one of them.
type patience struct {
	full time.Duration
	left time.Duration // at since
	// since is when left was right; in the far past for a new one, which is
	// whole.
	since time.Time
}

// begin begins a wait and returns when it has been long enough.
func (p *patience) begin(now time.Time) (end time.Time) {
	p.left += min(now.Sub(p.since), p.full-p.left)
	p.since = now
	return now.Add(p.left)
}

// end ends a wait.
func (p *patience) end(now time.Time) {
	p.left = max(p.left-now.Sub(p.since), 0)
	p.since = now
}

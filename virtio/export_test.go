// SPDX-License-Identifier: Apache-2.0

package virtio

import "time"

// PatienceLeft is what the next Stop has left of its patience, if it comes at
// once.
func (in *Instance) PatienceLeft() time.Duration { return in.patience.left }

// SpendPatience has the instance have waited all it may.
func (in *Instance) SpendPatience() {
	in.patience.begin(time.Now())
	in.patience.left = 0
}

// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"os"

	"golang.org/x/sys/unix"
)

// pin binds the calling thread to a CPU, if it is not negative.
func pin(cpu int) error {
	if cpu < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(cpu)
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &set))
}

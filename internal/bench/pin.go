// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// pin binds the calling goroutine to a thread and that to a CPU, until it is
// undone.
func pin(cpu int) (undo func(), err error) {
	runtime.LockOSThread()
	var before, set unix.CPUSet
	set.Set(cpu)
	err = unix.SchedGetaffinity(0, &before)
	if err == nil {
		err = unix.SchedSetaffinity(0, &set)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("sched_setaffinity", err)
	}
	return func() {
		if unix.SchedSetaffinity(0, &before) == nil {
			runtime.UnlockOSThread()
		}
	}, nil
}

// allowedCPUs are the CPUs that this process may use.
func allowedCPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var cpus []int
	for i := 0; i < len(set)*64 && len(cpus) < set.Count(); i++ {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

// Spread proposes CPUs for a benchmark: one for the driver, the others for the
// daemon. With one CPU there is nothing to propose.
func Spread() (here int, daemon []int) {
	cpus := allowedCPUs()
	if len(cpus) < 2 {
		return 0, nil
	}
	return cpus[0], cpus[1:]
}

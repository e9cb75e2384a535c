// SPDX-License-Identifier: Apache-2.0

// Package harden keeps the memory of a process that holds keys to itself: out
// of core files, out of reach of debuggers of the same user, and out of swap
// space.
//
// Keys end up in many places: in what libraries allocate for an expanded key,
// in C's heap and in Go's, and for a moment on stacks. No library lets all of
// these be chosen, so it is all memory of the process that is protected. The
// guest's memory is the exception: it is the guest's, and far too much.
package harden

import (
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"
)

// NoDumps forbids core files of this process, and that others of the same user
// read its memory or attach to it.
func NoDumps() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep keys out of core files: %w", err)
	}
	// The same, seen from outside, and for what this process might start.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("keep keys out of core files: limit their size: %w", err)
	}
	return nil
}

// Lock keeps all memory that this process has, and will have, out of swap
// space, page by page as pages come into use. Where the system does not allow
// it Lock says so in the log, once: keys are as safe there as swap space is.
// Memory that is not to be locked is to be unlocked by who maps it.
func Lock(log *slog.Logger) {
	if err := lock(); err != nil {
		log.Warn("memory that holds keys cannot be locked and may be swapped out; set LimitMEMLOCK=infinity (systemd) or ulimit -l unlimited", "err", err)
	}
}

func lock() error {
	if !privileged() {
		// With a limit, even a large one, mapping a guest's memory would fail:
		// what is mapped counts, not what is locked.
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			return err
		}
		if limit.Max != unix.RLIM_INFINITY {
			return fmt.Errorf("at most %d KiB may be locked", limit.Max>>10)
		}
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			return err
		}
	}
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

// privileged reports whether limits of locked memory do not bind this process.
func privileged() bool {
	var data [2]unix.CapUserData // version 3 has two
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capget(&h, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}

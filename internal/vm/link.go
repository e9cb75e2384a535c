// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NewLink makes a network cable between two guests: an end for the [NIC] of each.
func NewLink() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a network link: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "link a"), os.NewFile(uintptr(fds[1]), "link b"), nil
}

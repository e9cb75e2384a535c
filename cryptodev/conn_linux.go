// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openNode opens the node for this process only: a child does not get it by
// accident, as it would share the sessions.
func openNode(path string) (Conn, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return checkNode(fd)
	}
}

// fdConn takes over a descriptor that somebody else opened.
func fdConn(fd int) (Conn, error) {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("file descriptor %d: %w", fd, err)
	}
	return checkNode(fd)
}

// checkNode refuses what cannot be a cryptodev node, and closes it then.
func checkNode(fd int) (Conn, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFCHR {
		err = fmt.Errorf("not a character device: %w", unix.ENOTTY)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return conn(fd), nil
}

// conn is a file descriptor.
type conn int

func (c conn) Close() error { return unix.Close(int(c)) }

// file returns a second descriptor of the open file.
func (c conn) file(path string) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(c), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// wait returns when the node has a request that is done, or an error to tell.
func (c conn) wait() error {
	p := []unix.PollFd{{Fd: int32(c), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(p, -1)
		if !errors.Is(err, unix.EINTR) {
			if err == nil && p[0].Revents&(unix.POLLIN|unix.POLLERR|unix.POLLHUP) == unix.POLLERR|unix.POLLHUP {
				return unix.ENODEV
			}
			return err
		}
	}
}

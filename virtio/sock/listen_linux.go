// SPDX-License-Identifier: Apache-2.0

package sock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Access says who may connect to a new socket.
type Access struct {
	// Mode is what the socket's file permits; to connect is to write.
	Mode fs.FileMode
	// GID is the group the file belongs to; negative for the process's own.
	GID int
}

// OwnerOnly lets only the owner of the process connect.
var OwnerOnly = Access{0o600, -1}

const (
	// backlog is how many peers may wait while one is served.
	backlog = 8

	// takeoverPatience is how long to wait for another process that is
	// taking over a socket in the same folder.
	takeoverPatience = 2 * time.Second
	takeoverNap      = 20 * time.Millisecond

	// acceptNap is the pause after an accept that failed for want of
	// resources.
	acceptNap = 100 * time.Millisecond
)

// ErrInUse: another process listens on the socket.
var ErrInUse = errors.New("another process serves this socket")

// Listener is a socket on which peers connect, or one that is connected.
type Listener struct {
	ul   *net.UnixListener // nil if connected
	path string            // of a socket that was made here, or ""
	made unix.Stat_t       // what path was when it was made

	mu     sync.Mutex
	conn   *net.UnixConn // nil if listening, or when served
	closed bool
}

// Listen makes a socket that only its owner may connect to; see [ListenAs].
func Listen(path string) (*Listener, error) { return ListenAs(path, OwnerOnly) }

// ListenAs makes a socket. It takes over one
// that a process left behind, and refuses, with [ErrInUse], one that a process
// listens on, and a path that is something else.
func ListenAs(path string, a Access) (*Listener, error) {
	l, err := listen(path, a)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

func listen(path string, a Access) (*Listener, error) {
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // net.FileListener makes a copy
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		if err == unix.EINVAL {
			return nil, fmt.Errorf("%w: the path has %d bytes and may have at most %d", err, len(path), len(unix.RawSockaddrUnix{}.Path)-1)
		}
		return nil, os.NewSyscallError("bind", err)
	}
	l := &Listener{path: path}
	// Nobody can connect until it listens: group and mode are set in time.
	if a.GID >= 0 {
		err = os.NewSyscallError("chown", unix.Lchown(path, -1, a.GID))
	}
	err = errors.Join(
		err,
		os.NewSyscallError("chmod", unix.Chmod(path, uint32(a.Mode.Perm()))),
		os.NewSyscallError("stat", unix.Lstat(path, &l.made)),
		os.NewSyscallError("listen", unix.Listen(fd, backlog)),
	)
	if err == nil {
		err = l.take(f)
	}
	if err != nil {
		os.Remove(path)
		return nil, err
	}
	return l, nil
}

// lockFolder keeps others of this package from taking over a socket in the
// same folder at the same time. It leaves nothing behind.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: make the folder first", err)
	}
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(takeoverPatience); ; time.Sleep(takeoverNap) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if time.Now().After(end) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
	}
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file that is not a socket; choose another path or remove it")
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return ErrInUse
	}
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, unix.EAGAIN): // too many wait to connect already
		return ErrInUse
	}
	return fmt.Errorf("there is a socket, and whether it is in use cannot be told: %w", err)
}

// FromFD returns a Listener for a descriptor that this process was started
// with: a Unix stream socket that listens or is connected (vhost-user.rst
// "Backend program conventions", --fd). It takes over the descriptor.
func FromFD(fd int) (*Listener, error) {
	f := os.NewFile(uintptr(fd), fmt.Sprintf("socket %d", fd))
	if f == nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, unix.EBADF)
	}
	defer f.Close() // package net makes a copy
	if err := CheckStream(fd); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	l := new(Listener)
	if err := l.take(f); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return l, nil
}

// take makes a listener or a connection of a copy of the descriptor.
func (l *Listener) take(f *os.File) error {
	listens, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if listens == 0 {
		c, err := net.FileConn(f)
		if err != nil {
			return err
		}
		l.conn = c.(*net.UnixConn) // CheckStream made sure
		return nil
	}
	n, err := net.FileListener(f)
	if err != nil {
		return err
	}
	l.ul = n.(*net.UnixListener)
	l.ul.SetUnlinkOnClose(false) // Close does, with more care
	return nil
}

// CheckStream returns an error if a descriptor is no Unix stream socket.
func CheckStream(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if domain != unix.AF_UNIX || typ != unix.SOCK_STREAM {
		return errors.New("not a Unix stream socket")
	}
	return nil
}

// Chmod changes who may connect.
func (l *Listener) Chmod(mode fs.FileMode) error {
	if l.path == "" {
		return errors.New("the socket was not made here")
	}
	return os.Chmod(l.path, mode)
}

// Serve calls handle for one peer after the other, which closes the
// connection; meanwhile others wait. Serve returns nil when ctx ends, or when
// the one connection of a connected socket was handled; handle's error, if it
// returns one; and an error if no connection can be accepted.
func (l *Listener) Serve(ctx context.Context, log *slog.Logger, handle func(*net.UnixConn) error) error {
	if l.ul == nil {
		l.mu.Lock()
		conn := l.conn
		l.conn = nil
		l.mu.Unlock()
		if conn == nil {
			return net.ErrClosed
		}
		return handle(conn)
	}
	stop := context.AfterFunc(ctx, func() { l.ul.SetDeadline(time.Unix(0, 0)) })
	defer stop()
	for {
		conn, err := l.ul.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM):
			log.Error("cannot accept a connection now", "err", err)
			time.Sleep(acceptNap)
			continue
		case err != nil:
			return fmt.Errorf("accept a peer: %w", err)
		}
		if err := handle(conn); err != nil {
			return err
		}
	}
}

// Close stops listening and removes the socket if it was made here and is
// still the same. A connection that is served goes on.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var err error
	if l.ul != nil {
		err = l.ul.Close()
	}
	if l.conn != nil {
		err = l.conn.Close()
		l.conn = nil
	}
	var st unix.Stat_t
	if l.path != "" && unix.Lstat(l.path, &st) == nil && st.Dev == l.made.Dev && st.Ino == l.made.Ino {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}

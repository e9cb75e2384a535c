// SPDX-License-Identifier: Apache-2.0

package cuse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// channelPath is the kernel's end.
const channelPath = "/dev/cuse"

// classPath is where the kernel shows a device that was made.
const classPath = "/sys/class/cuse"

// maxWorkers bounds the threads that answer requests.
const maxWorkers = 64

// server is a device at work.
type server struct {
	dev Device
	log *slog.Logger
	fd  int

	// Requests are done by as many threads as it takes for one to be idle, up
	// to maxWorkers: a caller with a long one keeps nobody waiting.
	workers sync.WaitGroup
	running atomic.Int32
	idle    atomic.Int32
	gone    chan error

	// far is read-locked while a caller's memory is reached directly: when the
	// device ends, callers go on that are not answered.
	far   sync.RWMutex
	ended bool

	mu    sync.Mutex
	last  uint64
	files map[uint64]*openFile // by the number the kernel knows them by
}

// Serve makes /dev/NAME and serves it until ctx ends or the kernel ends it.
func Serve(ctx context.Context, o Options, dev Device) error {
	if err := checkName(o.Name); err != nil {
		return err
	}
	node := filepath.Join("/dev", o.Name)
	if _, err := os.Lstat(node); err == nil {
		return fmt.Errorf("%s is there already: unload the driver that made it, or choose another --name", node)
	}
	fd, err := unix.Open(channelPath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w%s", channelPath, err, hint(err))
	}
	defer unix.Close(fd)
	s := &server{dev: dev, log: o.Log, fd: fd, files: make(map[uint64]*openFile), gone: make(chan error, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.start(o.Name); err != nil {
		return err
	}
	if err := o.own(node); err != nil {
		return err
	}
	s.log.Info("serving", "node", node)

	// Reads wait in the kernel; ending the connection there ends them.
	for range runtime.GOMAXPROCS(0) {
		s.hire()
	}
	select {
	case err = <-s.gone:
	case <-ctx.Done():
	}
	s.far.Lock()
	s.ended = true
	s.far.Unlock()
	abort := filepath.Join(classPath, o.Name, "abort")
	if e := os.WriteFile(abort, []byte("1"), 0); e != nil {
		return errors.Join(err, fmt.Errorf("end the device: %w", e)) // its threads end with the process
	}
	s.workers.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		f.Close()
	}
	return err
}

// hint says what to do about an error of opening the channel.
func hint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return ": load the kernel's module (`modprobe cuse`)"
	case errors.Is(err, fs.ErrPermission):
		return ": run as root"
	}
	return ""
}

// own gives the node its owner and mode.
func (o Options) own(node string) error {
	// The number that the kernel chose: somebody may have made the node
	// meanwhile.
	text, err := os.ReadFile(filepath.Join(classPath, o.Name, "dev"))
	if err != nil {
		return fmt.Errorf("find the device that was made: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(node, &st); err != nil {
		return fmt.Errorf("%s was not made: %w (is /dev a devtmpfs?)", node, err)
	}
	major, minor, _ := strings.Cut(strings.TrimSpace(string(text)), ":")
	if strconv.Itoa(int(unix.Major(st.Rdev))) != major || strconv.Itoa(int(unix.Minor(st.Rdev))) != minor {
		return fmt.Errorf("%s is another device's: choose another --name", node)
	}
	if o.GID >= 0 {
		if err := os.Chown(node, -1, o.GID); err != nil {
			return err
		}
	}
	return os.Chmod(node, o.Mode)
}

// start answers the kernel's first request: the device is there then.
func (s *server) start(name string) error {
	buf := make([]byte, bufferSize)
	n, err := s.read(buf)
	if err != nil {
		return err
	}
	h, body, err := parse(buf[:n])
	if err != nil {
		return err
	}
	if h.opcode != opInit || len(body) < initInSize || order.Uint32(body) != protocolMajor {
		return fmt.Errorf("the kernel speaks another protocol: opcode %d, version %d", h.opcode, order.Uint32(body))
	}
	if err := s.write(initAnswer(h.unique, name)); err != nil {
		return fmt.Errorf("make /dev/%s: %w", name, err)
	}
	return nil
}

// read reads a request.
func (s *server) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOENT):
			// ENOENT: who made it was interrupted before it was read.
		case err != nil:
			return 0, fmt.Errorf("read %s: %w", channelPath, err)
		default:
			return n, nil
		}
	}
}

// write writes an answer, or a notification.
func (s *server) write(b []byte) error {
	for {
		_, err := unix.Write(s.fd, b)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// errEnded is how a worker ends: the kernel has no device for it any more.
var errEnded = errors.New("the kernel ended the device")

// hire starts another worker, if there may be one.
func (s *server) hire() {
	if s.running.Add(1) > maxWorkers {
		s.running.Add(-1)
		return
	}
	s.workers.Go(func() {
		if err := s.work(); err != nil {
			select {
			case s.gone <- err:
			default:
			}
		}
	})
}

// work answers requests until the kernel ends the device.
func (s *server) work() error {
	buf, out := make([]byte, bufferSize), make([]byte, 0, bufferSize)
	var call Call
	for {
		s.idle.Add(1)
		n, err := s.read(buf)
		left := s.idle.Add(-1)
		if errors.Is(err, unix.ENODEV) {
			return errEnded
		}
		if err != nil {
			return err
		}
		if left == 0 {
			s.hire()
		}
		h, body, err := parse(buf[:n])
		if err != nil {
			return err
		}
		if h.opcode == opInterrupt {
			continue // nothing here waits; and it wants no answer
		}
		answer, errno := s.do(h, body, out[:outHeaderSize], &call)
		if errno != 0 {
			answer = out[:outHeaderSize]
		}
		err = s.write(putHeader(answer, h.unique, -int32(errno)))
		// Keys and data have been in these.
		clear(buf[:n])
		clear(answer)
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
			s.log.Warn("answering", "opcode", h.opcode, "err", err)
		}
	}
}

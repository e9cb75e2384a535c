// SPDX-License-Identifier: Apache-2.0

package cuse

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFile is a file and who waits for it.
type openFile struct {
	File

	mu     sync.Mutex
	poller uint64 // the kernel's name for who polls
	polled bool
}

// do does a request. The answer is appended to room for its header; of an error
// it is that alone.
func (s *server) do(h header, body, answer []byte, c *Call) ([]byte, syscall.Errno) {
	switch h.opcode {
	case opIoctl:
		return s.ioctl(h, body, answer, c)
	case opPoll:
		return s.poll(body, answer)
	case opOpen:
		return s.open(h, answer)
	case opRelease:
		return answer, s.release(body)
	}
	return nil, syscall.EINVAL // read and write among them
}

func (s *server) open(h header, answer []byte) ([]byte, syscall.Errno) {
	o := new(openFile)
	f, err := s.dev.Open(h.uid, func() { s.wake(o) })
	if err != nil {
		return nil, errnoOf(err)
	}
	o.File = f
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.files[s.last] = o
	answer = order.AppendUint64(answer, s.last)
	return append(answer, make([]byte, openOutSize-8)...), 0
}

func (s *server) release(body []byte) syscall.Errno {
	if len(body) < releaseInSize {
		return syscall.EINVAL
	}
	id := order.Uint64(body)
	s.mu.Lock()
	f := s.files[id]
	delete(s.files, id)
	s.mu.Unlock()
	if f != nil {
		f.Close()
	}
	return 0
}

func (s *server) file(id uint64) *openFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[id]
}

// ioctl has the file do a call, as far as it gets in this round.
func (s *server) ioctl(h header, body, answer []byte, c *Call) ([]byte, syscall.Errno) {
	in, data, err := parseIoctl(body)
	if err != nil {
		s.log.Warn("ioctl", "err", err)
		return nil, syscall.EINVAL
	}
	f := s.file(in.file)
	if f == nil {
		return nil, syscall.EBADF
	}
	*c = Call{
		server: s,
		Cmd:    in.cmd, Arg: in.arg, Compat: in.flags&ioctlCompat != 0, UID: h.uid,
		pid: int(h.pid), data: data, room: int(in.outSize),
		in: c.in[:0], out: c.out[:0], at: c.at[:0], far: c.far[:0], buf: c.buf[:0],
	}
	err = f.Ioctl(c)
	defer clear(c.buf)
	var told *Told
	switch {
	case errors.Is(err, ErrAgain):
		return putRetry(answer, c.in, c.out), 0
	case errors.As(err, &told):
		return putIoctl(answer, -int32(errnoOf(told.Err)), c.buf[:c.written]), 0
	case err != nil:
		return nil, errnoOf(err)
	}
	return putIoctl(answer, 0, c.buf[:c.written]), 0
}

func (s *server) poll(body, answer []byte) ([]byte, syscall.Errno) {
	if len(body) < pollInSize {
		return nil, syscall.EINVAL
	}
	f := s.file(order.Uint64(body))
	if f == nil {
		return nil, syscall.EBADF
	}
	if order.Uint32(body[16:])&pollNotify != 0 {
		f.mu.Lock()
		f.poller, f.polled = order.Uint64(body[8:]), true
		f.mu.Unlock()
	}
	readable, writable := f.Poll()
	var events uint32
	if readable {
		events |= unix.POLLIN | pollRdNorm
	}
	if writable {
		events |= unix.POLLOUT | pollWrNorm
	}
	answer = order.AppendUint32(answer, events)
	return append(answer, make([]byte, pollOutSize-4)...), 0
}

// wake has the kernel ask again, for whoever polls.
func (s *server) wake(f *openFile) {
	f.mu.Lock()
	poller, polled := f.poller, f.polled
	f.mu.Unlock()
	if !polled {
		return
	}
	b := order.AppendUint64(make([]byte, outHeaderSize, outHeaderSize+8), poller)
	// A notification has no number, and its code where an error would be.
	if err := s.write(putHeader(b, 0, notifyPoll)); err != nil && !errors.Is(err, unix.ENODEV) {
		s.log.Warn("telling of an event", "err", err)
	}
}

// reach reads or writes memory of a caller's directly.
func (s *server) reach(pid int, addr uint64, p []byte, write bool) error {
	s.far.RLock()
	defer s.far.RUnlock()
	if s.ended {
		return syscall.ENODEV
	}
	if write {
		return writeMemory(pid, addr, p)
	}
	return readMemory(pid, addr, p)
}

// errnoOf returns an error's number, EIO where it has none.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != 0 {
		return errno
	}
	return syscall.EIO
}

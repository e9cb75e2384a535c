// SPDX-License-Identifier: Apache-2.0

package sock

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// fdSize is the size of a descriptor in a control message, in bytes.
const fdSize = 4

// ErrTooManyFDs: more descriptors came beside a message than are allowed, or
// than this process has room for.
var ErrTooManyFDs = errors.New("too many descriptors beside a message")

// CloseFDs closes descriptors.
func CloseFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// Reader reads headers and the descriptors beside them from a stream socket.
// It belongs to one goroutine at a time.
type Reader struct {
	uc  *net.UnixConn
	max int
	oob []byte
}

// NewReader returns a Reader that takes up to maxFDs descriptors at a time.
func NewReader(uc *net.UnixConn, maxFDs int) *Reader {
	return &Reader{uc: uc, max: maxFDs, oob: make([]byte, unix.CmsgSpace(maxFDs*fdSize))}
}

// ReadHeader fills b, the first bytes of a message, and returns the
// descriptors that came beside them, which are the caller's, also beside an
// error. The error is io.EOF if the stream ended before the first byte.
//
// Descriptors belong to the first byte they were sent with. Reading no more
// than a header never takes those of the next message.
func (r *Reader) ReadHeader(b []byte) (fds []int, err error) {
	for have := 0; have < len(b); {
		// The net package asks for close-on-exec with MSG_CMSG_CLOEXEC.
		n, oobn, flags, _, err := r.uc.ReadMsgUnix(b[have:], r.oob)
		more, cmsgErr := rights(r.oob[:oobn])
		fds = append(fds, more...)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return fds, fmt.Errorf("receive: %w", err)
		case cmsgErr != nil:
			return fds, cmsgErr
		case flags&unix.MSG_CTRUNC != 0 || len(fds) > r.max:
			return fds, fmt.Errorf("%w: at most %d", ErrTooManyFDs, r.max)
		case n == 0 && have == 0:
			return fds, io.EOF
		case n == 0:
			return fds, fmt.Errorf("receive a header: %w", io.ErrUnexpectedEOF)
		}
		have += n
	}
	return fds, nil
}

// ReadBody fills b, which follows what was read before. Descriptors beside it
// are dropped.
func (r *Reader) ReadBody(b []byte) error {
	_, err := io.ReadFull(r.uc, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// rights returns the descriptors in control messages.
func rights(oob []byte) (fds []int, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("control message: %w", err)
	}
	for i := range msgs {
		if msgs[i].Header.Level != unix.SOL_SOCKET || msgs[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		more, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			return fds, fmt.Errorf("control message: %w", err)
		}
		fds = append(fds, more...)
	}
	return fds, nil
}

// Write writes all of b, with descriptors, which stay the caller's, beside its
// first byte.
func Write(uc *net.UnixConn, b []byte, fds ...int) error {
	if len(fds) == 0 {
		_, err := uc.Write(b)
		return err
	}
	n, _, err := uc.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	if err == nil && n < len(b) {
		_, err = uc.Write(b[n:])
	}
	return err
}

// Idle reports whether nothing comes for a while.
func Idle(uc *net.UnixConn, d time.Duration) bool {
	raw, err := uc.SyscallConn()
	if err != nil {
		return true
	}
	n, end := 0, time.Now().Add(d)
	// The function must always report that it is done: otherwise it would be
	// called again only when there is something to read.
	_ = raw.Read(func(fd uintptr) bool {
		for {
			left := max(time.Until(end), 0)
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int((left+time.Millisecond-1)/time.Millisecond))
			if err != unix.EINTR {
				return true
			}
		}
	})
	return n <= 0
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Message is a message that was received. It owns the descriptors that came
// with it until they are taken.
type Message struct {
	Header
	Payload []byte // valid until the next Receive
	fds     []int
}

// FDs returns the number of descriptors that came and were not taken.
func (m *Message) FDs() int { return len(m.fds) }

// TakeFD returns the next descriptor, which is the caller's from then on, or
// -1 if there is none.
func (m *Message) TakeFD() int {
	if len(m.fds) == 0 {
		return -1
	}
	fd := m.fds[0]
	m.fds = m.fds[1:]
	return fd
}

// Close closes the descriptors that were not taken and zeroes the payload.
func (m *Message) Close() {
	closeFDs(m.fds)
	m.fds = nil
	clear(m.Payload)
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// Conn carries messages over a Unix stream socket. One goroutine may receive
// while another sends.
type Conn struct {
	uc      *net.UnixConn
	header  [HeaderSize]byte
	payload [MaxPayload]byte
	oob     []byte
}

// NewConn returns a Conn that owns uc.
func NewConn(uc *net.UnixConn) *Conn {
	return &Conn{uc: uc, oob: make([]byte, unix.CmsgSpace(MaxFDs*4))}
}

// Close closes the socket.
func (c *Conn) Close() error { return c.uc.Close() }

// SetDeadline bounds sends and receives that are made and that come.
func (c *Conn) SetDeadline(t time.Time) error { return c.uc.SetDeadline(t) }

// Receive returns the next message. The caller closes it. At the end of the
// stream, between two messages, the error is io.EOF. After any error the
// connection is of no more use.
func (c *Conn) Receive() (*Message, error) {
	// Descriptors come with the first byte of a message. Reading exactly a
	// header never takes those of the next one.
	fds, err := c.receiveHeader()
	if err != nil {
		closeFDs(fds)
		return nil, err
	}
	m := &Message{fds: fds}
	if m.Header, err = DecodeHeader(c.header[:]); err != nil {
		m.Close()
		return nil, err
	}
	m.Payload = c.payload[:m.Size]
	if _, err := io.ReadFull(c.uc, m.Payload); err != nil {
		m.Close()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("receive %d bytes of %v: %w", m.Size, m.Request, err)
	}
	return m, nil
}

// receiveHeader fills c.header. The descriptors are the caller's, also beside
// an error.
func (c *Conn) receiveHeader() (fds []int, err error) {
	for have := 0; have < HeaderSize; {
		// The net package asks for close-on-exec with MSG_CMSG_CLOEXEC.
		n, oobn, flags, _, err := c.uc.ReadMsgUnix(c.header[have:], c.oob)
		more, cmsgErr := rights(c.oob[:oobn])
		fds = append(fds, more...)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return fds, fmt.Errorf("receive: %w", err)
		case cmsgErr != nil:
			return fds, cmsgErr
		case flags&unix.MSG_CTRUNC != 0 || len(fds) > MaxFDs:
			return fds, violation("more than %d descriptors in a message, or no room for them here", MaxFDs)
		case n == 0 && have == 0:
			return fds, io.EOF
		case n == 0:
			return fds, fmt.Errorf("receive a header: %w", io.ErrUnexpectedEOF)
		}
		have += n
	}
	return fds, nil
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

// Send sends a message of this protocol version. The descriptors stay the
// caller's.
func (c *Conn) Send(r Request, flags uint32, payload []byte, fds ...int) error {
	b := Header{r, flagVersion | flags, uint32(len(payload))}.Append(make([]byte, 0, HeaderSize+len(payload)))
	b = append(b, payload...)
	defer clear(b) // it may have held keys
	if err := c.SendRaw(b, fds...); err != nil {
		return fmt.Errorf("send %v: %w", r, err)
	}
	return nil
}

// SendRaw sends bytes, with descriptors beside the first of them.
func (c *Conn) SendRaw(b []byte, fds ...int) error {
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	n, _, err := c.uc.WriteMsgUnix(b, oob, nil)
	if err == nil && n < len(b) {
		_, err = c.uc.Write(b[n:])
	}
	return err
}

// idle reports whether nothing comes for a while.
func (c *Conn) idle(d time.Duration) bool {
	raw, err := c.uc.SyscallConn()
	if err != nil {
		return true
	}
	n, end := 0, time.Now().Add(d)
	_ = raw.Read(func(fd uintptr) bool {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for left := d; ; left = time.Until(end) {
			n, err = unix.Poll(set, int(max(left, 0).Milliseconds()))
			// Interrupted is not readable: to return false here would wait
			// for the next message, however late that comes.
			if err != unix.EINTR {
				return true
			}
		}
	})
	return n <= 0
}

// file makes a received descriptor an *os.File.
func file(fd int, name string) *os.File { return os.NewFile(uintptr(fd), name) }

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"vcrypto/virtio/sock"
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

func closeFDs(fds []int) { sock.CloseFDs(fds) }

// Conn carries messages over a Unix stream socket. One goroutine may receive
// while another sends.
type Conn struct {
	uc      *net.UnixConn
	header  [HeaderSize]byte
	payload [MaxPayload]byte
	in      *sock.Reader
}

// NewConn returns a Conn that owns uc.
func NewConn(uc *net.UnixConn) *Conn {
	return &Conn{uc: uc, in: sock.NewReader(uc, MaxFDs)}
}

// Close closes the socket.
func (c *Conn) Close() error { return c.uc.Close() }

// SetDeadline bounds sends and receives that are made and that come.
func (c *Conn) SetDeadline(t time.Time) error { return c.uc.SetDeadline(t) }

// Receive returns the next message. The caller closes it. At the end of the
// stream, between two messages, the error is io.EOF. After any error the
// connection is of no more use.
func (c *Conn) Receive() (*Message, error) {
	fds, err := c.in.ReadHeader(c.header[:])
	if errors.Is(err, sock.ErrTooManyFDs) {
		err = violation("%v", err)
	}
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
	if err := c.in.ReadBody(m.Payload); err != nil {
		m.Close()
		return nil, fmt.Errorf("receive %d bytes of %v: %w", m.Size, m.Request, err)
	}
	return m, nil
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
	return sock.Write(c.uc, b, fds...)
}

// idle reports whether nothing comes for a while.
func (c *Conn) idle(d time.Duration) bool { return sock.Idle(c.uc, d) }

// file makes a received descriptor an *os.File.
func file(fd int, name string) *os.File { return os.NewFile(uintptr(fd), name) }

// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"fmt"
	"io"
	"net"
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

// Close closes the descriptors that were not taken.
func (m *Message) Close() {
	sock.CloseFDs(m.fds)
	m.fds = nil
}

// Conn carries messages over a Unix stream socket. One goroutine may receive
// while another sends.
type Conn struct {
	uc      *net.UnixConn
	in      *sock.Reader
	header  [HeaderSize]byte
	payload []byte
	out     []byte
	message Message
}

// NewConn returns a Conn that owns uc.
func NewConn(uc *net.UnixConn) *Conn {
	return &Conn{uc: uc, in: sock.NewReader(uc, MaxFDs), payload: make([]byte, MaxPayload)}
}

// Close closes the socket.
func (c *Conn) Close() error { return c.uc.Close() }

// SetDeadline bounds sends and receives that are made and that come.
func (c *Conn) SetDeadline(t time.Time) error { return c.uc.SetDeadline(t) }

// Receive returns the next message, which is valid until the next Receive.
// The caller closes it. At the end of the stream, between two messages, the
// error is io.EOF. After any error the connection is of no more use.
func (c *Conn) Receive() (*Message, error) {
	// A peer sends many messages at once. Reading exactly a header gets its
	// own descriptors, not those of the last.
	fds, err := c.in.ReadHeader(c.header[:])
	m := &c.message
	*m = Message{fds: fds}
	if err == nil {
		m.Header, err = DecodeHeader(c.header[:])
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	m.Payload = c.payload[:m.Size-HeaderSize]
	if len(m.Payload) == 0 {
		return m, nil
	}
	if err := c.in.ReadBody(m.Payload); err != nil {
		m.Close()
		return nil, fmt.Errorf("receive %d bytes of %v: %w", m.Size, m.Command, err)
	}
	return m, nil
}

// Send sends a message whose size it fills in. The descriptors stay the
// caller's.
func (c *Conn) Send(h Header, payload []byte, fds ...int) error {
	h.Size = uint32(HeaderSize + len(payload))
	c.out = append(h.Append(c.out[:0]), payload...)
	if err := c.SendRaw(c.out, fds...); err != nil {
		return fmt.Errorf("send %v: %w", h.Command, err)
	}
	return nil
}

// SendRaw sends bytes, with descriptors beside the first of them.
func (c *Conn) SendRaw(b []byte, fds ...int) error { return sock.Write(c.uc, b, fds...) }

// idle reports whether nothing comes for a while.
func (c *Conn) idle(d time.Duration) bool { return sock.Idle(c.uc, d) }

var _ io.Closer = (*Conn)(nil)

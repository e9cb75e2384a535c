// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"fmt"
	"io"
	"net"

	"vcrypto/virtio/sock"
)

// Message is a message that was received. It owns the descriptors that came
// with it until they are taken.
type Message struct {
	Header
	Payload []byte // valid until the next Receive
	sock.Descriptors
}

// Conn carries messages over a Unix stream socket. One goroutine may receive
// while another sends.
type Conn struct {
	sock.Stream
	header  [HeaderSize]byte
	payload []byte
	out     []byte
	message Message
}

// NewConn returns a Conn that owns uc.
func NewConn(uc *net.UnixConn) *Conn {
	return &Conn{Stream: sock.NewStream(uc, MaxFDs), payload: make([]byte, MaxPayload)}
}

// Receive returns the next message, which is valid until the next Receive.
// The caller closes it. At the end of the stream, between two messages, the
// error is io.EOF. After any error the connection is of no more use.
func (c *Conn) Receive() (*Message, error) {
	// A peer sends many messages at once. Reading exactly a header gets its
	// own descriptors, not those of the last.
	fds, err := c.ReadHeader(c.header[:])
	m := &c.message
	*m = Message{Descriptors: sock.NewDescriptors(fds)}
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
	if err := c.ReadBody(m.Payload); err != nil {
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

var _ io.Closer = (*Conn)(nil)

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"net"
	"os"

	"vcrypto/virtio/sock"
)

// Message is a message that was received. It owns the descriptors that came
// with it until they are taken.
type Message struct {
	Header
	Payload []byte // valid until the next Receive
	sock.Descriptors
}

// Close closes the descriptors that were not taken and zeroes the payload.
func (m *Message) Close() {
	m.Descriptors.Close()
	clear(m.Payload)
}

func closeFDs(fds []int) { sock.CloseFDs(fds) }

// Conn carries messages over a Unix stream socket. One goroutine may receive
// while another sends.
type Conn struct {
	sock.Stream
	header  [HeaderSize]byte
	payload [MaxPayload]byte
}

// NewConn returns a Conn that owns uc.
func NewConn(uc *net.UnixConn) *Conn { return &Conn{Stream: sock.NewStream(uc, MaxFDs)} }

// Receive returns the next message. The caller closes it. At the end of the
// stream, between two messages, the error is io.EOF. After any error the
// connection is of no more use.
func (c *Conn) Receive() (*Message, error) {
	fds, err := c.ReadHeader(c.header[:])
	if errors.Is(err, sock.ErrTooManyFDs) {
		err = violation("%v", err)
	}
	if err != nil {
		closeFDs(fds)
		return nil, err
	}
	m := &Message{Descriptors: sock.NewDescriptors(fds)}
	if m.Header, err = DecodeHeader(c.header[:]); err != nil {
		m.Close()
		return nil, err
	}
	m.Payload = c.payload[:m.Size]
	if err := c.ReadBody(m.Payload); err != nil {
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

// file makes a received descriptor an *os.File.
func file(fd int, name string) *os.File { return os.NewFile(uintptr(fd), name) }

// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"errors"
	"io"
	"net"

	"vcrypto/internal/chat/wire"
)

// channel carries a conversation. One goroutine calls receive, another one
// the rest. Closing the connection underneath ends calls that wait.
type channel interface {
	// begin is called once, before anything is sent.
	begin() error
	// send sends some of our input.
	send(p []byte) error
	// end says that our input has ended.
	end() error
	// took says that we have taken all of the peer's input.
	took() error
	// leave says that we go.
	leave() error
	// receive waits for what the peer says next. The bytes are valid until
	// the next call. After an End without confirmations it is not called
	// again.
	receive() (wire.Kind, []byte, error)
	// confirms says whether the peer answers our end when it has taken all.
	confirms() bool
	// close gives keys and memory back, when no other call is under way.
	close() error
}

// secure is a channel with a key.
type secure struct {
	conn *wire.Conn
	nick string
}

func (s *secure) begin() error {
	if s.nick == "" {
		return nil
	}
	return s.conn.Send(wire.Nick, []byte(s.nick))
}

func (s *secure) send(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), wire.MaxPayload)
		if err := s.conn.Send(wire.Data, p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (s *secure) end() error                          { return s.conn.Send(wire.End, nil) }
func (s *secure) took() error                         { return s.conn.Send(wire.Received, nil) }
func (s *secure) leave() error                        { return s.conn.Send(wire.Bye, nil) }
func (s *secure) receive() (wire.Kind, []byte, error) { return s.conn.Receive() }
func (s *secure) confirms() bool                      { return true }
func (s *secure) close() error                        { return s.conn.Close() }

// plain is a channel without a key: the bytes as they are, the end of input
// as TCP's half close.
type plain struct {
	conn net.Conn
	buf  []byte
}

func newPlain(conn net.Conn) *plain { return &plain{conn: conn, buf: make([]byte, wire.MaxPayload)} }

func (p *plain) begin() error { return nil }

func (p *plain) send(b []byte) error {
	_, err := p.conn.Write(b)
	return err
}

func (p *plain) end() error {
	if c, ok := p.conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (p *plain) took() error  { return nil }
func (p *plain) leave() error { return nil }

func (p *plain) receive() (wire.Kind, []byte, error) {
	n, err := p.conn.Read(p.buf)
	if n > 0 {
		return wire.Data, p.buf[:n], nil // the error comes again
	}
	if errors.Is(err, io.EOF) {
		return wire.End, nil, nil
	}
	return wire.Data, nil, err
}

func (p *plain) confirms() bool { return false }
func (p *plain) close() error   { return nil }

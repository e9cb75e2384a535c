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
	// begin is called once, before anything is sent. nick is our name, or "".
	begin(nick string) error
	// send sends some of our input, of at most MaxPayload bytes if it is not
	// Data.
	send(k wire.Kind, p []byte) error
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
	// about says what protects the conversation.
	about() (suite, fingerprint string)
	// close gives keys and memory back, when no other call is under way.
	close() error
}

// secure is a channel with a key.
type secure struct {
	conn *wire.Conn
}

func (s *secure) begin(nick string) error {
	if nick == "" {
		return nil
	}
	return s.conn.Send(wire.Nick, []byte(nick))
}

func (s *secure) send(k wire.Kind, p []byte) error {
	if k != wire.Data {
		return s.conn.Send(k, p)
	}
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

func (s *secure) about() (suite, fingerprint string) {
	return s.conn.Suite().String(), s.conn.Fingerprint()
}

// plain is a channel without a key: the bytes as they are, the end of input
// as TCP's half close.
type plain struct {
	conn net.Conn
	buf  []byte
}

func newPlain(conn net.Conn) *plain { return &plain{conn: conn, buf: make([]byte, wire.MaxPayload)} }

func (p *plain) begin(string) error { return nil }

func (p *plain) send(k wire.Kind, b []byte) error {
	if k != wire.Data {
		return nil // the bare bytes have no place for it
	}
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

func (p *plain) about() (suite, fingerprint string) { return "no encryption", "" }

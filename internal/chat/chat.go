// SPDX-License-Identifier: Apache-2.0

// Package chat joins a user, on a terminal or behind pipes, with a peer.
//
// A [Chat] is the user's side: where input comes from, where what the peer
// says goes, and the pre-shared key. [Chat.Connect] talks to one peer,
// [Chat.Serve] to one after the other. Between the two ends is a channel:
// with a key it is that of package wire, and all that comes out of it is
// authentic; without one it is the bare bytes, as nc would send them.
//
// Both directions run at once and end on their own: the end of the input is
// told to the peer, whose words are shown until its input ends too. With a
// key each end also confirms that it took everything, so a conversation that
// ends without an error has lost nothing.
package chat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"vcrypto/internal/chat/psk"
	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/wire"
)

// How a conversation can fail, beyond the errors of package wire.
var (
	// ErrUnproved: there is no conversation, because the peer did not prove
	// to have our key. The cause is wrapped beside it.
	ErrUnproved = errors.New("not authenticated")
	// ErrBroken: the conversation stopped in the middle. The cause is wrapped
	// beside it.
	ErrBroken = errors.New("the conversation broke off")
	// ErrLeft: the peer left in good order, but before both sides had sent
	// and taken everything.
	ErrLeft = errors.New("the peer left before everything was sent and received")
	// ErrLocal: our own input or output failed.
	ErrLocal = errors.New("this end failed")
	// ErrQuit is the Err of a chunk with which the user leaves: the peer is
	// told the end of our input, and when it has taken all that we go, whatever
	// it may yet have to say.
	ErrQuit = errors.New("the user leaves")
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second // a network's round trips and a slow device
	stretchTimeout   = time.Minute      // likewise, with argon2id on a slow machine
	leaveTimeout     = time.Second      // to say goodbye to a peer that does not read
	lastWordsTimeout = 2 * time.Second  // for what a peer said before it closed
)

// keepAlive finds peers whose machine has gone, in about a minute and a half.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 4}

// Chat is one end's user and settings. The fields are set before its methods
// are called, which is one at a time.
type Chat struct {
	In  *Input
	Out Display

	// Log tells the user what happens; Told that it need not tell who comes and
	// goes, which Out does.
	Log  func(format string, args ...any)
	Told bool

	// Key is the pre-shared key, Passphrase what may be there instead. With
	// neither we talk in the clear.
	Key        psk.Key
	Passphrase *psk.Passphrase
	// Place is where the cipher runs; not used in the clear.
	Place suite.Place
	// Nick is the name the peer is told, "" for none. A chunk of the input may
	// change it.
	Nick string

	// Files are those that go and come; nil refuses them.
	Files *Files

	// Wait is how long to wait for more input once the peer's has ended;
	// negative is for ever. At the end of a pause as long as this, ours ends
	// too.
	Wait time.Duration

	quit bool // the user has left

	handshakeTimeout time.Duration // 0 for the constant; shorter in tests
	seatTimeout      time.Duration // 0 for the constant; see Serve
}

// Encrypted says whether there is a key, so that more than bare bytes can be
// said.
func (c *Chat) Encrypted() bool { return !c.plain() }

// Connect talks to the listener at addr (host:port) until both have ended, or
// until ctx is done, which leaves in good order and is no error.
func (c *Chat) Connect(ctx context.Context, addr string) error {
	_, err := c.connect(ctx, addr)
	return err
}

// connect is Connect, and says whether there was a conversation.
func (c *Chat) connect(ctx context.Context, addr string) (talked bool, err error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		if ctx.Err() != nil {
			return false, nil
		}
		return false, fmt.Errorf("connect: %w", err)
	}
	ch, err := c.greet(ctx, conn, wire.Initiator, nil)
	if err != nil {
		if ctx.Err() != nil {
			return false, nil
		}
		return false, fmt.Errorf("%s: %w", addr, err)
	}
	c.note("connected to %s", conn.RemoteAddr())
	if err := c.talk(ctx, conn, ch, conn.RemoteAddr().String()); err != nil {
		return true, fmt.Errorf("%s: %w", addr, err)
	}
	return true, nil
}

// greet makes a channel of a new connection: it does the handshake, if there
// is a key. After an error the connection is closed.
func (c *Chat) greet(ctx context.Context, conn net.Conn, r wire.Role, admit func() bool) (channel, error) {
	if c.plain() {
		if admit != nil && !admit() {
			conn.Close()
			return nil, wire.ErrBusy
		}
		return newPlain(conn), nil
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	config := wire.Config{Role: r, PSK: c.Key, Place: c.Place, Admit: admit}
	patience := handshakeTimeout
	if c.Passphrase != nil {
		patience = stretchTimeout
		if r == wire.Responder {
			config.Salt, config.PSK = c.Passphrase.Listener()
		} else {
			config.Stretch = c.Passphrase.Stretch
		}
	}
	conn.SetDeadline(time.Now().Add(orDefault(c.handshakeTimeout, patience)))
	w, err := wire.Handshake(conn, config)
	if err == nil && !stop() {
		err = errors.Join(ctx.Err(), w.Close())
	}
	if err != nil {
		stop()
		conn.Close()
		if errors.Is(err, wire.ErrBusy) || errors.Is(err, wire.ErrCipher) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnproved, err)
	}
	conn.SetDeadline(time.Time{})
	c.note("%s: %s, fingerprint %s", conn.RemoteAddr(), w.Suite(), w.Fingerprint())
	return &secure{conn: w}, nil
}

// note logs what Out may tell already.
func (c *Chat) note(format string, args ...any) {
	if !c.Told {
		c.Log(format, args...)
	}
}

// plain says whether nothing is protected.
func (c *Chat) plain() bool { return c.Key == nil && c.Passphrase == nil }

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

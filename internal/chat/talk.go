// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"vcrypto/internal/chat/safetext"
	"vcrypto/internal/chat/transfer"
	"vcrypto/internal/chat/wire"
)

// conversation is a talk with one peer. Its sender, which is also what
// decides, is the goroutine of talk; its receiver is another, which shows
// what the peer says and tells the sender the rest.
type conversation struct {
	*Chat
	files *Files
	conn  net.Conn
	ch    channel
	name  string // the peer's, for messages

	said     chan wire.Kind // what the peer said that the sender must know of
	stop     chan struct{}  // closed when the sender wants no more of it
	received chan struct{}  // closed when the receiver has returned
	failed   error          // why it did; read after received is closed
}

// talk runs a conversation to its end and closes the connection.
func (c *Chat) talk(ctx context.Context, conn net.Conn, ch channel, name string) error {
	v := &conversation{
		Chat: c, conn: conn, ch: ch, name: name,
		said: make(chan wire.Kind), stop: make(chan struct{}), received: make(chan struct{}),
	}
	// A sender that waits for a peer which does not read must notice, too,
	// that the user wants to leave.
	cancel := context.AfterFunc(ctx, func() { conn.SetWriteDeadline(time.Now().Add(leaveTimeout)) })
	defer cancel()
	if v.files = c.Files; v.files == nil {
		v.files = noFiles(c.Log)
	}
	v.files.begin()
	defer v.files.end()
	suite, fingerprint := ch.about()
	c.Out.Begin(Peer{Addr: name, Suite: suite, Fingerprint: fingerprint})
	go v.receive()
	err := v.send(ctx)
	if ctx.Err() != nil && err != nil && isTransport(err) {
		err = nil // the user left, and the peer did not read
	}

	close(v.stop)
	conn.Close()
	select {
	case <-v.received:
	case <-afterDone(ctx):
		// The receiver waits for an output that takes nothing, and the
		// program ends: leave it behind, and the channel that it uses.
		return err
	}
	c.Out.End(err)
	return errors.Join(err, ch.close())
}

// afterDone returns a channel that is closed a moment after ctx is done.
func afterDone(ctx context.Context) <-chan struct{} {
	late := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(leaveTimeout, func() { close(late) }) })
	return late
}

// receive shows what the peer says until it ends or fails.
func (v *conversation) receive() {
	defer close(v.received)
	for {
		kind, p, err := v.ch.receive()
		if err != nil {
			v.fail(err)
			return
		}
		switch kind {
		case wire.Data:
			if err := v.Out.Write(p); err != nil {
				v.fail(fmt.Errorf("%w: write what the peer said: %w", ErrLocal, err))
				return
			}
			continue
		case wire.Nick:
			if name := safetext.Nick(string(p)); name != "" {
				v.Out.SetNick(name)
				v.note("%s is %s", v.name, name)
			}
			continue
		case wire.Act:
			if err := v.Out.Act(string(p)); err != nil {
				v.fail(fmt.Errorf("%w: write what the peer does: %w", ErrLocal, err))
				return
			}
			continue
		case wire.Offer, wire.Get, wire.Block, wire.Refuse:
			if err := v.files.received(kind, p); err != nil {
				v.fail(err)
				return
			}
			continue
		case wire.Bye:
			v.conn.SetWriteDeadline(time.Now()) // nobody reads what the sender may be sending
		}
		select {
		case v.said <- kind:
		case <-v.stop:
			return
		}
		if kind == wire.Bye || kind == wire.End && !v.ch.confirms() {
			return
		}
	}
}

// fail keeps the receiver's error, and wakes the sender if it waits for the
// peer to read.
func (v *conversation) fail(err error) {
	v.failed = err
	v.conn.SetWriteDeadline(time.Now())
}

// send sends the input, answers the peer, and returns when the conversation
// is over.
func (v *conversation) send(ctx context.Context) error {
	if err := v.ch.begin(v.Nick); err != nil {
		return v.sendFailed(err)
	}
	var (
		ended     = false            // we have sent our end
		peerEnded = false            // the peer has
		confirmed = !v.ch.confirms() // the peer has taken all of ours
		received  = v.received       // nil once its news is old
		buf       = make([]byte, 0, transfer.BlockHead+transfer.BlockSize)
		pause     <-chan time.Time // fires when the input has paused for long enough
	)
	end := func() error {
		ended = true
		if err := v.ch.end(); err != nil {
			return v.sendFailed(err)
		}
		return nil
	}
	for !ended || !peerEnded || !confirmed {
		var input <-chan Chunk
		if !ended {
			if v.In.Ended() {
				if err := end(); err != nil {
					return err
				}
				continue
			}
			input = v.In.Next()
			pause = nil
			if peerEnded && v.Wait >= 0 {
				pause = time.After(v.Wait)
			}
		}
		select {
		case <-ctx.Done():
			v.leave()
			return nil

		case chunk := <-input:
			v.In.Took(chunk)
			if err := v.say(chunk); err != nil {
				return v.sendFailed(err)
			}
			v.quit = errors.Is(chunk.Err, ErrQuit)
			if v.quit || errors.Is(chunk.Err, io.EOF) {
				if err := end(); err != nil {
					return err
				}
				if v.quit && confirmed {
					return nil // a peer that confirms nothing
				}
			} else if chunk.Err != nil {
				v.leave()
				return fmt.Errorf("%w: read input: %w", ErrLocal, chunk.Err)
			}

		case <-pause:
			if err := end(); err != nil {
				return err
			}

		case <-v.files.wake:
			if kind, p, ok := v.files.next(buf); ok {
				if err := v.ch.send(kind, p); err != nil {
					return v.sendFailed(err)
				}
				v.files.poke() // one at a time: others have their turn
			}

		case kind := <-v.said:
			switch kind {
			case wire.End:
				peerEnded = true
				if err := v.ch.took(); err != nil {
					return v.sendFailed(err)
				}
				if !ended {
					v.Log("%s has ended its side", v.name)
				}
			case wire.Received:
				if !ended {
					return fmt.Errorf("%w: the peer confirmed an end that was not sent: %w", ErrBroken, wire.ErrFrame)
				}
				confirmed = true
				if v.quit {
					v.leave()
					return nil
				}
			case wire.Bye:
				return ErrLeft
			}

		case <-received:
			if v.failed != nil {
				return v.receiveFailed()
			}
			received = nil // a plain peer's end, told by v.said
		}
	}
	return nil
}

// say sends what the user said.
func (v *conversation) say(c Chunk) error {
	if len(c.Bytes) == 0 {
		return nil
	}
	kind := c.Kind
	switch kind {
	case 0:
		kind = wire.Data
	case wire.Nick:
		v.Nick = string(c.Bytes)
	}
	if err := v.ch.send(kind, c.Bytes); err != nil {
		return err
	}
	v.Out.Sent(kind, c.Bytes)
	return nil
}

// leave tells the peer that we go, if it listens.
func (v *conversation) leave() {
	v.conn.SetWriteDeadline(time.Now().Add(leaveTimeout))
	v.ch.leave() // we go in any case
}

// sendFailed finds out why sending failed: what the peer said last may tell.
func (v *conversation) sendFailed(err error) error {
	if errors.Is(err, wire.ErrCipher) {
		return err
	}
	v.conn.SetReadDeadline(time.Now().Add(lastWordsTimeout))
	for {
		select {
		case kind := <-v.said:
			if kind == wire.Bye {
				return ErrLeft
			}
		case <-v.received:
			if v.failed != nil && !isTransport(v.failed) {
				return v.receiveFailed()
			}
			return fmt.Errorf("%w: %w", ErrBroken, err)
		case <-time.After(2 * lastWordsTimeout): // the output takes nothing
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
	}
}

// receiveFailed gives the receiver's error its class.
func (v *conversation) receiveFailed() error {
	if errors.Is(v.failed, ErrLocal) {
		v.leave()
		return v.failed
	}
	if errors.Is(v.failed, wire.ErrCipher) {
		return v.failed
	}
	return fmt.Errorf("%w: %w", ErrBroken, v.failed)
}

// isTransport says whether err is only that the connection is gone.
func isTransport(err error) bool {
	if errors.Is(err, ErrLocal) || errors.Is(err, wire.ErrCipher) {
		return false // these may wrap a system's error, too
	}
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, wire.ErrTruncated)
}

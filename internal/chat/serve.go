// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"vcrypto/internal/chat/wire"
)

const (
	// maxGreets is the number of strangers that are listened to at once; more
	// wait in the kernel's queue. A silent one holds a place until the
	// handshake's deadline, and keeps nobody else out.
	maxGreets = 64
	// seatTimeout is how long a peer with the right key waits for the one
	// before it to leave before it is told that we are busy: the next peer
	// often comes in the moment the last one goes.
	seatTimeout = 2 * time.Second
	// acceptPause is the wait after the system refused to accept a
	// connection, for lack of file descriptors say.
	acceptPause = 200 * time.Millisecond
)

// Listen opens a listener for Serve.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// guest is a peer that was admitted.
type guest struct {
	conn net.Conn
	ch   channel
	name string
}

// server is Serve at work.
type server struct {
	*Chat
	listener net.Listener
	seat     chan struct{} // full while a peer is served or about to be
	guests   chan guest
	failed   chan error // why accepting stopped
}

// Serve talks to the peers that come to l, one at a time, until ctx is done.
// It closes l. What goes wrong with a peer is logged, and the next one
// served; once serves one admitted peer only and returns its error. Errors of
// our own input or output end it too.
func (c *Chat) Serve(ctx context.Context, l net.Listener, once bool) error {
	s := &server{Chat: c, listener: l, seat: make(chan struct{}, 1), guests: make(chan guest), failed: make(chan error, 1)}
	ctx, cancel := context.WithCancel(ctx)
	var accepting sync.WaitGroup
	defer accepting.Wait()
	defer cancel()
	context.AfterFunc(ctx, func() { l.Close() })
	accepting.Go(func() { s.accept(ctx, &accepting) })

	for {
		var typed <-chan Chunk
		if c.In.Terminal() && !c.In.Ended() {
			typed = c.In.Next()
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case chunk := <-typed:
			c.In.Took(chunk)
			if done, err := c.toNobody(chunk); done {
				return err
			}
		case g := <-s.guests:
			err := s.serve(ctx, g)
			<-s.seat
			if once || c.quit || errors.Is(err, ErrLocal) {
				return err
			}
			if err != nil && ctx.Err() == nil {
				c.note("%v; waiting for the next peer", err)
			}
		}
	}
}

// toNobody takes what the user said while nobody is there. It says whether the
// user is done.
func (c *Chat) toNobody(chunk Chunk) (done bool, err error) {
	switch {
	case errors.Is(chunk.Err, io.EOF), errors.Is(chunk.Err, ErrQuit):
		return true, nil
	case chunk.Err != nil:
		return true, fmt.Errorf("%w: read input: %w", ErrLocal, chunk.Err)
	case chunk.Kind == wire.Nick:
		c.Nick = string(chunk.Bytes)
		c.Out.Sent(chunk.Kind, chunk.Bytes)
	default:
		c.Log("nobody is connected: that went nowhere")
	}
	return false, nil
}

// serve talks to one peer.
func (s *server) serve(ctx context.Context, g guest) error {
	s.note("%s connected", g.name)
	err := s.talk(ctx, g.conn, g.ch, g.name)
	if err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	if ctx.Err() == nil {
		s.note("%s left", g.name)
	}
	return nil
}

// accept takes connections in and greets each on its own, so that one that
// says nothing keeps nobody waiting.
func (s *server) accept(ctx context.Context, greeting *sync.WaitGroup) {
	places := make(chan struct{}, maxGreets)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		conn, err := s.listener.Accept()
		if err != nil {
			<-places
			if ctx.Err() != nil {
				return
			}
			if errors.Is(err, net.ErrClosed) {
				s.failed <- fmt.Errorf("accept: %w", err)
				return
			}
			s.Log("accept: %v; trying again", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
				return
			}
			continue
		}
		greeting.Go(func() {
			defer func() { <-places }()
			s.receive(ctx, conn)
		})
	}
}

// receive greets a stranger and hands it on if it is admitted.
func (s *server) receive(ctx context.Context, conn net.Conn) {
	name := conn.RemoteAddr().String()
	seated := false
	ch, err := s.greet(ctx, conn, wire.Responder, func() bool {
		seated = s.takeSeat(ctx)
		return seated
	})
	if err != nil {
		if seated {
			<-s.seat
		}
		if ctx.Err() == nil {
			s.Log("%s: refused: %v", name, err)
		}
		return
	}
	select {
	case s.guests <- guest{conn, ch, name}:
	case <-ctx.Done():
		conn.Close()
		ch.close()
		<-s.seat
	}
}

// takeSeat waits a moment for the seat.
func (s *server) takeSeat(ctx context.Context) bool {
	select {
	case s.seat <- struct{}{}:
		return true
	case <-time.After(orDefault(s.seatTimeout, seatTimeout)):
	case <-ctx.Done():
	}
	return false
}

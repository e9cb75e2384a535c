// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"vcrypto/internal/chat/relay"
)

// client is a connection. Its reader is the goroutine of run, which does what
// the client asks for; its writer another one, which empties the queue.
type client struct {
	hub   *Hub
	conn  net.Conn
	id    relay.ID
	rooms map[relay.ID]*room // the reader's
	in    atomic.Int32       // how many these are

	posts, bytes *rate.Limiter

	mu     sync.Mutex
	queue  [][]byte
	queued int           // bytes in queue
	wake   chan struct{} // something was queued; holds one
	space  chan struct{} // the queue was taken; holds one
	code   relay.Code    // why it ends
	ending chan struct{} // closed when it does

	ctx    context.Context // done when it ends
	cancel context.CancelFunc
}

// readSize is small: most frames are, and there are many clients.
const readSize = 2 << 10

func newClient(h *Hub, conn net.Conn, id relay.ID) *client {
	ctx, cancel := context.WithCancel(context.Background())
	return &client{
		ctx: ctx, cancel: cancel,
		hub: h, conn: conn, id: id, rooms: map[relay.ID]*room{},
		posts: rate.NewLimiter(rate.Limit(h.limits.Posts), h.limits.PostsBurst),
		bytes: rate.NewLimiter(rate.Limit(h.limits.Bytes), h.limits.BytesBurst),
		wake:  make(chan struct{}, 1), space: make(chan struct{}, 1), ending: make(chan struct{}),
	}
}

// run serves the client until it goes, or is dropped.
func (c *client) run() {
	var writing sync.WaitGroup
	writing.Go(c.write)
	c.read()
	c.end(0)
	writing.Wait()
	c.conn.Close()
	c.hub.forget(c)
}

// read takes frames, no faster than the client may send them.
func (c *client) read() {
	r := bufio.NewReaderSize(c.conn, readSize)
	for {
		c.conn.SetReadDeadline(time.Now().Add(c.hub.limits.Idle))
		if c.ended() {
			return
		}
		f, err := relay.Read(r)
		if err != nil {
			return
		}
		if f.Type != relay.Direct && c.posts.Wait(c.ctx) != nil || c.bytes.WaitN(c.ctx, len(f.Data)+relay.IDSize) != nil {
			return
		}
		if err := c.do(c.ctx, f); err != nil {
			return
		}
	}
}

// do does what a frame asks for. An error ends the client.
func (c *client) do(ctx context.Context, f *relay.Frame) error {
	switch f.Type {
	case relay.Post:
		e, err := relay.ParseEnvelope(f.Data)
		if err != nil {
			return err
		}
		if c.rooms[e.Room] == nil {
			return relay.ErrProtocol
		}
		return c.hub.bus.post(ctx, e.Room, f.Data)
	case relay.Direct:
		if _, err := relay.ParseEnvelope(f.Data); err != nil {
			return err
		}
		return c.hub.bus.direct(f.To, f.Data)
	case relay.Join:
		return c.join(ctx, f)
	case relay.Part:
		c.hub.part(c, f.Room)
		return nil
	case relay.List:
		go func() { // others are asked
			c.reply(c.hub.bus.list())
		}()
		return nil
	case relay.Ping:
		c.reply(&relay.Frame{Type: relay.Pong})
		return nil
	}
	return relay.ErrProtocol
}

func (c *client) reply(f *relay.Frame) { c.send(f.Append(nil), false) }

// send queues a frame, which is not changed from now on. It never waits. Where
// there is no room, what may be lost is, and for anything else the client is
// dropped.
func (c *client) send(b []byte, mayBeLost bool) {
	room := c.hub.limits.Queue
	if mayBeLost {
		room -= room / 4 // or strangers who send blocks could have a client dropped
	}
	c.mu.Lock()
	full := c.queued+len(b) > room
	if !full {
		c.queue = append(c.queue, b)
		c.queued += len(b)
	}
	c.mu.Unlock()
	switch {
	case !full:
		select {
		case c.wake <- struct{}{}:
		default:
		}
	case !mayBeLost:
		c.end(relay.CodeSlow)
	}
}

// waitSpace waits until half the queue is free.
func (c *client) waitSpace(ctx context.Context) error {
	for {
		c.mu.Lock()
		free := c.queued < c.hub.limits.Queue/2
		c.mu.Unlock()
		if free {
			return nil
		}
		select {
		case <-c.space:
		case <-c.ending:
			return errors.New("the client ends")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end ends the client, and tells it why if there is a reason.
func (c *client) end(code relay.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.ending:
		return
	default:
	}
	c.code = code
	close(c.ending)
	c.cancel()
	c.conn.SetReadDeadline(time.Now()) // wakes the reader
	if code == relay.CodeSlow {
		c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	}
}

func (c *client) ended() bool {
	select {
	case <-c.ending:
		return true
	default:
		return false
	}
}

// write empties the queue until the client ends.
func (c *client) write() {
	for {
		select {
		case <-c.wake:
		case <-c.ending:
			c.farewell()
			return
		}
		if !c.flush(c.hub.limits.Write) {
			c.end(0)
			c.conn.Close() // the reader, too
			return
		}
	}
}

// flush writes what is queued.
func (c *client) flush(patience time.Duration) bool {
	c.mu.Lock()
	queue := net.Buffers(c.queue)
	c.queue, c.queued = nil, 0
	if !c.ended() {
		c.conn.SetWriteDeadline(time.Now().Add(patience))
	}
	c.mu.Unlock()
	select {
	case c.space <- struct{}{}:
	default:
	}
	_, err := queue.WriteTo(c.conn)
	return err == nil
}

// farewell says what can still be said in a second.
func (c *client) farewell() {
	c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	if c.code == 0 {
		return
	}
	if c.code != relay.CodeSlow {
		c.flush(time.Second)
	}
	f := relay.Frame{Type: relay.Closing, Code: c.code}
	c.conn.Write(f.Append(nil)) // or not
	c.conn.Close()
}

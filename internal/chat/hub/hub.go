// SPDX-License-Identifier: Apache-2.0

// Package hub carries what members of rooms say to each other. It sees
// envelopes (package relay) and cannot open them.
//
// A hub is a front of a stream: what a client posts goes into it and gets a
// number there, and what comes out of it goes to all clients of the room, in
// that order, the sender too, who takes it as the receipt. The stream lives in
// NATS: in a server of our own inside the program, or in a cluster that
// several hubs share, which are then one network of rooms. A hub keeps nothing
// else. A client whose hub dies says to another one what it saw last, is given
// what came since from the stream, and posts again what did not come back;
// what the stream has already it does not take twice.
//
// Whatever a client does costs that client. One that posts too fast is read
// more slowly; one that does not read is dropped when a bounded queue is full;
// one that says nothing is dropped after a while. Sending to a client never
// waits.
package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"vcrypto/internal/chat/relay"
)

// Limits bound what clients can cause. The zero value of a field is its
// default.
type Limits struct {
	Clients  int // at once; 10,000
	Greeting int // connections that have not said who they are; 256
	Rooms    int // of a client; 32

	Posts      float64 // frames a second, in the long run; 50
	PostsBurst int     // at once; 100
	Bytes      int     // a second; 4 MiB
	BytesBurst int     // at once; 256 KiB

	Queue int // bytes that wait for a client; 512 KiB

	Greet time.Duration // to say who one is; 10 s
	Idle  time.Duration // without a word; 90 s
	Write time.Duration // to take what is sent; 30 s

	Stream int64         // bytes that are kept for clients that come back; 32 MiB
	Age    time.Duration // for how long; 10 minutes
}

func (l Limits) complete() Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Clients, 10_000)
	def(&l.Greeting, 256)
	def(&l.Rooms, 32)
	def(&l.PostsBurst, 100)
	def(&l.Bytes, 4<<20)
	def(&l.BytesBurst, 256<<10)
	l.BytesBurst = max(l.BytesBurst, relay.MaxFrame)
	def(&l.Queue, 512<<10)
	if l.Posts == 0 {
		l.Posts = 50
	}
	if l.Stream == 0 {
		l.Stream = 32 << 20
	}
	defTime(&l.Greet, 10*time.Second)
	defTime(&l.Idle, 90*time.Second)
	defTime(&l.Write, 30*time.Second)
	defTime(&l.Age, 10*time.Minute)
	return l
}

// Config is what a hub is made with.
type Config struct {
	// NATS is the URL of a cluster, or several with commas; "" is a server
	// inside this program, for this hub alone.
	NATS string
	// Credentials is a file of NATS credentials, "" for none.
	Credentials string
	// Replicas is how many servers of the cluster keep the stream; 0 is one.
	Replicas int
	Limits   Limits
	// Log tells the operator what happens. It quotes nothing that a client
	// sent.
	Log func(format string, args ...any)
}

// Hub is a running hub.
type Hub struct {
	limits Limits
	log    func(format string, args ...any)
	bus    *bus

	position atomic.Uint64 // number of the last message that came out of the stream

	mu      sync.RWMutex
	rooms   map[relay.ID]*room
	clients map[*client]struct{}
	byID    map[relay.ID]map[*client]struct{}
	closed  bool

	listing listing
}

// acceptPause is the wait after the system refused to accept a connection.
const acceptPause = 200 * time.Millisecond

// New makes a hub and joins its network. Close it.
func New(ctx context.Context, c Config) (*Hub, error) {
	h := &Hub{
		limits: c.Limits.complete(), log: c.Log,
		rooms: map[relay.ID]*room{}, clients: map[*client]struct{}{}, byID: map[relay.ID]map[*client]struct{}{},
	}
	if h.log == nil {
		h.log = func(string, ...any) {}
	}
	b, err := newBus(ctx, c, h)
	if err != nil {
		return nil, err
	}
	h.bus = b
	return h, nil
}

// Serve takes clients from l until ctx is done, and closes l.
func (h *Hub) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer h.dropAll(relay.CodeShutdown)
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	places := make(chan struct{}, h.limits.Greeting)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			<-places
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("accept: %w", err)
			}
			h.log("accept: %v; trying again", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
				return nil
			}
			continue
		}
		serving.Go(func() {
			c, err := h.greet(conn)
			<-places
			if err != nil {
				conn.Close()
				return
			}
			c.run()
		})
	}
}

// Close leaves the network.
func (h *Hub) Close() { h.bus.close() }

// Clients is how many there are.
func (h *Hub) Clients() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.clients)
}

// errFull: there is no place for another client.
var errFull = errors.New("the hub is full")

// greet exchanges prefaces with a stranger.
func (h *Hub) greet(conn net.Conn) (*client, error) {
	conn.SetDeadline(time.Now().Add(h.limits.Greet))
	id, err := relay.ReadPreface(conn)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(relay.Preface(relay.ID{})); err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	c := newClient(h, conn, id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.clients) >= h.limits.Clients {
		f := relay.Frame{Type: relay.Closing, Code: relay.CodeFull}
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		conn.Write(f.Append(nil)) // it is told, or finds out
		return nil, errFull
	}
	h.clients[c] = struct{}{}
	if h.byID[id] == nil {
		h.byID[id] = map[*client]struct{}{}
	}
	h.byID[id][c] = struct{}{}
	return c, nil
}

// forget takes a client out of everything.
func (h *Hub) forget(c *client) {
	for id := range c.rooms {
		h.part(c, id)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
	if delete(h.byID[c.id], c); len(h.byID[c.id]) == 0 {
		delete(h.byID, c.id)
	}
}

// dropAll ends all connections: clients find another hub, or come back.
func (h *Hub) dropAll(code relay.Code) {
	h.mu.Lock()
	all := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		all = append(all, c)
	}
	h.closed = h.closed || code == relay.CodeShutdown
	h.mu.Unlock()
	for _, c := range all {
		c.end(code)
	}
}

// toMember hands on an envelope to one member, if it is here.
func (h *Hub) toMember(id relay.ID, envelope []byte) {
	f := relay.Frame{Type: relay.Direct, To: id, Data: envelope}
	b := f.Append(nil)
	h.mu.RLock()
	defer h.mu.RUnlock()
	for c := range h.byID[id] {
		c.send(b, true)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package member is a member of rooms: a connection to a hub, the rooms that
// it is in, and files that come and go.
//
// A [Client] is one goroutine, that of [Client.Run], which has all of the
// state; every method asks it. What is to be shown comes out as [Event]s.
//
// What we say is kept until it comes back from the hub, which is the receipt
// that it has its place in the room. When a hub goes away the next address is
// tried, the new hub is told what we saw last in each room and gives us what
// came since, and then what has not come back is said again: the same bytes,
// so that nobody takes it twice.
package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/suite"
)

// Config is what a client is made with.
type Config struct {
	Addrs []string // hubs (host:port), the first first
	Key   *room.Key
	Place suite.Place
	Nick  string
	Files string // the folder for files that come
	// Show is given all events, by the client's goroutine: it must not call
	// the client, nor wait for long.
	Show func(Event)
}

// Client is a member of rooms. All methods may be called from any goroutine
// while Run runs.
type Client struct {
	Config
	addrs []string
	at    int // the address to try next
	self  *room.Identity

	calls   chan func()
	stopped chan struct{} // closed when Run returns

	link       *link
	connecting bool                       // another one is looked for
	rooms      map[relay.ID]*place        // that we are in, and those that we are about to leave
	order      []relay.ID                 // of rooms that we are in, as they were entered
	left       map[relay.ID]room.Position // rooms that we were in
	listing    int                        // lists of rooms that we asked for
	lost       error                      // something said will not arrive
	ignored    map[room.ID]string         // whom we ignore: the last nick

	offers   map[int]*incoming // files that we were offered
	offered  map[room.ID]*outgoing
	lastFile int
}

// ErrStopped: the client has ended.
var ErrStopped = errors.New("we have left")

// New makes a client. Run it.
func New(c Config) (*Client, error) {
	if len(c.Addrs) == 0 {
		return nil, errors.New("no hub: name its address")
	}
	if err := room.CheckNick(c.Nick); err != nil {
		return nil, err
	}
	self, err := room.NewIdentity()
	if err != nil {
		return nil, err
	}
	return &Client{
		Config: c, addrs: c.Addrs, self: self,
		calls: make(chan func()), stopped: make(chan struct{}),
		rooms: map[relay.ID]*place{}, left: map[relay.ID]room.Position{}, ignored: map[room.ID]string{},
		offers: map[int]*incoming{}, offered: map[room.ID]*outgoing{},
	}, nil
}

// ID is who we are to others: they see its beginning beside our nick.
func (c *Client) ID() room.ID { return c.self.ID }

const tick = 50 * time.Millisecond

// Run connects to a hub and serves the other methods, until ctx is done. It is
// an error if at first no hub can be reached; later ones are waited for.
func (c *Client) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(c.stopped)
	defer func() { err = errors.Join(err, c.closeAll()) }()

	l, err := c.connect(ctx, true)
	if err != nil {
		return err
	}
	c.connected(l)
	links := make(chan *link)
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		var frames <-chan *relay.Frame
		if c.link != nil {
			frames = c.link.frames
		}
		select {
		case <-ctx.Done():
			return nil
		case call := <-c.calls:
			call()
		case f, ok := <-frames:
			if ok {
				c.frame(f)
				break
			}
			c.drop("the connection ended")
		case l := <-links:
			c.connecting = false
			c.connected(l)
		case now := <-timer.C:
			c.tick(now)
		}
		if c.link == nil && !c.connecting {
			c.connecting = true
			go func() {
				l, err := c.connect(ctx, false)
				if err != nil {
					return // ctx is done
				}
				select {
				case links <- l:
				case <-ctx.Done():
					l.close()
				}
			}()
		}
	}
}

// closeAll gives everything back.
func (c *Client) closeAll() error {
	if c.link != nil {
		c.link.close()
	}
	var errs []error
	for _, p := range c.rooms {
		errs = append(errs, p.Close())
	}
	for _, f := range c.offers {
		f.Close()
	}
	for _, f := range c.offered {
		f.Close()
	}
	return errors.Join(errs...)
}

// ask has Run's goroutine call f.
func (c *Client) ask(f func() error) error {
	done := make(chan error, 1)
	select {
	case c.calls <- func() { done <- f() }:
		return <-done
	case <-c.stopped:
		return ErrStopped
	}
}

func (c *Client) show(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	c.Show(e)
}

func (c *Client) info(room, format string, args ...any) {
	c.show(Event{Type: Info, Room: room, Text: fmt.Sprintf(format, args...)})
}

func (c *Client) warn(p room.Problem, where, format string, args ...any) {
	c.show(Event{Type: room.Warning, Problem: p, Room: where, Text: fmt.Sprintf(format, args...)})
}

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
	"vcrypto/internal/chat/safetext"
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
	connecting bool // another one is looked for
	rooms      map[relay.ID]*place
	order      []relay.ID                 // of rooms, as they were entered
	left       map[relay.ID]room.Position // rooms that we were in
	listing    int                        // lists of rooms that we asked for
	lost       error                      // something said will not arrive
	ignored    map[room.ID]string

	offers   map[int]*incoming // files that we were offered
	offered  map[room.ID]*outgoing
	lastFile int
}

// place is a room that we are in, and how far we are in it.
type place struct {
	*room.Room
	stream, seq uint64 // what came last; 0 if nothing did
	in          bool   // the hub has put us into it
	entered     time.Time
}

// window is how many messages of a room may be under way before Say waits.
const window = 64

// maxPending is how many may wait while there is no hub.
const maxPending = 1024

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

// connected goes on with a new hub.
func (c *Client) connected(l *link) {
	c.link = l
	c.show(Event{Type: Connected, Text: l.addr})
	for _, id := range c.order {
		c.enter(c.rooms[id])
	}
}

// drop lets go of the hub.
func (c *Client) drop(why string) {
	if c.link == nil {
		return
	}
	c.link.close()
	c.show(Event{Type: Away, Text: fmt.Sprintf("%s: %s; looking for a hub", c.link.addr, why)})
	c.link, c.listing = nil, 0
	for _, p := range c.rooms {
		p.in = false
	}
}

// send sends what must arrive, or drops the hub.
func (c *Client) send(f *relay.Frame) {
	if c.link != nil && !c.link.send(f) {
		c.drop("it takes nothing")
	}
}

// enter asks the hub for a room.
func (c *Client) enter(p *place) {
	label, err := c.Key.SealName(c.Place, p.Name())
	if err != nil {
		c.warn(room.NoSuite, p.Name(), "the cipher failed: %v", err)
		return
	}
	c.send(&relay.Frame{Type: relay.Join, Room: p.ID(), Stream: p.stream, Seq: p.seq, Data: label})
}

// post sends what was sealed, or keeps it until there is a hub.
func (c *Client) post(p *place, sealed room.Pending, err error) error {
	if err == nil && p.in {
		c.send(&relay.Frame{Type: relay.Post, Data: sealed.Envelope})
	}
	return err
}

// frame takes what the hub says. None of it is believed; what it may cause is
// bounded.
func (c *Client) frame(f *relay.Frame) {
	switch f.Type {
	case relay.Message:
		e, err := relay.ParseEnvelope(f.Data)
		if p := c.rooms[e.Room]; err == nil && p != nil {
			p.seq = f.Seq
			c.shown(p, p.Receive(f.Data, time.Now()))
		}
	case relay.Direct:
		if e, err := relay.ParseEnvelope(f.Data); err == nil && c.rooms[e.Room] != nil {
			c.block(c.rooms[e.Room], e)
		}
	case relay.Joined:
		if p := c.rooms[f.Room]; p != nil && !p.in {
			c.joined(p, f)
		}
	case relay.Rooms:
		if c.listing > 0 { // or the hub fills the screen
			c.listing--
			c.listed(f.Rooms)
		}
	case relay.Refused:
		if p := c.rooms[f.Room]; p != nil && !p.in {
			c.info("", "%s: %s", p.Name(), f.Code)
			if n := len(p.Pending()); n > 0 {
				c.lost = fmt.Errorf("the hub does not let us into %s (%s): %d messages will not arrive", p.Name(), f.Code, n)
				c.warn(room.Missing, "", "%v", c.lost)
			}
			c.forget(p)
		}
	case relay.Closing:
		c.drop(f.Code.String())
	}
}

// joined goes on in a room.
func (c *Client) joined(p *place, f *relay.Frame) {
	p.in = true
	first := p.stream == 0
	p.stream, p.seq = f.Stream, f.Seq
	p.Resumed(time.Now())
	again := p.Pending()
	if f.Lost {
		p.Lost()
		c.warn(room.Missing, p.Name(), "the hub does not know what was said while we were away: it is lost")
	}
	for _, m := range again {
		c.send(&relay.Frame{Type: relay.Post, Data: m.Envelope})
	}
	if first || f.Lost {
		sealed, err := p.Here(true, first, time.Now())
		if err = c.post(p, sealed, err); err != nil {
			c.warn(room.NoSuite, p.Name(), "the cipher failed: %v", err)
		}
	}
	if first {
		c.show(Event{Type: Entered, Room: p.Name(), Nick: p.Nick(), Text: p.Suite().String(), Fingerprint: c.ID().Short()})
		c.members(p)
	}
}

// listed shows the rooms that our key opens.
func (c *Client) listed(all []relay.Listed) {
	e := Event{Type: Rooms}
	others := 0
	for _, l := range all {
		if name, err := c.Key.OpenName(c.Place, l); err == nil {
			e.Names = append(e.Names, name)
		} else {
			others++
		}
	}
	if others > 0 {
		e.Text = fmt.Sprintf("and, says the hub, %d that our key does not open", others)
	}
	c.show(e)
}

// shown shows what happened in a room.
func (c *Client) shown(p *place, events []room.Event) {
	changed := false
	for _, e := range events {
		out := Event{
			Type: e.Type, Room: p.Name(), Nick: e.Nick, Old: e.Old, Text: e.Text, Own: e.Own, Problem: e.Kind, Seq: e.Seq,
		}
		if e.From != (room.ID{}) {
			out.ID = e.From.Short()
		}
		switch e.Type {
		case room.Came, room.Went, room.Silent, room.Renamed, room.Taken:
			changed = true
		case room.Said, room.Acted, room.Told, room.ToldAct, room.Topic:
			if _, no := c.ignored[e.From]; no {
				continue
			}
		case room.Offered:
			if _, no := c.ignored[e.From]; no || !c.offer(p, e, &out) {
				continue
			}
		}
		c.show(out)
	}
	if changed {
		c.members(p)
	}
}

// members tells who is in a room.
func (c *Client) members(p *place) {
	e := Event{Type: Members, Room: p.Name(), Nick: p.Nick(), Text: p.Suite().String()}
	for _, m := range p.Members() {
		e.Names = append(e.Names, m.Nick)
	}
	c.show(e)
}

// tick does what time brings.
func (c *Client) tick(now time.Time) {
	for _, id := range c.order {
		p := c.rooms[id]
		if !p.in {
			continue
		}
		events, greet, claims := p.Tick(now)
		c.shown(p, events)
		if greet {
			sealed, err := p.Here(false, claims, now)
			if err = c.post(p, sealed, err); err != nil {
				c.warn(room.NoSuite, p.Name(), "the cipher failed: %v", err)
			}
		}
	}
	c.filesTick(now)
}

func (c *Client) forget(p *place) {
	delete(c.rooms, p.ID())
	c.left[p.ID()] = p.Position()
	for i, id := range c.order {
		if id == p.ID() {
			c.order = append(c.order[:i:i], c.order[i+1:]...)
			break
		}
	}
	if err := p.Close(); err != nil {
		c.info("", "%v", err)
	}
}

// find returns the room of a name.
func (c *Client) find(name string) (*place, error) {
	if p := c.rooms[c.Key.RoomID(safetext.Room(name))]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("you are not in %s", safetext.Line(name))
}

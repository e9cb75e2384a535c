// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
)

// connected goes on with a new hub.
func (c *Client) connected(l *link) {
	c.link = l
	c.show(Event{Type: Connected, Text: l.addr})
	for _, id := range c.order {
		c.enter(c.rooms[id])
	}
	for _, p := range c.rooms {
		if p.leaving { // it is in no order any more
			c.enter(p)
		}
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
		e, err := relay.ParseEnvelope(f.Data)
		if p := c.rooms[e.Room]; err == nil && p != nil && !p.leaving {
			c.block(p, e)
		}
	case relay.Joined:
		if p := c.rooms[f.Room]; p != nil && !p.in {
			c.joined(p, f)
		}
	case relay.Rooms:
		if c.listing > 0 { // or the hub fills the screen
			c.listing--
			c.listed(f)
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
	if (first || f.Lost) && !p.goodbye {
		sealed, err := p.Here(true, first, time.Now())
		if err = c.post(p, sealed, err); err != nil {
			c.warn(room.NoSuite, p.Name(), "the cipher failed: %v", err)
		}
	}
	if first {
		p.entered = time.Now()
	}
	if first && !p.leaving {
		c.show(Event{Type: Entered, Room: p.Name(), Nick: p.Nick(), Text: p.Suite().String(), Fingerprint: c.ID().Short()})
		c.members(p)
	}
}

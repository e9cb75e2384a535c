// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
)

// Join enters a room.
func (c *Client) Join(name string) error { return c.ask(func() error { return c.join(name) }) }

func (c *Client) join(name string) error {
	name = safetext.Room(name)
	if err := room.CheckName(name); err != nil {
		return err
	}
	if p := c.rooms[c.Key.RoomID(name)]; p != nil && p.leaving {
		p.rejoin = true
		c.info("", "you enter %s again when what you said there has its place", p.Name())
		return nil
	} else if p != nil {
		return fmt.Errorf("you are in %s already", name)
	}
	r, err := room.New(c.Key, name, c.self, c.Place, c.Nick, time.Now())
	if err != nil {
		return err
	}
	if at, was := c.left[r.ID()]; was {
		r.Continue(at)
	}
	p := &place{Room: r, entered: time.Now()}
	c.rooms[r.ID()] = p
	c.order = append(c.order, r.ID())
	if c.link != nil {
		c.enter(p)
	}
	return nil
}

// Part leaves a room. When something that we said there has no place yet, as
// while there is no hub, we are gone for ourselves only, until it has.
func (c *Client) Part(name string) error {
	return c.ask(func() error {
		if p := c.rooms[c.Key.RoomID(safetext.Room(name))]; p != nil && p.rejoin {
			p.rejoin = false
			return nil
		}
		p, err := c.find(name)
		if err != nil {
			return err
		}
		if n := p.Unsaid(); n > 0 {
			p.leaving = true
			c.order = slices.DeleteFunc(c.order, func(id relay.ID) bool { return id == p.ID() })
			c.show(Event{Type: Parted, Room: p.Name()})
			c.info("", "%d of your messages in %s have no place there yet: they are not lost, others see you leave when they have it", n, p.Name())
			return nil
		}
		if p.in { // or nobody hears it
			sealed, e := p.Leave(time.Now())
			err = c.post(p, sealed, e)
		}
		c.show(Event{Type: Parted, Room: p.Name()})
		c.gone(p)
		return err
	})
}

// leave goes on to leave a room.
func (c *Client) leave(p *place, now time.Time) {
	switch {
	case p.Unsaid() > 0 || !p.evident(now):
	case !p.goodbye:
		p.goodbye = true
		sealed, err := p.Leave(now)
		if err = c.post(p, sealed, err); err != nil {
			c.warn(room.NoSuite, "", "the cipher failed: %v", err)
		}
	case len(p.Pending()) == 0:
		c.gone(p)
		if p.rejoin {
			if err := c.join(p.Name()); err != nil {
				c.warn(room.Missing, "", "enter %s again: %v", p.Name(), err)
			}
		}
	}
}

// gone tells the hub that we are in a room no more.
func (c *Client) gone(p *place) {
	c.send(&relay.Frame{Type: relay.Part, Room: p.ID()})
	c.forget(p)
}

// firstWords is how long after we came we wait for others to show that they
// are here, before we take it that nobody is.
const firstWords = 10 * time.Second

// evident says whether others can tell that what we said was said now.
func (p *place) evident(now time.Time) bool {
	return p.Heard() || now.Sub(p.entered) > firstWords
}

// Quit waits until what we said has its place and others can tell that it was
// said now, says goodbye, and waits for that too. It is an error if something
// may not have arrived when ctx is done.
func (c *Client) Quit(ctx context.Context) error {
	if err := c.await(ctx, func(p *place) bool {
		return !p.leaving && len(p.Pending()) == 0 && p.evident(time.Now())
	}); err != nil {
		return err
	}
	if err := c.ask(func() error {
		for _, id := range c.order {
			p := c.rooms[id]
			sealed, err := p.Leave(time.Now())
			if err = c.post(p, sealed, err); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := c.await(ctx, func(p *place) bool { return !p.leaving && len(p.Pending()) == 0 }); err != nil {
		return err
	}
	var lost error
	return errors.Join(c.ask(func() error { lost = c.lost; return nil }), lost)
}

// await waits until something holds of all rooms.
func (c *Client) await(ctx context.Context, holds func(*place) bool) error {
	for {
		all := true
		if err := c.ask(func() error {
			for _, p := range c.rooms {
				all = all && holds(p)
			}
			return nil
		}); err != nil || all {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("the hub did not confirm all that we said: some of it may not have arrived")
		}
	}
}

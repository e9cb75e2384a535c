// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
)

// Join enters a room.
func (c *Client) Join(name string) error {
	return c.ask(func() error {
		name := safetext.Room(name)
		if err := room.CheckName(name); err != nil {
			return err
		}
		if _, err := c.find(name); err == nil {
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
	})
}

// Part leaves a room.
func (c *Client) Part(name string) error {
	return c.ask(func() error {
		p, err := c.find(name)
		if err != nil {
			return err
		}
		sealed, err := p.Leave(time.Now())
		err = c.post(p, sealed, err)
		c.send(&relay.Frame{Type: relay.Part, Room: p.ID()})
		c.show(Event{Type: Parted, Room: p.Name()})
		c.forget(p)
		return err
	})
}

// say seals something in a room, when there is a place in its window.
func (c *Client) say(ctx context.Context, name string, seal func(*place, time.Time) (room.Pending, error), then func(*place)) error {
	for {
		busy := errors.New("busy")
		err := c.ask(func() error {
			p, err := c.find(name)
			if err != nil {
				return err
			}
			if n := len(p.Pending()); n >= maxPending || n >= window && p.in {
				return busy
			}
			sealed, err := seal(p, time.Now())
			if err = c.post(p, sealed, err); err == nil && then != nil {
				then(p)
			}
			return err
		})
		if err != busy {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Say says something in a room. It waits while too much is under way.
func (c *Client) Say(ctx context.Context, where, text string) error {
	return c.said(ctx, where, text, room.Said, (*room.Room).Say)
}

// Act tells a room what we do.
func (c *Client) Act(ctx context.Context, where, text string) error {
	return c.said(ctx, where, text, room.Acted, (*room.Room).Act)
}

// SetTopic says what a room is about.
func (c *Client) SetTopic(ctx context.Context, where, text string) error {
	return c.said(ctx, where, text, room.Topic, (*room.Room).SetTopic)
}

func (c *Client) said(ctx context.Context, where, text string, t room.Type, f func(*room.Room, string, time.Time) (room.Pending, error)) error {
	return c.say(ctx, where, func(p *place, now time.Time) (room.Pending, error) { return f(p.Room, text, now) },
		func(p *place) { c.show(Event{Type: t, Room: p.Name(), Nick: p.Nick(), Text: text, Own: true}) })
}

// Tell says something to one member alone, who is in a room with us; in that
// of where first.
func (c *Client) Tell(ctx context.Context, where, nick, text string, act bool) error {
	in, err := c.roomOf(where, nick)
	if err != nil {
		return err
	}
	t := room.Told
	if act {
		t = room.ToldAct
	}
	var to room.ID
	return c.say(ctx, in, func(p *place, now time.Time) (room.Pending, error) {
		to, _ = p.Find(nick)
		return p.Tell(nick, text, act, now)
	}, func(p *place) {
		c.show(Event{Type: t, Room: p.Name(), Nick: nick, ID: to.Short(), Text: text, Own: true})
	})
}

// roomOf finds a room that we and another one are in.
func (c *Client) roomOf(where, nick string) (name string, err error) {
	err = c.ask(func() error {
		if p, err := c.find(where); err == nil && p.Has(nick) {
			name = p.Name()
			return nil
		}
		for _, id := range c.order {
			if c.rooms[id].Has(nick) {
				name = c.rooms[id].Name()
				return nil
			}
		}
		return fmt.Errorf("%s is in no room with you", safetext.Line(nick))
	})
	return name, err
}

// SetNick changes our nick, in all rooms.
func (c *Client) SetNick(nick string) error {
	return c.ask(func() error {
		if err := room.CheckNick(nick); err != nil {
			return err
		}
		for _, id := range c.order {
			if p := c.rooms[id]; p.Nick() != nick && p.Has(nick) {
				return fmt.Errorf("somebody in %s has that nick", p.Name())
			}
		}
		c.Nick = nick
		for _, id := range c.order {
			p := c.rooms[id]
			old := p.Nick()
			sealed, err := p.SetNick(nick, time.Now())
			if err = c.post(p, sealed, err); err != nil {
				return err
			}
			c.show(Event{Type: room.Renamed, Room: p.Name(), Nick: nick, Old: old, Own: true})
			c.members(p)
		}
		return nil
	})
}

// Who is in a room.
func (c *Client) Who(name string) (all []room.Member, err error) {
	err = c.ask(func() error {
		p, err := c.find(name)
		if err == nil {
			all = p.Members()
			slices.SortFunc(all, func(a, b room.Member) int { return strings.Compare(a.Nick, b.Nick) })
		}
		return err
	})
	return all, err
}

// Topic is a room's, and who set it.
func (c *Client) Topic(name string) (text, by string, err error) {
	err = c.ask(func() error {
		p, err := c.find(name)
		if err == nil {
			text, by = p.Topic()
		}
		return err
	})
	return text, by, err
}

// List asks for the rooms that there are; a Rooms event answers.
func (c *Client) List() error {
	return c.ask(func() error {
		if c.link == nil {
			return errors.New("there is no hub just now")
		}
		c.listing++
		c.send(&relay.Frame{Type: relay.List})
		return nil
	})
}

// Ignore stops or starts showing what a member says, and says which. It is
// the member that is ignored, whatever the nick.
func (c *Client) Ignore(nick string) (ignored bool, err error) {
	err = c.ask(func() error {
		for id, n := range c.ignored {
			if safetext.Fold(n) == safetext.Fold(nick) {
				delete(c.ignored, id)
				return nil
			}
		}
		for _, id := range c.order {
			for _, m := range c.rooms[id].Members() {
				if !m.Own && safetext.Fold(m.Nick) == safetext.Fold(nick) {
					c.ignored[m.ID] = nick
					ignored = true
					return nil
				}
			}
		}
		return fmt.Errorf("%s is in no room with you", safetext.Line(nick))
	})
	return ignored, err
}

// firstWords is how long after we came we wait for others to show that they
// are here, before we take it that nobody is.
const firstWords = 10 * time.Second

// Quit waits until what we said has its place and others can tell that it was
// said now, says goodbye, and waits for that too. It is an error if something
// may not have arrived when ctx is done.
func (c *Client) Quit(ctx context.Context) error {
	if err := c.await(ctx, func(p *place) bool {
		return len(p.Pending()) == 0 && (p.Heard() || time.Since(p.entered) > firstWords)
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
	if err := c.await(ctx, func(p *place) bool { return len(p.Pending()) == 0 }); err != nil {
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

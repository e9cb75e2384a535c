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
)

// window is how many messages of a room may be under way before Say waits.
const window = 64

// maxPending is how many may wait while there is no hub.
const maxPending = 1024

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

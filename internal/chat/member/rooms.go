// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
)

// place is a room that we are in, and how far we are in it.
type place struct {
	*room.Room
	stream, seq uint64 // what came last; 0 if nothing did
	in          bool   // the hub has put us into it
	entered     time.Time

	leaving bool // when all that we said there has its place; see Part
	goodbye bool // and we have said so
	rejoin  bool // and are to enter it again
}

// shown shows what happened in a room.
func (c *Client) shown(p *place, events []room.Event) {
	changed := false
	for _, e := range events {
		out := Event{
			Type: e.Type, Room: p.Name(), Nick: e.Nick, Old: e.Old, Text: e.Text, Own: e.Own, Problem: e.Kind, Seq: e.Seq,
		}
		if p.leaving && e.Type != room.Sent {
			continue // nobody looks any more
		}
		if e.From != (room.ID{}) {
			out.ID, out.Person = e.From.Fingerprint(), e.From
		}
		if _, is := c.ignored[e.From]; is && e.Nick != "" {
			c.ignored[e.From] = e.Nick
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
	for _, p := range c.rooms {
		if !p.in {
			continue
		}
		events, greet, claims := p.Tick(now)
		c.shown(p, events)
		if greet && !p.goodbye {
			sealed, err := p.Here(false, claims, now)
			if err = c.post(p, sealed, err); err != nil {
				c.warn(room.NoSuite, p.Name(), "the cipher failed: %v", err)
			}
		}
		if p.leaving {
			c.leave(p, now)
		}
	}
	c.filesTick(now)
}

func (c *Client) forget(p *place) {
	delete(c.rooms, p.ID())
	c.left[p.ID()] = p.Position()
	c.order = slices.DeleteFunc(c.order, func(id relay.ID) bool { return id == p.ID() })
	if err := p.Close(); err != nil {
		c.info("", "%v", err)
	}
}

// find returns the room of a name.
func (c *Client) find(name string) (*place, error) {
	if p := c.rooms[c.Key.RoomID(safetext.Room(name))]; p != nil && !p.leaving {
		return p, nil
	}
	if _, alone := ParseAlone(name); alone {
		return nil, errors.New("you are in a conversation with one alone: name a room, #ROOM")
	}
	return nil, fmt.Errorf("you are not in %s", safetext.Line(name))
}

// maxNames is how many rooms a list names.
const maxNames = 50

// listed shows the rooms that our key opens: those that we are in, and then the
// others by name. Labels that it does not open are anybody's, and are counted.
func (c *Client) listed(f *relay.Frame) {
	var names, others []string
	for _, id := range c.order {
		names = append(names, c.rooms[id].Name())
	}
	closed := 0
	for _, l := range f.Rooms {
		name, err := c.Key.OpenName(c.Place, l)
		switch {
		case err != nil:
			closed++
		case !slices.Contains(names, name) && !slices.Contains(others, name):
			others = append(others, name)
		}
	}
	slices.Sort(others)
	names = append(names, others...)
	e := Event{Type: Rooms, Names: names[:min(len(names), maxNames)]}
	var more []string
	if n := len(names) - len(e.Names); n > 0 {
		more = append(more, fmt.Sprintf("and %d more", n))
	}
	if closed > 0 {
		more = append(more, fmt.Sprintf("and, says the hub, %d that our key does not open", closed))
	}
	if f.More > 0 {
		more = append(more, fmt.Sprintf("and, says the hub, %d more than a list has", f.More))
	}
	e.Text = strings.Join(more, ", ")
	c.show(e)
}

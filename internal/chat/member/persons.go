// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
)

// People are told apart by their ID, which is new with each program and which
// nobody else can have. A nick is what they are called, in one room: the same
// may be another's in another room, or later.

// Alone is how a conversation with one other is called where else there is a
// room's name.
func Alone(id room.ID) string { return "@" + id.String() }

// ParseAlone says whose conversation it is that Alone called so.
func ParseAlone(s string) (id room.ID, ok bool) {
	h, ok := strings.CutPrefix(s, "@")
	if !ok || len(h) != hex.EncodedLen(len(id)) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(h))
	return id, err == nil
}

// called says whether somebody who is shown as shown is meant by a nick. Where
// several have it, "nick~" and the beginning of a fingerprint says which.
func called(nick, shown string, id room.ID) bool {
	if safetext.Fold(nick) == safetext.Fold(shown) {
		return true
	}
	nick, mark, marked := strings.Cut(nick, "~")
	shown, _, _ = strings.Cut(shown, "~")
	return marked && mark != "" && safetext.Fold(nick) == safetext.Fold(shown) && strings.HasPrefix(id.String(), strings.ToLower(mark))
}

// Find returns who has a nick: in the room, or the conversation, of where
// first. It is an error if several have it elsewhere.
func (c *Client) Find(where, nick string) (id room.ID, err error) {
	err = c.ask(func() error {
		id, err = c.person(where, nick)
		return err
	})
	return id, err
}

func (c *Client) person(where, nick string) (room.ID, error) {
	found := map[room.ID]string{} // and in which room
	var order []room.ID
	with, _ := ParseAlone(where)
	here, _ := c.find(where)
	for _, r := range c.order {
		p := c.rooms[r]
		for _, m := range p.Members() {
			if m.Own || !called(nick, m.Nick, m.ID) {
				continue
			}
			if p == here || m.ID == with {
				return m.ID, nil
			}
			if found[m.ID] == "" {
				found[m.ID] = p.Name()
				order = append(order, m.ID)
			}
		}
	}
	switch len(order) {
	case 0:
		return room.ID{}, fmt.Errorf("%s is in no room with you", safetext.Line(nick))
	case 1:
		return order[0], nil
	}
	base, _, _ := strings.Cut(safetext.Line(nick), "~")
	var all []string
	for _, id := range order {
		all = append(all, fmt.Sprintf("%s~%s in %s", base, id.Short(), found[id]))
	}
	return room.ID{}, fmt.Errorf("several have that nick: say which, %s", strings.Join(all, ", or "))
}

// Tell says something to one member alone, who is in a room with us; in that
// of where first.
func (c *Client) Tell(ctx context.Context, where string, to room.ID, text string, act bool) error {
	in, nick, err := c.meet(where, to)
	if err != nil {
		return err
	}
	t := room.Told
	if act {
		t = room.ToldAct
	}
	return c.say(ctx, in, func(p *place, now time.Time) (room.Pending, error) {
		return p.Tell(to, text, act, now)
	}, func(p *place) {
		c.show(Event{Type: t, Room: p.Name(), Nick: nick, ID: to.Fingerprint(), Person: to, Text: text, Own: true})
	})
}

// meet finds a room that we and another one are in, and the other's nick there.
func (c *Client) meet(where string, who room.ID) (name, nick string, err error) {
	err = c.ask(func() error {
		rooms := c.order
		if p, err := c.find(where); err == nil {
			rooms = append([]relay.ID{p.ID()}, rooms...)
		}
		for _, id := range rooms {
			p := c.rooms[id]
			if n, here := p.NickOf(who); here {
				name, nick = p.Name(), n
				return nil
			}
		}
		return fmt.Errorf("they are in no room with you any more (fingerprint %s)", who.Fingerprint())
	})
	return name, nick, err
}

// Ignore stops or starts showing what a member says, and says who that is. It
// is the member that is ignored, whatever the nick, and whoever has it next.
// Who has left goes by the last nick.
func (c *Client) Ignore(where, nick string) (who room.Member, ignored bool, err error) {
	err = c.ask(func() error {
		id, err := c.person(where, nick)
		if err != nil {
			var gone []room.ID
			for i, last := range c.ignored {
				if called(nick, last, i) {
					gone = append(gone, i)
				}
			}
			if len(gone) != 1 {
				return err
			}
			id = gone[0]
		}
		who = room.Member{Nick: nick, ID: id}
		if last, is := c.ignored[id]; is {
			who.Nick = last
			delete(c.ignored, id)
			return nil
		}
		for _, r := range c.order {
			if n, here := c.rooms[r].NickOf(id); here {
				who.Nick = n
			}
		}
		c.ignored[id] = who.Nick
		ignored = true
		return nil
	})
	return who, ignored, err
}

// Ignored are those whom we ignore.
func (c *Client) Ignored() (all []room.Member, err error) {
	err = c.ask(func() error {
		for id, nick := range c.ignored {
			all = append(all, room.Member{Nick: nick, ID: id})
		}
		slices.SortFunc(all, func(a, b room.Member) int { return strings.Compare(a.Nick, b.Nick) })
		return nil
	})
	return all, err
}

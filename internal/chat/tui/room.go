// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"slices"
	"strings"

	"vcrypto/internal/chat/safetext"
)

// room is a room, or a conversation with one other: what was said in it, and
// how much of that was seen.
type room struct {
	name    string // as the program knows it
	shown   string // harmless
	person  person // of a conversation with one other
	topic   string // harmless
	members []string

	entries []entry
	first   int // the number of the first entry; each has one for good
	bytes   int // of entries, about

	scroll *position // the last line shown; nil is the end, wherever that moves
	unread int       // entries that were not seen
	called bool      // one of them was for the user
	mark   int       // the entry that a mark stands above; -1 for none
}

// position is a line of an entry.
type position struct{ entry, line int }

// Bounds of what is kept.
const (
	maxRooms   = 50
	maxEntries = 5000    // in a room; the oldest go first
	maxBytes   = 1 << 20 // of a room's entries
)

const noMark = -1

func newRoom(name string) *room {
	return &room{name: name, shown: flat(safetext.Line(name)), mark: noMark}
}

// alone says whether it is a conversation with one other.
func (r *room) alone() bool { return r.name != "" && !strings.HasPrefix(r.name, "#") }

// end is the number that the next entry gets.
func (r *room) end() int { return r.first + len(r.entries) }

func (r *room) add(e entry) {
	r.entries = append(r.entries, e)
	r.bytes += e.size()
	if len(r.entries) <= maxEntries && r.bytes <= maxBytes {
		return
	}
	// A tenth goes at once, so that not every message moves all others.
	n := 0
	for n < len(r.entries)-1 && (len(r.entries)-n > maxEntries*9/10 || r.bytes > maxBytes*9/10) {
		r.bytes -= r.entries[n].size()
		n++
	}
	r.entries = slices.Clone(r.entries[n:]) // what was cut off is let go
	r.first += n
	if r.mark != noMark {
		r.mark = max(r.mark, r.first)
	}
}

// find returns the index of a room, or -1. u.mu is held.
func (u *UI) find(name string) int {
	return slices.IndexFunc(u.rooms, func(r *room) bool { return r.name == name })
}

// open returns the room of that name, a new one if there is none. Where there
// are too many, what is for one more goes to the first. u.mu is held.
func (u *UI) open(name string) *room {
	if i := u.find(name); i >= 0 {
		return u.rooms[i]
	}
	if len(u.rooms) >= maxRooms {
		return u.rooms[0]
	}
	r := newRoom(name)
	u.rooms = append(u.rooms, r)
	return r
}

// show brings the room of that index to the front. u.mu is held.
func (u *UI) show(i int) {
	if i < 0 || i >= len(u.rooms) {
		return
	}
	if r := u.rooms[u.current]; i != u.current && r.unread == 0 {
		r.mark = noMark
	}
	u.current = i
	u.look()
	u.redraw()
}

// look notes that the user sees what is shown. u.mu is held.
func (u *UI) look() {
	if r := u.rooms[u.current]; u.seen(r) {
		r.unread, r.called = 0, false
	}
}

// Open brings a room, or a conversation, to the front, and makes it if there is
// none of that name.
func (u *UI) Open(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.show(slices.Index(u.rooms, u.open(name)))
}

// Close takes a room away, with what was said in it. The one before it comes
// to the front. The program's own stays.
func (u *UI) Close(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := u.find(name)
	if i < 0 || name == "" {
		return
	}
	u.rooms = slices.Delete(u.rooms, i, i+1)
	u.nameAll()
	if u.current >= i {
		u.current--
	}
	u.look()
	u.redraw()
}

// Current returns the name of the room that is shown; "" is the program's
// own.
func (u *UI) Current() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.rooms[u.current].name
}

// Names are the rooms and conversations there are, and how each is shown.
func (u *UI) Names() map[string]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[string]string{}
	for _, r := range u.rooms {
		all[r.name] = r.shown
	}
	return all
}

// SetMembers says who is in a room: for the status line, and for completion.
// The UI keeps nicks. A room that is not open is left alone.
func (u *UI) SetMembers(room string, nicks []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := u.find(room); i >= 0 {
		u.rooms[i].members = nicks
		u.redraw()
	}
}

// SetTopic says what a room is about. A room that is not open is left alone.
func (u *UI) SetTopic(room, topic string) {
	topic = flat(safetext.Line(topic))
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := u.find(room); i >= 0 {
		u.rooms[i].topic = topic
		u.redraw()
	}
}

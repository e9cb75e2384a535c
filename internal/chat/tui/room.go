// SPDX-License-Identifier: Apache-2.0

package tui

// room is a room or a conversation with one other: what was said in it.
type room struct {
	name     string
	topic    string
	members  []string
	messages []Message
}

// Bounds of what is kept.
const (
	maxRooms    = 100
	maxMessages = 5000 // in a room; the oldest go first
)

func (r *room) add(m Message) {
	if len(r.messages) >= maxMessages {
		r.messages = append(r.messages[:0:0], r.messages[maxMessages/10:]...)
	}
	r.messages = append(r.messages, m)
}

// find returns the index of a room, or -1. u.mu is held.
func (u *UI) find(name string) int {
	for i, r := range u.rooms {
		if r.name == name {
			return i
		}
	}
	return -1
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
	r := &room{name: name}
	u.rooms = append(u.rooms, r)
	return r
}

// Open brings a room, or a conversation by the other's nick, to the front,
// and makes it if there is none of that name.
func (u *UI) Open(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.open(name)
	for i, o := range u.rooms {
		if o == r {
			u.current = i
		}
	}
	u.redraw()
}

// Close takes a room away, with what was said in it. The one before it comes
// to the front.
func (u *UI) Close(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := u.find(name)
	if i < 0 || name == "" {
		return
	}
	u.rooms = append(u.rooms[:i], u.rooms[i+1:]...)
	if u.current >= i {
		u.current--
	}
	u.redraw()
}

// Rename gives a room another name, as when the nick of whom one talks with
// changes. It does nothing if there is none, or if there is one of the new
// name.
func (u *UI) Rename(old, name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := u.find(old); i >= 0 && u.find(name) < 0 {
		u.rooms[i].name = name
		u.redraw()
	}
}

// Current returns the name of the room that is shown; "" is the program's
// own.
func (u *UI) Current() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.rooms[u.current].name
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
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := u.find(room); i >= 0 {
		u.rooms[i].topic = topic
		u.redraw()
	}
}

// SPDX-License-Identifier: Apache-2.0

package tui

import "time"

// Kind says what a message is, and so how it looks.
type Kind int

const (
	Said    Kind = iota // Nick said Text
	Action              // Nick does Text: /me
	Private             // Nick said Text to this user alone
	Notice              // Nick came, left, changed a name: Text says all of it
	Info                // the program itself says Text
	Warning             // the program itself says Text, and it matters
)

// Message is what a room shows.
type Message struct {
	Time time.Time // zero is now
	// Room is where it belongs: a room, or the nick of whom one talks with
	// alone. It is opened if it is not, without being brought to the front.
	// "" is the room that is shown just now.
	Room string
	Nick string // who it is from; none for Info and Warning
	Kind Kind
	Text string // line feeds begin new lines, which stand below the first
}

// Show adds a message to its room.
func (u *UI) Show(m Message) {
	m.Time = now(m.Time)
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.rooms[u.current]
	if m.Room != "" {
		r = u.open(m.Room)
	}
	r.add(m)
	u.redraw()
}

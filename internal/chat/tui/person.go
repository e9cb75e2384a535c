// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"strings"

	"vcrypto/internal/chat/safetext"
)

// person is the other of a conversation. A nick may be that of several, so the
// program knows conversations by names that are none, and the UI shows nicks;
// where two have the same, it shows the beginnings of their marks, too.
type person struct {
	nick string // harmless
	mark string // what tells who it is: a fingerprint
	cut  int    // how much of it is shown
}

// shortMark is how much of a mark is shown at least, in characters.
const shortMark = 8

// Meet makes a conversation with somebody, if there is none of that name, and
// leaves it where it is. mark tells who it is, whatever the nick.
func (u *UI) Meet(name, nick, mark string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.find(name) < 0 && len(u.rooms) >= maxRooms {
		return
	}
	u.open(name).person = person{nick: flat(safetext.Line(nick)), mark: mark}
	u.nameAll()
	u.redraw()
}

// Rename says that somebody has another nick. It does nothing if there is no
// conversation of that name.
func (u *UI) Rename(name, nick string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := u.find(name); i >= 0 && u.rooms[i].person.mark != "" {
		u.rooms[i].person.nick = flat(safetext.Line(nick))
		u.nameAll()
		u.redraw()
	}
}

// base is a nick without what a room may have added to tell two apart.
func (p *person) base() string {
	base, _, _ := strings.Cut(p.nick, "~")
	return base
}

// nameAll gives conversations names to be shown by, no two the same. u.mu is
// held.
func (u *UI) nameAll() {
	same := map[string][]*room{}
	for _, r := range u.rooms {
		if r.person.mark != "" {
			base := safetext.Fold(r.person.base())
			same[base] = append(same[base], r)
		}
	}
	for _, rooms := range same {
		cut := 0
		if len(rooms) > 1 {
			cut = differ(rooms)
		}
		for _, r := range rooms {
			p := &r.person
			p.cut, r.shown = min(cut, len(p.mark)), p.nick
			if p.cut > 0 {
				r.shown = p.base() + "~" + p.mark[:p.cut]
			}
		}
	}
}

// differ is how much of their marks it takes to tell rooms apart.
func differ(rooms []*room) int {
	for n := shortMark; ; n++ {
		seen := map[string]bool{}
		longer := false
		for _, r := range rooms {
			longer = longer || len(r.person.mark) > n
			seen[r.person.mark[:min(n, len(r.person.mark))]] = true
		}
		if len(seen) == len(rooms) || !longer {
			return n
		}
	}
}

// tab is how a room is called where there is little room: of a nick the end
// goes, and never the mark.
func (r *room) tab() string {
	if r.person.cut == 0 {
		return cut(r.shown, maxTabCells)
	}
	mark := "~" + r.person.mark[:r.person.cut]
	return cut(r.person.base(), max(minTabNick, maxTabCells-len(mark))) + mark
}

const minTabNick = 4

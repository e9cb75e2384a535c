// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// Keys, as the library names them. What is not here is the editor's: that of
// most shells.
const (
	keySend     = "enter"
	keyBefore   = "up"
	keyAfter    = "down"
	keyPageUp   = "pgup"
	keyPageDown = "pgdown"
	keyBottom   = "esc"
	keyComplete = "tab"
	keyBack     = "shift+tab"
	keyNext     = "ctrl+n"
	keyPrevious = "ctrl+p"
	keyUnread   = "alt+a"
	keyYes      = "alt+y"
	keyNo       = "alt+n"
	keyClear    = "ctrl+c" // leaves, on an empty line
	keyEnd      = "ctrl+d" // leaves, on an empty line; deletes on another
	keyRedraw   = "ctrl+l"
	keySuspend  = "ctrl+z"
	keyRoom     = "alt+" // and a digit
)

// press does what a key says.
func (s *screen) press(k tea.KeyPressMsg) tea.Cmd {
	u := s.ui
	switch name := k.String(); name {
	case keySend:
		s.send()
	case keyBefore:
		s.editor.recall(-1)
	case keyAfter:
		s.editor.recall(1)
	case keyComplete:
		s.complete(1)
	case keyBack:
		s.complete(-1)
	case keyPageUp:
		s.page(-1)
	case keyPageDown:
		s.page(1)
	case keyBottom:
		u.bottom()
	case keyNext:
		u.turn(1)
	case keyPrevious:
		u.turn(-1)
	case keyUnread:
		u.turnToUnread()
	case keyYes, keyNo:
		u.reply(name == keyYes)
	case keyClear:
		if s.editor.input.Value() == "" {
			return tea.Quit
		}
		s.editor.clear()
	case keyEnd:
		if s.editor.input.Value() == "" {
			return tea.Quit
		}
		s.editor.key(k)
	case keyRedraw:
		return tea.ClearScreen
	case keySuspend:
		return tea.Suspend
	default:
		if digit, ok := strings.CutPrefix(name, keyRoom); ok && len(digit) == 1 && digit >= "1" && digit <= "9" {
			u.turnTo(int(digit[0] - '1'))
			break
		}
		s.editor.key(k)
	}
	return nil
}

// send hands the line to the program.
func (s *screen) send() {
	text := s.editor.input.Value()
	if strings.TrimSpace(text) == "" {
		s.editor.clear()
		return
	}
	if !s.ui.take(text) {
		return // the line stays
	}
	s.editor.keep()
}

// take takes a line that was typed, and says whether it could: the program
// may be behind.
func (u *UI) take(text string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.questions) > 0 {
		switch strings.TrimSpace(text) {
		case "/yes":
			return u.answer(true)
		case "/no":
			return u.answer(false)
		}
	}
	r := u.rooms[u.current]
	select {
	case u.lines <- Line{Room: r.name, Text: text}:
	default:
		return false
	}
	r.scroll, r.mark = nil, noMark
	u.look()
	return true
}

// reply answers the question that is shown.
func (u *UI) reply(yes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer(yes)
}

// page scrolls by a page.
func (s *screen) page(by int) {
	u := s.ui
	u.mu.Lock()
	defer u.mu.Unlock()
	height := s.height(u)
	s.layout(u).move(by*max(1, height-1), height)
	u.look()
}

// bottom goes to where the newest is.
func (u *UI) bottom() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rooms[u.current].scroll = nil
	u.look()
}

// turn goes to another room: by 1 the next, by -1 the one before.
func (u *UI) turn(by int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.show((u.current + by + len(u.rooms)) % len(u.rooms))
}

// turnTo goes to a room by its number, from 0.
func (u *UI) turnTo(i int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.show(i)
}

// turnToUnread goes to the next room with something for the user, or else
// with something unread.
func (u *UI) turnToUnread() {
	u.mu.Lock()
	defer u.mu.Unlock()
	to := -1
	for n := range u.rooms {
		i := (u.current + 1 + n) % len(u.rooms)
		switch r := u.rooms[i]; {
		case r.called:
			u.show(i)
			return
		case r.unread > 0 && to < 0:
			to = i
		}
	}
	u.show(to)
}

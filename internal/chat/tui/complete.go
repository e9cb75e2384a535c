// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"slices"
	"strings"

	"vcrypto/internal/chat/safetext"
)

// completion is what Tab goes through, again and again, until another key.
type completion struct {
	before, after string // of the word
	found         []string
	at            int
}

// complete puts the next thing that begins like the word before the cursor
// into its place: by 1, or -1 for the one before.
func (s *screen) complete(by int) {
	e := &s.editor
	if e.tab == nil {
		value := []rune(e.input.Value())
		before, after := string(value[:e.input.Position()]), string(value[e.input.Position():])
		start := strings.LastIndexByte(before, ' ') + 1
		found := s.candidates(before[:start], before[start:])
		if len(found) == 0 {
			return
		}
		e.tab = &completion{before: before[:start], after: after, found: found, at: -1}
		if by < 0 {
			e.tab.at = 0
		}
	}
	t := e.tab
	t.at = (t.at + by + len(t.found)) % len(t.found)
	head := t.before + t.found[t.at]
	e.input.SetValue(head + t.after)
	e.input.SetCursor(len([]rune(head)))
}

// fileUsage begins the usage of a command whose first argument is a file.
const fileUsage = "FILE"

// candidates returns what may stand for word, which comes after line.
func (s *screen) candidates(line, word string) []string {
	if line == "" && strings.HasPrefix(word, "/") {
		var found []string
		for _, c := range s.ui.opts.Commands {
			if name := "/" + c.Name; strings.HasPrefix(name, strings.ToLower(word)) {
				found = append(found, name+" ")
			}
		}
		slices.Sort(found)
		return found
	}
	c := s.command(line)
	if c != nil && c.Complete == nil && strings.HasPrefix(c.Usage, fileUsage) && len(strings.Fields(line)) == 1 {
		c = &Command{Complete: Files}
	}
	if c != nil && c.Complete != nil {
		found := c.Complete(word) // not under the lock: it is the program's
		for i, f := range found {
			if !strings.HasSuffix(f, "/") { // a folder, which goes on
				found[i] = f + " "
			}
		}
		return found
	}
	after := " "
	if line == "" {
		after = ": "
	}
	return s.ui.names(word, after)
}

// command returns the command that line begins with, or nil.
func (s *screen) command(line string) *Command {
	name, ok := strings.CutPrefix(line, "/")
	if !ok {
		return nil
	}
	name, _, _ = strings.Cut(name, " ")
	for i, c := range s.ui.opts.Commands {
		if strings.EqualFold(c.Name, name) {
			return &s.ui.opts.Commands[i]
		}
	}
	return nil
}

// names returns the nicks in the room, then the rooms, that begin like word.
func (u *UI) names(word, after string) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var found []string
	prefix := safetext.Fold(word)
	for _, nick := range u.rooms[u.current].members {
		nick = safetext.Line(nick)
		if f := safetext.Fold(nick); strings.HasPrefix(f, prefix) && f != safetext.Fold(u.status.Nick) && (prefix != "" || word == "") {
			found = append(found, nick+after)
		}
	}
	slices.Sort(found)
	for _, r := range u.rooms {
		if r.shown != "" && strings.HasPrefix(strings.ToLower(r.shown), strings.ToLower(word)) && word != "" {
			found = append(found, r.shown+" ")
		}
	}
	return slices.Compact(found)
}

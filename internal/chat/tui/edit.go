// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"strings"
	"unicode"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// editor is the line one types in, with the lines from before. Only the
// loop of Run uses it.
type editor struct {
	input   textinput.Model
	history []string
	place   int    // in history; its length is the line that is being typed
	draft   string // that line, while another is shown
	tab     *completion
	left    int // the first character shown, where not all fit
}

// Bounds of what is kept.
const (
	maxInput   = 4000 // characters
	maxHistory = 500  // lines
)

func newEditor() editor {
	in := textinput.New()
	in.CharLimit = maxInput
	in.SetVirtualCursor(false)
	in.KeyMap.Paste = key.NewBinding() // the terminal pastes; no clipboard program is run
	in.Focus()
	return editor{input: in}
}

// key edits the line.
func (e *editor) key(k tea.KeyPressMsg) {
	e.tab = nil
	e.input, _ = e.input.Update(k)
}

// paste inserts text, of which only what prints: a line feed does not send.
func (e *editor) paste(text string) {
	e.tab = nil
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r) || unicode.Is(unicode.Join_Control, r):
			return r
		}
		return -1
	}, strings.ToValidUTF8(strings.Trim(text, "\r\n"), ""))
	e.input, _ = e.input.Update(tea.PasteMsg{Content: text})
}

// set replaces the line.
func (e *editor) set(s string) {
	e.input.SetValue(s)
	e.input.CursorEnd()
}

// keep puts the line into history and begins a new one.
func (e *editor) keep() {
	s := e.input.Value()
	if n := len(e.history); n == 0 || e.history[n-1] != s {
		e.history = append(e.history, s)
		e.history = e.history[max(0, len(e.history)-maxHistory):]
	}
	e.clear()
}

// clear begins a new line.
func (e *editor) clear() {
	e.input.Reset()
	e.place, e.draft, e.tab = len(e.history), "", nil
}

// recall shows another line of history: -1 the one before, 1 the one after.
func (e *editor) recall(by int) {
	e.tab = nil
	to := e.place + by
	if to < 0 || to > len(e.history) {
		return
	}
	if e.place == len(e.history) {
		e.draft = e.input.Value()
	}
	e.place = to
	if to == len(e.history) {
		e.set(e.draft)
	} else {
		e.set(e.history[to])
	}
}

// view returns what is shown of the line in so many columns, and the column
// that the cursor is in.
func (e *editor) view(columns int) (string, int) {
	columns = max(columns, 1)
	runes := []rune(e.input.Value())
	pos := e.input.Position()
	e.left = min(e.left, pos)
	for e.left < pos && columnsOf(runes[e.left:pos]) >= columns {
		e.left++ // one column is the cursor's
	}
	// After a deletion there may be room for more on the left.
	for e.left > 0 && columnsOf(runes[e.left-1:]) < columns {
		e.left--
	}
	end := e.left
	for end < len(runes) && columnsOf(runes[e.left:end+1]) <= columns {
		end++
	}
	return seen(runes[e.left:end]), columnsOf(runes[e.left:pos])
}

// seen returns what a terminal may show of the user's own characters.
func seen(runes []rune) string {
	var b strings.Builder
	for _, r := range runes {
		if !unicode.IsPrint(r) {
			r = '·'
		}
		if s := flat(string(r)); s != "" {
			b.WriteString(s)
		}
	}
	return b.String()
}

func columnsOf(runes []rune) int { return width(seen(runes)) }

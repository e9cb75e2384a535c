// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"vcrypto/internal/chat/safetext"
)

const (
	prompt       = "> "
	maxAskRows   = 4 // of a question
	maxBars      = 3 // of transfers, where there are more
	fixedRows    = 3 // rooms, status, input
	barCells     = 20
	maxTabCells  = 20 // of a room's name
	maxFieldSize = 60 // columns of a field of the status line
)

// View implements tea.Model.
func (s *screen) View() tea.View {
	u := s.ui
	u.mu.Lock()
	defer u.mu.Unlock()

	text, column := s.editor.view(s.columns - len(prompt) - rightMargin)
	bottom := append(s.extra(u), s.statusLine(u), prompt+text)

	room := max(0, s.rows-1-len(bottom))
	body := s.layout(u).visible(room)
	lines := append([]string{s.roomsLine(u)}, make([]string, room-len(body))...)
	lines = append(append(lines, body...), bottom...)
	lines = lines[max(0, len(lines)-s.rows):] // a very small screen: what is typed stays
	for i, l := range lines {
		lines[i] = cut(l, s.columns)
	}

	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	v.ReportFocus = true
	v.Cursor = tea.NewCursor(min(len(prompt)+column, s.columns-1), len(lines)-1)
	return v
}

// layout lays out the room that is shown. u.mu is held.
func (s *screen) layout(u *UI) layout {
	return layout{u.rooms[u.current], s.paint, s.columns}
}

// height is how many rows messages have. u.mu is held.
func (s *screen) height(u *UI) int { return max(1, s.rows-fixedRows-len(s.extra(u))) }

// roomsLine is the line at the top: the rooms, with how much is unread, and
// what the one that is shown is about.
func (s *screen) roomsLine(u *UI) string {
	line := s.paint.on(lineStyle)
	tabs := make([]string, len(u.rooms))
	for i, r := range u.rooms {
		name := r.tab()
		if name == "" {
			name = "vchat"
		}
		style, text := line, fmt.Sprintf(" %d %s ", i+1, name)
		if r.unread > 0 {
			style, text = s.paint.on(unreadStyle), fmt.Sprintf(" %d %s·%d ", i+1, name, r.unread)
			if r.called {
				style, text = s.paint.on(calledStyle), fmt.Sprintf(" %d %s·%d! ", i+1, name, r.unread)
			}
		}
		if i == u.current {
			style = currentStyle
			if !s.paint.colours {
				style = plain.Bold(true)
			}
		}
		tabs[i] = style.Render(text)
	}
	// Where there are too many, those before the current one go first.
	from := 0
	for from < u.current && width(strings.Join(tabs[from:u.current+1], "")) > s.columns*2/3 {
		from++
	}
	text := strings.Join(tabs[from:], "")
	if topic := u.rooms[u.current].topic; topic != "" {
		text += line.Render("  " + topic)
	}
	return fill(text, s.columns, line)
}

// statusLine is the line above what is typed.
func (s *screen) statusLine(u *UI) string {
	line := s.paint.on(lineStyle)
	if c := s.hint(); c != "" {
		return fill(line.Render(" "+c), s.columns, line)
	}
	r := u.rooms[u.current]
	text := ""
	if r.scroll != nil {
		more := " ↓ more, Esc goes there "
		if r.unread > 0 {
			more = fmt.Sprintf(" ↓ %d unread, Esc goes there ", r.unread)
		}
		text = s.paint.on(askStyle).Render(more)
	}
	label, members := "fingerprint ", plural(len(r.members), "member")
	if len(r.members) == 0 {
		members = ""
	}
	for _, fields := range [][]string{ // the first that there is room for, or the last
		{r.shown, u.status.Nick, members, u.status.State, u.status.Driver, label + u.status.Fingerprint},
		{r.shown, u.status.Nick, members, u.status.State, u.status.Driver, u.status.Fingerprint},
		{r.shown, u.status.Nick, u.status.State, u.status.Fingerprint, u.status.Driver},
	} {
		status := line.Render(joinFields(fields, label))
		if width(text)+width(status) <= s.columns || len(fields) < 6 {
			text += status
			break
		}
	}
	return fill(text, s.columns, line)
}

// joinFields returns those that have something in them, harmless and with
// lines between. A label alone is nothing.
func joinFields(fields []string, label string) string {
	var b strings.Builder
	for _, f := range fields {
		if f = cut(flat(safetext.Line(f)), maxFieldSize); f == "" || f == label {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(" │")
		}
		b.WriteString(" " + f)
	}
	return b.String()
}

// hint is how the command is used that is being typed, if it is one.
func (s *screen) hint() string {
	value := s.editor.input.Value()
	c := s.command(value)
	if c == nil {
		return ""
	}
	h := "/" + c.Name
	if c.Usage != "" {
		h += " " + c.Usage
	}
	if c.Help != "" {
		h += ": " + c.Help
	}
	return h
}

// extra is what stands above the status line at times: files under way, and
// a question.
func (s *screen) extra(u *UI) []string {
	var lines []string
	for i, t := range u.transfers {
		if i == maxBars {
			lines = append(lines, fmt.Sprintf(" … and %s more", plural(len(u.transfers)-maxBars, "file")))
			break
		}
		lines = append(lines, s.bar(t))
	}
	if len(u.questions) == 0 {
		return lines
	}
	// How to answer comes first: no question is so long that it is not seen.
	ask := "[Alt-Y: yes, Alt-N: no] "
	if n := len(u.questions); n > 1 {
		ask = fmt.Sprintf("[1 of %d; Alt-Y: yes, Alt-N: no] ", n)
	}
	rows := wrap(ask+u.questions[0].text, s.columns-2, s.columns-2)
	if len(rows) > maxAskRows {
		rows = rows[:maxAskRows]
		rows[maxAskRows-1] = strings.TrimRight(cut(rows[maxAskRows-1], s.columns-3), "…") + "…"
	}
	style := s.paint.on(askStyle)
	for _, r := range rows {
		lines = append(lines, fill(style.Render(" "+r), s.columns, style))
	}
	return lines
}

// bar is the line of a file under way.
func (s *screen) bar(t *transfer) string {
	name := cut(t.name, max(minText, s.columns/3))
	if t.total <= 0 {
		return fmt.Sprintf(" %s  %s", name, size(t.done))
	}
	done := min(max(t.done, 0), t.total)
	cells := int(float64(done) / float64(t.total) * barCells)
	percent := int(float64(done) / float64(t.total) * 100)
	return fmt.Sprintf(" %s  %s%s %3d%%  %s of %s", name,
		doneStyle.Render(strings.Repeat("█", cells)), barStyle.Render(strings.Repeat("░", barCells-cells)),
		percent, size(t.done), size(t.total))
}

// size is a number of bytes, for people.
func size(n int64) string {
	const step = 1024
	if n < step {
		return strconv.FormatInt(n, 10) + " B"
	}
	f := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		if f /= step; f < step {
			return strconv.FormatFloat(f, 'f', 1, 64) + " " + unit
		}
	}
	return strconv.FormatFloat(f/step, 'f', 1, 64) + " TiB"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// SPDX-License-Identifier: Apache-2.0

package tui

// A room's entries are laid out when they are drawn, and only those that are:
// how many lines one has depends on the width of the screen, which changes.
// So the place that one has scrolled to is not a count of lines from the end
// but a line of an entry; it stays where it is while others come.

// layout lays out entries for one width.
type layout struct {
	*room
	paint painter
	width int
}

// block returns the lines of the entry of that number, with the date and the
// mark that stand above it.
func (l layout) block(n int) []string {
	e := &l.entries[n-l.first]
	var lines []string
	if n == l.first || !sameDay(l.entries[n-l.first-1].time, e.time) {
		lines = append(lines, l.paint.rule(e.time.Local().Format("Monday, 2 January 2006"), l.width, dateStyle))
	}
	if n == l.mark {
		lines = append(lines, l.paint.rule("unread", l.width, markStyle))
	}
	return append(lines, l.paint.entry(e, l.width)...)
}

// last is the position of the last line of all.
func (l layout) last() position {
	n := l.end() - 1
	return position{n, len(l.block(n)) - 1}
}

// at returns where the last line shown is. There is an entry.
func (l layout) at() position {
	if l.scroll == nil {
		return l.last()
	}
	p := *l.scroll
	if p.entry < l.first { // it was too old to be kept
		return position{l.first, 0}
	}
	p.line = min(p.line, len(l.block(p.entry))-1) // it has fewer lines on a wider screen
	return p
}

// visible returns the lines that end at the scroll position, at most height.
func (l layout) visible(height int) []string {
	if len(l.entries) == 0 || height <= 0 {
		return nil
	}
	p := l.at()
	var lines []string
	for n := p.entry; n >= l.first && len(lines) < height; n-- {
		b := l.block(n)
		if n == p.entry {
			b = b[:p.line+1]
		}
		lines = append(b, lines...)
	}
	return lines[max(0, len(lines)-height):]
}

// move scrolls by lines, up if negative, such that a screen of height lines
// stays full.
func (l layout) move(lines, height int) {
	if len(l.entries) == 0 {
		return
	}
	p := l.step(l.at(), lines)
	if top := l.step(position{l.first, 0}, max(0, height-1)); before(p, top) {
		p = top
	}
	if before(p, l.last()) {
		l.room.scroll = &p
	} else {
		l.room.scroll = nil
	}
}

func before(p, q position) bool {
	return p.entry < q.entry || p.entry == q.entry && p.line < q.line
}

// step returns the position so many lines from p, or the first or last.
func (l layout) step(p position, lines int) position {
	p.line += lines
	for p.line < 0 {
		if p.entry == l.first {
			p.line = 0
			return p
		}
		p.entry--
		p.line += len(l.block(p.entry))
	}
	for {
		n := len(l.block(p.entry))
		if p.line < n {
			return p
		}
		if p.entry == l.end()-1 {
			p.line = n - 1
			return p
		}
		p.entry++
		p.line -= n
	}
}

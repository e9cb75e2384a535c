// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"image/color"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// nickColours can be read on dark and on light.
var nickColours = func() []color.Color {
	var c []color.Color
	for _, n := range []string{"31", "35", "130", "133", "161", "64", "68", "166", "37", "97", "136", "168"} {
		c = append(c, lipgloss.Color(n))
	}
	return c
}()

var (
	plain      = lipgloss.NewStyle()
	timeStyle  = lipgloss.NewStyle().Foreground(lipgloss.Color("244"))
	dateStyle  = timeStyle
	barStyle   = lipgloss.NewStyle().Foreground(lipgloss.Color("240"))
	noticeText = lipgloss.NewStyle().Foreground(lipgloss.Color("244"))
	actionText = lipgloss.NewStyle().Italic(true)
	warnText   = lipgloss.NewStyle().Foreground(lipgloss.Color("160")).Bold(true)
	callStyle  = lipgloss.NewStyle().Foreground(lipgloss.Color("166")).Bold(true)
	markStyle  = lipgloss.NewStyle().Foreground(lipgloss.Color("160"))
	doneStyle  = lipgloss.NewStyle().Foreground(lipgloss.Color("35"))
	askStyle   = lipgloss.NewStyle().Foreground(lipgloss.Color("231")).Background(lipgloss.Color("166")).Bold(true)

	lineStyle    = lipgloss.NewStyle().Foreground(lipgloss.Color("252")).Background(lipgloss.Color("237"))
	currentStyle = lipgloss.NewStyle().Foreground(lipgloss.Color("231")).Background(lipgloss.Color("24")).Bold(true)
	unreadStyle  = lineStyle.Foreground(lipgloss.Color("222"))
	calledStyle  = lineStyle.Foreground(lipgloss.Color("216")).Bold(true)
)

// painter gives text its looks. Without colours what is told by a background
// is told by reversed video.
type painter struct{ colours bool }

func (p painter) on(s lipgloss.Style) lipgloss.Style {
	if !p.colours && s.GetBackground() != (lipgloss.NoColor{}) {
		return lipgloss.NewStyle().Reverse(true).Bold(s.GetBold())
	}
	return s
}

// Widths in columns.
const (
	timeWidth   = len("15:04 ")
	nickWidth   = 12 // of the column that short nicks stand in, to the right
	narrow      = 60 // a screen that has no room for that column
	barWidth    = len("| ")
	rightMargin = 1 // terminals differ in what they do at the last column
)

// width is how many columns s takes, styles not counted.
func width(s string) int { return ansi.StringWidthWc(s) }

// cut makes s fit into so many columns.
func cut(s string, columns int) string { return ansi.TruncateWc(s, max(0, columns), "…") }

// fill cuts s or fills it up, to be so many columns wide.
func fill(s string, columns int, style lipgloss.Style) string {
	s = cut(s, columns)
	return s + style.Render(strings.Repeat(" ", max(0, columns-width(s))))
}

// rule is a line across with a word in it.
func (p painter) rule(text string, columns int, s lipgloss.Style) string {
	const before = 3
	text = cut(strings.Repeat("─", before)+" "+text+" ", columns)
	return s.Render(text + strings.Repeat("─", max(0, columns-rightMargin-width(text))))
}

// entry returns an entry's lines: time, nick, and to the right of a bar, so
// that no text can pass for another message, what was said.
func (p painter) entry(e *entry, columns int) []string {
	nick, nickStyle := e.nick, lipgloss.NewStyle().Foreground(nickColours[e.colour])
	text, textStyle := e.text, plain
	first := "" // styled, before the text
	switch e.kind {
	case Action:
		first = nickStyle.Render(nick) + " "
		nick, nickStyle, textStyle = "*", timeStyle, actionText
	case Private:
		first = callStyle.Render("(private)") + " "
	case Notice:
		nick, nickStyle, textStyle = "--", noticeText, noticeText
	case Info:
		nick, nickStyle = "", plain
	case Warning:
		nick, nickStyle, textStyle = "!!", warnText, warnText
	}
	mark := barStyle.Render("│") + " "
	if e.mention {
		mark = callStyle.Render("┃") + " "
		nickStyle = nickStyle.Bold(true)
	}
	column := nickWidth
	if columns < narrow {
		column = 0
	}
	nick = cut(nick, max(columns/3, 1))
	gap := strings.Repeat(" ", max(0, column-width(nick)))
	space := " "
	if nick == "" && column == 0 {
		space = ""
	}
	lead := timeStyle.Render(e.time.Local().Format("15:04")) + " " + gap + nickStyle.Render(nick) + space + mark
	follow := strings.Repeat(" ", timeWidth+column+len(space)) + mark
	if column == 0 {
		follow = strings.Repeat(" ", timeWidth) + mark
	}

	var lines []string
	for n, part := range strings.Split(text, "\n") {
		indent, before := follow, ""
		if n == 0 {
			indent, before = lead, first
		}
		room := columns - rightMargin
		for k, row := range wrap(part, room-width(indent)-width(before), room-width(follow)) {
			if k > 0 {
				indent, before = follow, ""
			}
			lines = append(lines, indent+before+textStyle.Render(row))
		}
	}
	return lines
}

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Local().Date()
	by, bm, bd := b.Local().Date()
	return ay == by && am == bm && ad == bd
}

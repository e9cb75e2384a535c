// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// What a cell and its surroundings measure, in pixels.
const (
	cellWidth  = 8.4
	cellHeight = 19
	fontSize   = 14
	baseline   = 14 // below the top of a cell
	padding    = 12
	titleBar   = 30
)

// The terminal's own colours.
const (
	background = "#1b1d23"
	foreground = "#d6d8de"
	frame      = "#33363f"
)

// picture is an SVG in the making.
type picture struct {
	bytes.Buffer
}

// toSVG draws a terminal's screen, as tmux captures it with its styles, with
// a cursor at that cell. A screen is as many columns and rows.
func toSVG(screen, title string, columns, rows, cursorX, cursorY int) []byte {
	var p picture
	width, height := float64(columns)*cellWidth+2*padding, rows*cellHeight+2*padding+titleBar
	fmt.Fprintf(&p, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %d" width="%g" height="%d" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="%d">`+"\n",
		width, height, width, height, fontSize)
	fmt.Fprintf(&p, `<rect width="%g" height="%d" rx="8" fill="%s"/>`+"\n", width, height, background)
	fmt.Fprintf(&p, `<path d="M0 %d V8 a8 8 0 0 1 8 -8 H%g a8 8 0 0 1 8 8 V%d Z" fill="%s"/>`+"\n", titleBar-4, width-8, titleBar-4, frame)
	fmt.Fprintf(&p, `<text x="%g" y="18" fill="%s" text-anchor="middle" font-size="12">%s</text>`+"\n", width/2, foreground, escape(title))
	cells := uv.NewScreenBuffer(columns, rows)
	cells.Method = ansi.WcWidth
	uv.NewStyledString(strings.TrimSuffix(screen, "\n")).Draw(cells, cells.Bounds())
	for y := range rows {
		p.line(cells.Line(y), y)
	}
	fmt.Fprintf(&p, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" fill-opacity="0.8"/>`+"\n",
		left(cursorX), top(cursorY)+1, cellWidth, cellHeight-2, foreground)
	p.WriteString("</svg>\n")
	return p.Bytes()
}

func left(x int) float64 { return padding + float64(x)*cellWidth }
func top(y int) int      { return titleBar + padding/2 + y*cellHeight }

// line draws a row: its backgrounds, then runs of characters of one style.
func (p *picture) line(cells uv.Line, y int) {
	// tmux does not tell of what was erased in a colour, up to the end of a
	// row: it goes on in the last one's.
	last := len(cells) - 1
	for last > 0 && cells[last].Content == " " && bg(cells[last]) == nil {
		last--
	}
	for x := last + 1; x < len(cells); x++ {
		cells[x].Style.Bg = bg(cells[last])
	}
	for x := 0; x < len(cells); {
		end := run(cells, x, func(a, b uv.Cell) bool { return hex(bg(a)) == hex(bg(b)) })
		if c := bg(cells[x]); c != nil {
			fmt.Fprintf(p, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left(x), top(y), float64(end-x)*cellWidth, cellHeight, hex(c))
		}
		x = end
	}
	for x := 0; x < len(cells); {
		if p.shape(cells[x], x, y) {
			x++
			continue
		}
		end := run(cells, x, func(a, b uv.Cell) bool {
			return a.Style.Equal(&b.Style) && !isShape(b.Content) && a.Width <= 1 && b.Width <= 1
		})
		p.text(cells[x:end], x, y)
		x = end
	}
}

// run returns where the cells from x on end that are alike. The columns after
// a wide character are its own.
func run(cells uv.Line, x int, alike func(a, b uv.Cell) bool) int {
	end := x + 1
	for end < len(cells) && (cells[end].Width == 0 || alike(cells[x], cells[end])) {
		end++
	}
	return end
}

// text draws characters of one style, as wide as their cells, whatever font
// there is.
func (p *picture) text(cells uv.Line, x, y int) {
	var s strings.Builder
	for _, c := range cells {
		s.WriteString(c.Content)
	}
	all := s.String()
	text := strings.TrimRight(all, " ")
	x += len(text) - len(strings.TrimLeft(text, " "))
	columns := len(cells) - (len(all) - len(text)) - (len(text) - len(strings.TrimLeft(text, " ")))
	if text = strings.TrimLeft(text, " "); text == "" {
		return
	}
	st := cells[0].Style
	attrs := ""
	if st.Attrs&uv.AttrBold != 0 {
		attrs += ` font-weight="bold"`
	}
	if st.Attrs&uv.AttrItalic != 0 {
		attrs += ` font-style="italic"`
	}
	fmt.Fprintf(p, `<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`+"\n",
		left(x), top(y)+baseline, fg(cells[0]), attrs, float64(columns)*cellWidth, escape(text))
}

func isShape(s string) bool { return s != "" && strings.Contains("│┃─█░", s) }

// shape draws the characters that must meet those beside or above them, which
// those of a font do not; it says whether it was one.
func (p *picture) shape(c uv.Cell, column, row int) bool {
	if !isShape(c.Content) {
		return false
	}
	const thin, thick, faint = 1.2, 2.6, 0.3
	x, y, w, h, opacity := left(column), float64(top(row)), cellWidth, float64(cellHeight), 1.0
	switch c.Content {
	case "│":
		x, w = x+(w-thin)/2, thin
	case "┃":
		x, w = x+(w-thick)/2, thick
	case "─":
		y, h = y+(h-thin)/2, thin
	case "█", "░":
		y, h = y+3, h-6
		if c.Content == "░" {
			opacity = faint
		}
	}
	fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" fill-opacity="%g"/>`+"\n", x, y, w, h, fg(c), opacity)
	return true
}

// bg is a cell's background, nil for the terminal's own.
func bg(c uv.Cell) color.Color {
	if c.Style.Attrs&uv.AttrReverse != 0 {
		if c.Style.Fg == nil {
			return color.RGBA{0xd6, 0xd8, 0xde, 0xff}
		}
		return c.Style.Fg
	}
	return c.Style.Bg
}

func fg(c uv.Cell) string {
	f, other := c.Style.Fg, foreground
	if c.Style.Attrs&uv.AttrReverse != 0 {
		f, other = c.Style.Bg, background
	}
	if f == nil {
		return other
	}
	return hex(f)
}

func hex(c color.Color) string {
	if c == nil {
		return ""
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

func escape(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

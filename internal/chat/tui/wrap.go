// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"strings"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// minText is how few columns a text is squeezed into. On a screen narrower
// than that, rows are cut.
const minText = 8

// wrap breaks s, which is harmless and has no styles, into rows: of first
// columns, then of rest each. It breaks between words where it can.
func wrap(s string, first, rest int) []string {
	limit := max(first, minText)
	var rows []string
	start, used, word := 0, 0, 0 // of the row: where it begins, its columns; where its last word begins
	for g := graphemes.FromString(s); g.Next(); {
		c := g.Value()
		w := width(c)
		if c != " " && used+w > limit && g.Start() > start { // a space may hang over
			end := g.Start()
			if word > start && width(s[word:end])+w <= max(rest, minText) {
				end = word
			}
			rows = append(rows, strings.TrimRight(s[start:end], " "))
			start, used = end, width(s[end:g.Start()])
			limit = max(rest, minText)
		}
		used += w
		if c == " " {
			word = g.End()
		}
	}
	return append(rows, strings.TrimRight(s[start:], " "))
}

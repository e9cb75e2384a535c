// SPDX-License-Identifier: Apache-2.0

// Package safetext makes text from strangers harmless to show.
//
// A terminal obeys what it is sent. So what somebody else wrote must not
// reach it as it came: an escape sequence moves the cursor, rewrites what
// stands above, sets the title or has the terminal type an answer; a bidi
// override lets "exe.png" be read where "gnp.exe" is written; characters
// without width make two nicks look like one; hundreds of combining
// characters on one letter cover the lines around it.
//
// [Line] is for what people say: what could do harm is shown for what it is
// (\x1b, \u202e), what is only too much is cut, and words in any of the
// world's scripts come through. [Nick], [Room] and [Fold] are for names, which
// are compared, typed and completed: what does not belong is left out, and
// what is written in several ways is written in one.
//
// What this package does not do: letters of different scripts that look alike
// (Latin a, Cyrillic а) stay what they are.
package safetext

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// MaxLine is the longest that Line returns, in bytes.
const MaxLine = 8 << 10

const (
	// maxMarks is how many combining characters one letter keeps. Burmese
	// needs six, in rare words; most scripts need two.
	maxMarks = 6
	// maxJoiners is how many joiners hold one picture together: three, for a
	// family of four.
	maxJoiners = 3
	// maxCluster bounds what takes one place on the screen, in runes. A family
	// of four with skin tones is eleven.
	maxCluster = 16
	// tabStop is how many spaces stand for a tab.
	tabStop = 4
)

// Line returns s as one line of at most MaxLine bytes of UTF-8, without
// controls, that does nothing to a terminal but show itself.
//
// Controls (line feeds too), changes of the writing direction, characters
// that show nothing, and bytes that are not UTF-8 are escaped as Go escapes
// them; tabs and the spaces of other scripts become spaces. Line of a Line is
// the same.
func Line(s string) string {
	const rest = "… (%d bytes more)"
	const room = MaxLine - len(rest) - 20 // digits of a 64-bit number
	var c Cleaner
	b := make([]byte, 0, min(len(s)+len(s)/8, MaxLine))
	kept, of := 0, 0 // of b, and of s, where there is room for the remark
	for i := 0; i < len(s); {
		_, n := utf8.DecodeRuneInString(s[i:])
		if s[i] == '\t' {
			b = append(b, strings.Repeat(" ", tabStop)...)
			c = Cleaner{base: ' '}
		} else {
			b = c.Append(b, s[i:i+n])
		}
		i += n
		if len(b) <= room {
			kept, of = len(b), i
		}
		if len(b) > MaxLine {
			b = fmt.Appendf(b[:kept], rest, len(s)-of)
			break
		}
	}
	return boundClusters(string(b), "…")
}

// boundClusters cuts what would take one place on the screen and is of many
// characters: no two terminals agree on what that looks like. More stands for
// the rest.
func boundClusters(s, more string) string {
	var b strings.Builder
	kept := 0 // of s, that is in b
	for g := graphemes.FromString(s); g.Next(); {
		cluster := g.Value()
		if utf8.RuneCountInString(cluster) <= maxCluster {
			continue
		}
		b.WriteString(s[kept:g.Start()])
		n := 0
		for i := range cluster {
			if n == maxCluster/2 {
				b.WriteString(cluster[:i])
				break
			}
			n++
		}
		b.WriteString(more)
		kept = g.End()
	}
	if kept == 0 {
		return s
	}
	b.WriteString(s[kept:])
	return b.String()
}

// Cleaner makes a stream harmless, a character at a time. The zero value
// stands at the beginning of a line.
type Cleaner struct {
	base    rune // what the next character may combine with; 0 for nothing
	marks   int  // how many combine with it already
	joiners int  // in the picture or word that goes on
	joined  bool // the last was a joiner
}

// Reset begins a new line.
func (c *Cleaner) Reset() { *c = Cleaner{} }

// Append appends to dst what may be shown of p, which is the bytes of one
// character, or one byte that is not UTF-8.
func (c *Cleaner) Append(dst []byte, p string) []byte {
	r, n := utf8.DecodeRuneInString(p)
	switch {
	case r == utf8.RuneError && n <= 1:
		c.Reset()
		for i := range len(p) {
			dst = append(dst, escapeByte(p[i])...)
		}
		if len(p) > 0 {
			c.base = 'x'
		}
		return dst
	case unicode.Is(unicode.Zs, r):
		*c = Cleaner{base: ' '}
		return append(dst, ' ')
	case r == zeroWidthJoiner || r == zeroWidthNonJoiner:
		if !c.joined && c.joiners < maxJoiners && joins(c.base) {
			c.joined = true
			c.joiners++
			return append(dst, p...)
		}
	case hidden(r) && !(supplement(r) && unicode.Is(unicode.Han, c.base)):
	case unicode.Is(unicode.M, r):
		if c.base == 0 {
			break
		}
		c.marks++
		if c.marks > maxMarks+1 {
			return dst
		}
		if c.marks > maxMarks {
			return append(dst, "…"...)
		}
		return append(dst, p...)
	case unicode.IsPrint(r):
		if !c.joined {
			c.joiners = 0
		}
		c.base, c.marks, c.joined = r, 0, false
		return append(dst, p...)
	}
	*c = Cleaner{base: 'x'} // the end of what follows
	q := strconv.QuoteRuneToASCII(r)
	return append(dst, q[1:len(q)-1]...)
}

func escapeByte(c byte) []byte {
	const hex = "0123456789abcdef"
	return []byte{'\\', 'x', hex[c>>4], hex[c&15]}
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	brailleBlank       = '\u2800' // prints, but nothing
	variation17        = '\U000e0100'
	variation256       = '\U000e01ef'
)

// hidden says of a character that counts as printing that nothing of it is
// seen: fillers, and selectors that have nothing to select.
func hidden(r rune) bool {
	return r == brailleBlank || supplement(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// supplement says whether r is one of the selectors that choose among forms
// of Chinese characters. On anything else a string of them is a message that
// nobody sees.
func supplement(r rune) bool { return r >= variation17 && r <= variation256 }

// joining are the scripts that write with joiners.
var joining = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mongolian, unicode.Mandaic,
	unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya,
	unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala,
	unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

// joins says whether a joiner may follow r: it holds emoji together, and
// shapes letters of some scripts. Elsewhere it only hides.
func joins(r rune) bool {
	return unicode.In(r, unicode.So, unicode.Sk) && r > unicode.MaxLatin1 || unicode.In(r, joining...)
}

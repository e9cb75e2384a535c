// SPDX-License-Identifier: Apache-2.0

package safetext

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

var lineTests = map[string]struct{ in, want string }{
	"words":            {"hello, world", "hello, world"},
	"nothing":          {"", ""},
	"the world":        {"naïve 日本 👩\u200d🚀 שלום می\u200cخواهم क्\u200dष ❤\ufe0f 👨\u200d👩\u200d👧\u200d👦", "naïve 日本 👩\u200d🚀 שלום می\u200cخواهم क्\u200dष ❤\ufe0f 👨\u200d👩\u200d👧\u200d👦"},
	"decomposed":       {"e\u0301", "e\u0301"},
	"tab":              {"a\tb", "a    b"},
	"other spaces":     {"a\u00a0b\u3000c", "a b c"},
	"line feed":        {"a\nb\r\n", `a\nb\r\n`},
	"clear the screen": {"\x1b[2J\x1b]0;title\x07", `\x1b[2J\x1b]0;title\a`},
	"NUL, delete":      {"a\x00b\x7f\b", `a\x00b\x7f\b`},
	"C1 as UTF-8":      {"\u009b2J\u0085", `\u009b2J\u0085`},
	"C1 as a byte":     {"\x9b2J", `\x9b2J`},
	"bidi override":    {"\u202egnp.exe\u202c", `\u202egnp.exe\u202c`},
	"bidi isolate":     {"\u2066a\u2067b\u2068c\u2069", `\u2066a\u2067b\u2068c\u2069`},
	"bidi marks":       {"a\u200eb\u200fc\u061c", `a\u200eb\u200fc\u061c`},
	"line separators":  {"a\u2028b\u2029", `a\u2028b\u2029`},
	"broken UTF-8":     {"a\xffb\xc3", `a\xffb\xc3`},
	"overlong":         {"\xc0\x9b", `\xc0\x9b`},
	"surrogate":        {"\xed\xa0\x80", `\xed\xa0\x80`},
	"U+FFFD itself":    {"\ufffd", "\ufffd"},
	"zero width":       {"a\u200bb\ufeffc\u2060d\u00ade", `a\u200bb\ufeffc\u2060d\u00ade`},
	"joiner in Latin":  {"pass\u200dword\u200c", `pass\u200dword\u200c`},
	"joiners":          {"👩\u200d\u200d\u200d", "👩\u200d" + `\u200d\u200d`},
	"endless picture":  {"👩‍👩‍👩‍👩‍👩", "👩‍👩‍👩‍👩" + `\u200d` + "👩"},
	"fillers":          {"\u3164\u115f\uffa0\u2800", `\u3164\u115f\uffa0\u2800`},
	"grapheme joiner":  {"a\u034fb", `a\u034fb`},
	"tags":             {"a\U000e0068\U000e0069", `a\U000e0068\U000e0069`},
	"hidden message":   {"a\U000e0158\U000e0159", `a\U000e0158\U000e0159`},
	"kanji variant":    {"葛\U000e0100", "葛\U000e0100"},
	"mark on nothing":  {"\u0301a", `\u0301a`},
	"mark on a nick":   {"\u20dd", `\u20dd`},
	"private use":      {"\ue000", `\ue000`},
	"combining flood":  {"a" + strings.Repeat("\u0301", 500) + "b", "a" + strings.Repeat("\u0301", maxMarks) + "…b"},
	"flood of letters": {"z\u0337\u0338b", "z\u0337\u0338b"},
	"jamo flood":       {strings.Repeat("\u1100", 100) + "!", strings.Repeat("\u1100", maxCluster/2) + "…!"},
	"virama flood":     {strings.Repeat("क\u094d", 100) + "!", strings.Repeat("क\u094d", maxCluster/4) + "…!"},
}

func TestLine(t *testing.T) {
	for name, c := range lineTests {
		if got := Line(c.in); got != c.want {
			t.Errorf("%s: Line(%q) is %q, expected %q", name, c.in, got, c.want)
		}
	}
}

// TestLongLine: what is too long is cut, says by how much, and is never cut
// in the middle of a character.
func TestLongLine(t *testing.T) {
	for _, unit := range []string{"x", "é", "日", "😀", "\x1b", "\xff", "\t", "\u202e"} {
		fits := strings.Repeat("x", MaxLine)
		if got := Line(fits); got != fits {
			t.Errorf("what fits came out as %d bytes: %q", len(got), got[len(got)-40:])
		}
		got := Line(strings.Repeat(unit, 1<<20/len(unit)))
		if len(got) > MaxLine || len(got) < MaxLine/2 {
			t.Errorf("%q: %d bytes", unit, len(got))
		}
		if !strings.HasSuffix(got, " bytes more)") || !utf8.ValidString(got) {
			t.Errorf("%q: ends with %q", unit, got[len(got)-40:])
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, c := range lineTests {
		f.Add(c.in)
	}
	for n := range 8 { // what becomes longer where it is about to be cut
		f.Add(strings.Repeat("x", MaxLine-n) + "\x1b\u202e")
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := Line(in)
		if !utf8.ValidString(got) || len(got) > MaxLine {
			t.Errorf("Line(%.99q) is %.99q", in, got)
		}
		marks := 0
		for i, r := range got {
			marks++
			if !unicode.Is(unicode.M, r) {
				marks = 0
			}
			if !unicode.IsPrint(r) && r != zeroWidthJoiner && r != zeroWidthNonJoiner || marks > maxMarks || i == 0 && unicode.Is(unicode.M, r) {
				t.Errorf("Line(%.99q) is %.99q: %U", in, got, r)
			}
		}
		for g := graphemes.FromString(got); g.Next(); {
			if utf8.RuneCountInString(g.Value()) > maxCluster {
				t.Errorf("Line(%.99q) is %.99q: %.99q", in, got, g.Value())
			}
		}
		if again := Line(got); again != got {
			t.Errorf("Line(%.99q) is %.99q, and Line of that %.99q", in, got, again)
		}
	})
}

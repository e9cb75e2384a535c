// SPDX-License-Identifier: Apache-2.0

package safetext

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestNick(t *testing.T) {
	for in, want := range map[string]string{
		"ann": "ann", " ann \n": "ann", "Ann-2": "Ann-2", "Zoë 日本": "Zoë_日本", "[away]": "[away]",
		"Zoe\u0308": "Zoë", "ｆｕｌｌ": "full", "ﬁn": "fin", "①": "1", "👻": "👻",
		"\x1b[31mred": "[31mred", "\u202eevil": "evil", "a\u200bnn": "ann", "a\u200dnn": "ann", "ann\ufe0f": "ann",
		"\u3164": "", "a\u3164": "a", "ann: hi": "ann_hi", "#room": "room", "/quit": "quit", "<ann>": "ann", "a@b,c": "abc",
		"a\tb\nc": "a_b_c", "\xff": "", "": "", "   ": "", "---": "", "\u0301x": "x", "(\u0301": "",
		"x" + strings.Repeat("\u0337", 50): "x\u0337\u0337",
		strings.Repeat("x", 500):           strings.Repeat("x", MaxName),
		strings.Repeat("日", 5000):          strings.Repeat("日", MaxName),
	} {
		if got := Nick(in); got != want {
			t.Errorf("Nick(%q) is %q, expected %q", in, got, want)
		}
	}
}

// TestSameNick: who writes a nick in another way takes no other nick.
func TestSameNick(t *testing.T) {
	for _, same := range [][]string{
		{"ann", "Ann", "ANN", "a\u200bnn", "ａｎｎ", " ann"},
		{"Zoë", "zoe\u0308", "ZOË"},
		{"straße", "STRASSE", "Strasse"},
		{"σίσυφος", "ΣΊΣΥΦΟΣ"},
	} {
		for _, nick := range same {
			if got := Fold(nick); got == "" || got != Fold(same[0]) {
				t.Errorf("%q is %q, and %q is %q", nick, got, same[0], Fold(same[0]))
			}
		}
	}
	if Fold("ann") == Fold("bob") {
		t.Error("ann is bob")
	}
}

func TestRoom(t *testing.T) {
	for in, want := range map[string]string{
		"#kitchen": "#kitchen", "kitchen": "#kitchen", "##kitchen": "#kitchen", " #Kitchen\n": "#kitchen", "#KÜCHE": "#küche",
		"#a b": "#a_b", "#": "", "": "", "#\x1b": "", "#\u202e": "", "#a\u200bb": "#ab",
	} {
		if got := Room(in); got != want {
			t.Errorf("Room(%q) is %q, expected %q", in, got, want)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"ann", "Zoë 日本", "\x1b[31m", "#room", "ﷺ", "a\u0301\u0301\u0301", "ẞ", "İ", "\u1100\u1161", "e\u200b\u0301", "ᾳ\u0345"} {
		f.Add(s)
	}
	for _, c := range lineTests {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for what, got := range map[string]string{"Nick": Nick(in), "Fold": Fold(in), "Room": strings.TrimPrefix(Room(in), "#")} {
			if !utf8.ValidString(got) || utf8.RuneCountInString(got) > MaxName {
				t.Errorf("%s(%q) is %q", what, in, got)
			}
			for _, r := range got {
				if !unicode.IsPrint(r) || r == ' ' || r == '#' || r == '/' || r == ':' || hidden(r) {
					t.Errorf("%s(%q) is %q: %U", what, in, got, r)
				}
			}
			if got != Line(got) {
				t.Errorf("%s(%q) is %q, which is shown as %q", what, in, got, Line(got))
			}
		}
		nick, fold, room := Nick(in), Fold(in), Room(in)
		if again := Nick(nick); again != nick {
			t.Errorf("Nick(%q) is %q, and Nick of that %q", in, nick, again)
		}
		if again := Fold(fold); again != fold {
			t.Errorf("Fold(%q) is %q, and Fold of that %q", in, fold, again)
		}
		if again := Room(room); again != room {
			t.Errorf("Room(%q) is %q, and Room of that %q", in, room, again)
		}
	})
}

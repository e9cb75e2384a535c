// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/room"
)

// TestRefusals: what cannot be done is said before anything is done.
func TestRefusals(t *testing.T) {
	c := &Console{Show: func(member.Event) {}}
	for _, x := range []struct{ where, line, says string }{
		{"", "hello", "no room"},
		{"#a", "/nonsense", "/nonsense"},
		{"#a", "/\x1b[2J", `\x1b`},
		{"#a", "/msg", "usage: /msg NICK TEXT"},
		{"#a", "/msg bob", "usage: /msg NICK TEXT"},
		{"#a", "/me ", "usage"},
		{"#a", "/accept one", "number"},
		{"#a", "/decline 1x", "number"},
	} {
		err := c.Type(t.Context(), x.where, x.line)
		if err == nil || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v", x.line, err)
		}
	}
	for _, line := range []string{"", "  ", "\r\n"} {
		if err := c.Type(t.Context(), "#a", line); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	if err := c.Type(t.Context(), "#a", "/QUIT"); !errors.Is(err, ErrQuit) {
		t.Errorf("/QUIT: %v", err)
	}
}

func TestHelp(t *testing.T) {
	var all []string
	c := &Console{Show: func(e member.Event) { all = append(all, e.Text) }}
	if err := c.Type(t.Context(), "", "/help"); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(all, "\n")
	for _, k := range Commands {
		if !strings.Contains(text, "/"+k.Name) {
			t.Errorf("/help lacks /%s", k.Name)
		}
	}
}

// FuzzText: whatever others write, what is shown is one harmless line.
func FuzzText(f *testing.F) {
	f.Add("message", "ann", "hello", "x")
	f.Add("offer", "\x1b[31m", "a\nb", "../\u202egpj.exe")
	f.Fuzz(func(t *testing.T, kind, nick, text, file string) {
		s, _ := Text(&member.Event{Type: room.Type(kind), Room: "#a", Nick: nick, Old: nick, Text: text, File: file, Saved: file, Names: []string{text}})
		for _, r := range s {
			if r == '\n' || r == '\r' || unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
				t.Errorf("%q is shown", s)
			}
		}
	})
}

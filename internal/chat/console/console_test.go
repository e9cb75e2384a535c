// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"unicode"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/suite/suitetest"
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

// TestJSONIsPlain: what a terminal obeys is escaped, and comes back as it was.
func TestJSONIsPlain(t *testing.T) {
	const text = "a\u009b31mb\u202ec\u2066d\x7fe\U000e0041f\u200bg ü 猫 \x1b[1m"
	var out bytes.Buffer
	l := &Lines{Out: &out, JSON: true}
	l.Show(member.Event{Type: room.Said, Text: text})
	for _, r := range strings.TrimSuffix(out.String(), "\n") {
		if !unicode.IsPrint(r) {
			t.Errorf("%U is written", r)
		}
	}
	var e member.Event
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.Text != text {
		t.Errorf("%q came back, %v", e.Text, err)
	}
	if !strings.Contains(out.String(), "ü 猫") {
		t.Errorf("%q is hard to read", out.String())
	}
}

// TestNotSaid: a line that cannot be said is an error at the end; the others
// go on.
func TestNotSaid(t *testing.T) {
	for in, want := range map[string]string{"hello\n": "not all was said", "//hello\n/help\n": "not all was said", "/nonsense\n": ""} {
		ctx, cancel := context.WithCancel(t.Context())
		key, err := room.NewKey([]byte("0123456789abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		hub, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, no more
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := hub.Accept()
				if err != nil {
					return
				}
				conn.Write(relay.Preface(relay.ID{}))
			}
		}()
		client, err := member.New(member.Config{Addrs: []string{hub.Addr().String()}, Key: key, Place: suitetest.All, Nick: "ann", Show: func(member.Event) {}})
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan error, 1)
		go func() { ran <- client.Run(ctx) }()
		l := &Lines{In: strings.NewReader(in), Out: io.Discard, Err: io.Discard}
		err = l.Run(ctx, &Console{Client: client, Show: l.Show}, "#not-entered")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", in, err)
		}
		cancel()
		hub.Close()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}
}

// TestConversationStays: a conversation is with a person. Somebody of the same
// nick in another room has another one, and whoever takes a nick does not get
// what is typed in the conversation with whom had it.
func TestConversationStays(t *testing.T) {
	term := NewTerminal("ann", "here", Commands)
	bob, eve := room.ID{0xb0}, room.ID{0xe0}
	told := func(in string, by room.ID) {
		term.Show(member.Event{Type: room.Told, Room: in, Nick: "bob", ID: by.Fingerprint(), Person: by, Text: "psst"})
	}
	told("#one", bob)
	told("#two", eve)
	for _, id := range []room.ID{bob, eve} {
		rooms := term.ui.Names()
		if n := rooms[member.Alone(id)]; n != "bob~"+id.Short() {
			t.Errorf("the conversation with %s is shown as %q: %q", id, n, rooms)
		}
	}
	term.Show(member.Event{Type: room.Renamed, Room: "#one", Old: "bob", Nick: "robert", Person: bob})
	rooms := term.ui.Names()
	if rooms[member.Alone(bob)] != "robert" || rooms[member.Alone(eve)] != "bob" || len(rooms) != 4 { // the program's own and #one, too
		t.Errorf("conversations are shown as %q", rooms)
	}
	term.Show(member.Event{Type: room.Told, Room: "#one", Nick: "robert", Person: bob, Text: "for bob", Own: true})
	if n := len(term.ui.Names()); n != 4 {
		t.Errorf("there are %d rooms", n)
	}
}

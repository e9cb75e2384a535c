// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vcrypto/internal/chat/tmux"
)

// person sits at a terminal, in a folder of their own.
type person struct {
	t   *testing.T
	tty *tmux.Terminal
	dir string
}

func newPerson(t *testing.T, nick, key, addr, room string) *person {
	t.Helper()
	p := newUser(t, fmt.Sprintf(`join --psk-file '%s' --crypto gocrypto --nick %s %s '%s'`, key, nick, addr, room))
	p.sees("you are in " + room + " as " + nick)
	return p
}

// newUser starts the program in a terminal.
func newUser(t *testing.T, args string) *person {
	t.Helper()
	p := &person{t: t, dir: t.TempDir()}
	command := fmt.Sprintf(`cd '%s' && '%s' %s 2>messages; echo "left with $?"; exec cat`, p.dir, program, args)
	var err error
	if p.tty, err = tmux.New(90, 24, command); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.tty.Close)
	return p
}

func (p *person) types(text string) {
	p.t.Helper()
	if err := p.tty.Type(text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) presses(keys ...string) {
	p.t.Helper()
	if err := p.tty.Press(keys...); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits until all of that is on the screen, and returns the rows.
func (p *person) sees(texts ...string) []string {
	p.t.Helper()
	rows, err := p.tty.Await(fmt.Sprintf("%q", texts), func(rows []string) bool {
		for _, text := range texts {
			if tmux.Row(rows, text) < 0 {
				return false
			}
		}
		return true
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return rows
}

var statusFingerprint = regexp.MustCompile(`gocrypto │ (?:fingerprint )?(\S+)`)

// TestPeople: two people use the program, each at a real terminal.
func TestPeople(t *testing.T) {
	t.Parallel()
	key := keyFile(t, testKey)
	_, addr := startHub(t)
	ann := newPerson(t, "ann", key, addr, "#cats")
	bob := newPerson(t, "bob", key, addr, "#cats")
	ann.sees("bob has come", "2 members", "AES-128-GCM on engine gocrypto")

	// What bob says does not get into what ann is typing.
	ann.types("hello, b")
	bob.types("an")
	bob.presses("Tab")
	bob.types("are you there?")
	bob.presses("Enter")
	ann.sees("bob ┃ ann: are you there?", "> hello, b")
	ann.types("ob")
	ann.presses("Enter")
	bob.sees("ann ┃ hello, bob")

	// They compare fingerprints.
	m := statusFingerprint.FindStringSubmatch(strings.Join(ann.sees("gocrypto │"), "\n"))
	bob.types("/who")
	bob.presses("Enter")
	bob.sees("ann", m[1])

	ann.types("/me waves")
	ann.presses("Enter")
	bob.sees("* │ ann waves")
	ann.types("/nick annie")
	ann.presses("Enter")
	bob.sees("annie")
	ann.sees("│ annie │") // in the status line

	// A conversation of two is a room of its own.
	ann.types("/msg bob psst")
	ann.presses("Enter")
	rows := bob.sees("annie·1!")
	if tmux.Row(rows, "psst") >= 0 {
		t.Errorf("it is shown in the room:\n%s", strings.Join(rows, "\n"))
	}
	bob.presses("M-a")
	bob.sees("annie │ psst")
	bob.types("what?")
	bob.presses("Enter")
	ann.sees("bob·1!")
	bob.presses("M-2")
	bob.sees("* │ ann waves")

	// So is one with somebody else of that nick, who is in another room.
	ann.types("/join #dogs")
	ann.presses("Enter")
	ann.sees("you are in #dogs")
	in, types := io.Pipe()
	other := start(t, in, "join", "--psk-file", key, "--nick", "bob", addr, "#dogs")
	other.says("annie has come")
	io.WriteString(types, "/msg annie I am not who you think\n")
	if _, err := ann.tty.Await("two bobs", func(rows []string) bool {
		return strings.Count(rows[0], "bob~") == 2 && strings.Contains(rows[0], "·1!")
	}); err != nil {
		t.Fatal(err)
	}
	ann.presses("M-a")
	ann.sees("bob │ I am not who you think")
	ann.types("which bob is this?")
	ann.presses("Enter")
	other.shows("*annie* which bob is this?")
	types.Close()
	other.exits(exitOK)
	ann.presses("M-2")
	ann.sees("bob ┃ ann: are you there?")

	// A file, which ann is asked about.
	content := strings.Repeat("a line of the note\n", 10_000)
	if err := os.WriteFile(filepath.Join(bob.dir, "note.txt"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	ann.types("y") // is no answer
	bob.types("/send no")
	bob.presses("Tab", "Enter")
	ann.sees("[Alt-Y: yes, Alt-N: no] Take note.txt", "> y")
	ann.presses("M-y")
	if _, err := ann.tty.Await("the file", func([]string) bool {
		b, err := os.ReadFile(filepath.Join(ann.dir, "note.txt"))
		return err == nil && string(b) == content
	}); err != nil {
		t.Fatal(err)
	}
	ann.presses("C-c")

	// Somebody who has the key is hostile.
	start(t, strings.NewReader("clear \x1b[2J\x1b]0;owned\x07\u202e\xff\n"),
		"join", "--psk-file", key, "--nick", "eve", addr, "#cats").exits(exitOK)
	ann.sees(`eve │ clear \x1b[2J\x1b]0;owned\a\u202e`, "eve has left", "are you there?")

	ann.presses("C-d")
	bob.sees("annie has left")
	ann.sees("left with 0")
}

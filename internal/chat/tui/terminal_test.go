// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/chat/tmux"
)

// terminal is a real one, of tmux, with a talker in it.
type terminal struct {
	t       *testing.T
	tty     *tmux.Terminal
	orders  net.Conn
	reports chan report
	done    chan struct{}
}

const (
	testColumns = 90
	testRows    = 24
)

// newTerminal starts a talker in a terminal, in a room with bob and Zoë. What
// env says is added to its environment.
func newTerminal(t *testing.T, env ...string) *terminal {
	t.Helper()
	return newTerminalAfter(t, "true", env...)
}

// newTerminalAfter does so after another command.
func newTerminalAfter(t *testing.T, first string, env ...string) *terminal {
	t.Helper()
	dir, err := os.MkdirTemp("", "tui") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "talker"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	term := &terminal{t: t, reports: make(chan report), done: make(chan struct{})}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// What was there before and what comes after shows how it was left.
	command := fmt.Sprintf(`echo before; %s; '%s'; echo "left with $?"; exec cat`, first, self)
	term.tty, err = tmux.New(testColumns, testRows, command, append(env, talkerSocket+"="+l.Addr().String())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(term.tty.Close)

	l.(*net.UnixListener).SetDeadline(time.Now().Add(tmux.Patience))
	term.orders, err = l.Accept()
	if err != nil {
		t.Fatalf("the talker does not call: %v\n%s", err, term.screen())
	}
	t.Cleanup(func() {
		close(term.done)
		term.orders.Close()
	})
	go term.listen()
	term.do(order{Do: "SetStatus", Status: Status{Nick: "ann", State: "connected", Driver: "AES-128-GCM on vcrypto", Fingerprint: "3f2a-99c1"}})
	term.do(order{Do: "Open", Room: "#kitchen"})
	term.do(order{Do: "SetMembers", Room: "#kitchen", Nicks: []string{"ann", "bob", "Zoë", "Bonnie"}})
	term.await("the room", func(s []string) bool { return strings.Contains(s[0], "2 #kitchen") })
	return term
}

func (term *terminal) listen() {
	for in := bufio.NewScanner(term.orders); in.Scan(); {
		var r report
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			r.Event = err.Error()
		}
		select {
		case term.reports <- r:
		case <-term.done:
			return
		}
	}
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := term.tty.Run(args...)
	if err != nil {
		term.t.Fatal(err)
	}
	return out
}

// typeText types text, key by key.
func (term *terminal) typeText(text string) { term.tmux("send-keys", "-l", text) }

// press presses keys, by tmux's names.
func (term *terminal) press(keys ...string) { term.tmux(append([]string{"send-keys"}, keys...)...) }

// screen is what is on the screen.
func (term *terminal) screen() string { return term.tmux("capture-pane", "-p") }

// await waits until the screen is as it should be, and returns it.
func (term *terminal) await(what string, ok func(rows []string) bool) []string {
	term.t.Helper()
	rows, err := term.tty.Await(what, func(rows []string) bool {
		return len(rows) > 3 && ok(rows) // while it is resized there may be fewer
	})
	if err != nil {
		term.t.Fatal(err)
	}
	return rows
}

// input waits until the line one types in is this.
func (term *terminal) input(text string) {
	term.t.Helper()
	want := strings.TrimRight("> "+text, " ")
	term.await(fmt.Sprintf("the input %q", text), func(rows []string) bool { return rows[len(rows)-1] == want })
}

// shown waits until text is on the screen.
func (term *terminal) shown(text string) []string {
	term.t.Helper()
	return term.await(fmt.Sprintf("%q", text), func(rows []string) bool { return row(rows, text) >= 0 })
}

// gone waits until text is not on the screen.
func (term *terminal) gone(text string) {
	term.t.Helper()
	term.await(fmt.Sprintf("a screen without %q", text), func(rows []string) bool { return row(rows, text) < 0 })
}

func row(rows []string, text string) int { return tmux.Row(rows, text) }

// do has the talker make a call, and waits until it has.
func (term *terminal) do(o order) {
	term.t.Helper()
	if err := json.NewEncoder(term.orders).Encode(o); err != nil {
		term.t.Fatal(err)
	}
	term.event("done")
}

// say has somebody say something in the room.
func (term *terminal) say(nick, text string) {
	term.t.Helper()
	term.do(order{Do: "Show", Message: Message{Room: "#kitchen", Nick: nick, Text: text}})
}

func (term *terminal) next() report {
	term.t.Helper()
	select {
	case r := <-term.reports:
		return r
	case <-time.After(tmux.Patience):
		term.t.Fatalf("the talker says nothing:\n%s", term.screen())
		panic("unreachable")
	}
}

func (term *terminal) event(want string) {
	term.t.Helper()
	if r := term.next(); r.Event != want {
		term.t.Fatalf("the talker says %+v, expected %q", r, want)
	}
}

// typed waits for a line that was typed.
func (term *terminal) typed(room, text string) {
	term.t.Helper()
	if r := term.next(); r.Line != (Line{room, text}) || r.Event != "" {
		term.t.Fatalf("the talker says %+v, expected the line %q in %q", r, text, room)
	}
}

// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// These tests use the interface as a person does: they press keys, and read
// the screen.

func TestTyping(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.typeText("hello wrld")
	term.press("Left", "Left", "Left")
	term.typeText("o")
	term.press("End")
	term.typeText(", how are you")
	term.input("hello world, how are you")
	term.press("C-w", "C-w", "BSpace")
	term.input("hello world, how")
	term.press("Home", "DC", "H", "Enter")
	term.typed("#kitchen", "Hello world, how")
	term.shown("ann │ Hello world, how")
	term.input("")

	// The cursor stands where the next character goes, on wide ones too.
	term.typeText("日本ab")
	term.press("Left")
	term.await("the cursor", func([]string) bool { return term.tmux("display-message", "-p", "#{cursor_x} #{cursor_y}") == "7 23" })
	term.typeText("é")
	term.input("日本aéb")
	term.press("C-c")
	term.input("")

	// A line longer than the screen moves along.
	long := strings.Repeat("0123456789", 20)
	term.typeText(long)
	term.await("the end of a long line", func(rows []string) bool { return strings.HasSuffix(rows[len(rows)-1], "3456789") })
	term.press("Home")
	term.await("its beginning", func(rows []string) bool { return strings.HasPrefix(rows[len(rows)-1], "> 0123") })
	term.press("Enter")
	term.typed("#kitchen", long)
	term.input("")

	// Pasted lines do not send themselves.
	term.tmux("set-buffer", "one\ntwo\n")
	term.tmux("paste-buffer", "-p")
	term.input("one two")
	term.press("Enter")
	term.typed("#kitchen", "one two")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	for _, l := range []string{"first", "second", "second"} {
		term.typeText(l)
		term.press("Enter")
		term.typed("#kitchen", l)
	}
	term.typeText("draft")
	term.input("draft")
	term.press("Up")
	term.input("second")
	term.press("Up")
	term.input("first")
	term.press("Up")
	term.input("first")
	term.press("Down", "Down")
	term.input("draft")
	term.press("Up", "Up")
	term.typeText(" again")
	term.press("Enter")
	term.typed("#kitchen", "first again")
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.do(order{Do: "Show", Message: Message{Room: "#lab", Nick: "dan", Text: "hi"}})
	for _, c := range []struct {
		typed, keys, want string
	}{
		{"/q", "Tab", "/quit"},
		{"/m", "Tab", "/me"},
		{"/m", "Tab Tab", "/msg"},
		{"/m", "BTab", "/msg"},
		{"/msg z", "Tab", "/msg Zoë"},
		{"bo", "Tab", "Bonnie:"},
		{"bo", "Tab Tab", "bob:"},
		{"bo", "Tab Tab Tab", "Bonnie:"},
		{"I ask Zo", "Tab", "I ask Zoë"},
		{"I ask Zo!", "Left Tab", "I ask Zoë !"},
		{"/join #l", "Tab", "/join #lab"},
		{"/send no", "Tab Tab", "/send notes.txt"},
		{"/send d", "Tab", "/send docs/"},
		{"nobody", "Tab", "nobody"},
		{"an", "Tab", "an"}, // not oneself
	} {
		term.typeText(c.typed)
		term.press(strings.Fields(c.keys)...)
		term.input(c.want)
		term.press("C-c")
		term.input("")
	}
	// A command says how it is used.
	term.typeText("/msg")
	term.shown("/msg NICK TEXT: talk with one alone")
}

// TestMessagesWhileTyping: what comes does not get into what one types.
func TestMessagesWhileTyping(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.typeText("what I am ty")
	term.input("what I am ty")
	for n := range 5 {
		term.do(order{Do: "Flood", Message: Message{Room: "#kitchen", Nick: "bob", Text: fmt.Sprintf("flood %d:", n)}, Total: 200})
		term.input("what I am ty")
	}
	term.typeText("ping")
	rows := term.shown("flood 4: 200.")
	term.input("what I am typing")
	if at := row(rows, "flood 4: 200."); at != testRows-3 {
		t.Errorf("the last message is in row %d:\n%s", at, strings.Join(rows, "\n"))
	}
	term.press("Enter")
	term.typed("#kitchen", "what I am typing")
}

func TestScrollBack(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.do(order{Do: "Flood", Message: Message{Room: "#kitchen", Nick: "bob", Text: "old"}, Total: 100})
	term.shown("old 100.")
	term.press("PageUp")
	top := func(rows []string) string { return rows[1] }
	rows := term.shown("↓ more")
	if row(rows, "old 100.") >= 0 || row(rows, "old 70.") < 0 {
		t.Errorf("a page up shows\n%s", strings.Join(rows, "\n"))
	}
	was := top(rows)
	// What comes does not move it, and is counted.
	term.do(order{Do: "Flood", Message: Message{Room: "#kitchen", Nick: "bob", Text: "new"}, Total: 3})
	rows = term.shown("↓ 3 unread")
	if top(rows) != was || row(rows, "new 1.") >= 0 {
		t.Errorf("it moved from %q:\n%s", was, strings.Join(rows, "\n"))
	}
	for range 10 {
		term.press("PageUp")
	}
	rows = term.shown("old 1.")
	if !strings.Contains(rows[1], "───") || !strings.Contains(rows[testRows-3], "│ old 20.") {
		t.Errorf("the top is\n%s", strings.Join(rows, "\n"))
	}
	term.press("PageDown")
	term.shown("old 40.")
	term.press("Escape")
	rows = term.shown("new 3.")
	if at := row(rows, "─── unread"); at < 0 || !strings.Contains(rows[at+1], "new 1.") {
		t.Errorf("no mark before what is new:\n%s", strings.Join(rows, "\n"))
	}
	term.gone("3 unread")
	// Who answers has read.
	term.typeText("yes")
	term.press("Enter")
	term.typed("#kitchen", "yes")
	term.gone("─── unread")
}

// TestUnreadWhileAway: a terminal tells that it has lost the focus, and what
// comes then is marked.
func TestUnreadWhileAway(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.say("bob", "seen")
	term.shown("seen")
	term.press("-H", "1b", "5b", "4f") // CSI O: the focus is lost
	term.typeText("x")                 // after which this comes
	term.input("x")
	term.say("bob", "missed")
	rows := term.shown("missed")
	if at := row(rows, "─── unread"); at < 0 || !strings.Contains(rows[at+1], "missed") || !strings.Contains(rows[0], "#kitchen·1") {
		t.Errorf("no mark:\n%s", strings.Join(rows, "\n"))
	}
	term.press("-H", "1b", "5b", "49") // CSI I: it is back
	term.gone("#kitchen·1")
	term.shown("─── unread") // so that one sees where to go on
}

func TestRooms(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.do(order{Do: "Show", Message: Message{Room: "#lab", Nick: "dan", Text: "who is here?"}})
	term.do(order{Do: "Show", Message: Message{Room: "#lab", Nick: "dan", Text: "Ann?"}})
	term.do(order{Do: "Show", Message: Message{Room: "bob", Nick: "bob", Text: "psst", Kind: Private}})
	term.await("what is unread", func(rows []string) bool { return strings.Contains(rows[0], "3 #lab·2!  4 bob·1!") })
	term.typeText("half")
	term.press("M-3")
	rows := term.shown("who is here?")
	if !strings.Contains(rows[0], "3 #lab  4 bob·1!") {
		t.Errorf("unread: %q", rows[0])
	}
	term.press("C-n")
	if rows := term.shown("psst"); row(rows, "(private)") >= 0 {
		t.Errorf("what is said to one alone is private:\n%s", strings.Join(rows, "\n"))
	}
	term.do(order{Do: "Show", Message: Message{Nick: "Zoë", Text: "hush", Kind: Private, Room: "#lab"}})
	term.press("C-n", "C-n") // around, past the program's own
	term.await("the kitchen", func(rows []string) bool { return strings.Contains(rows[testRows-2], "#kitchen │ ann │ 4 members") })
	term.press("C-p", "C-p")
	term.shown("psst")
	term.typeText(" a line")
	term.press("Enter")
	term.typed("bob", "half a line")
	term.shown("│ half a line")
	term.do(order{Do: "Close", Room: "bob"})
	term.await("a room less", func(rows []string) bool { return !strings.Contains(rows[0], "bob") && row(rows, "who is here?") > 0 })
	term.shown("Zoë │ (private) hush")
	term.do(order{Do: "SetTopic", Room: "#lab", Text: "lasers"})
	term.await("the topic", func(rows []string) bool { return strings.Contains(rows[0], "lasers") })
	// To where somebody wants something.
	term.do(order{Do: "Show", Message: Message{Room: "#kitchen", Nick: "bob", Text: "soup is ready"}})
	term.press("M-a")
	term.shown("soup is ready")
}

func TestResize(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.do(order{Do: "Flood", Message: Message{Room: "#kitchen", Nick: "bob", Text: "a message of some length, that a narrow terminal must show in several rows"}, Total: 30})
	term.typeText("typed")
	term.input("typed")
	for _, size := range [][2]int{{40, 12}, {20, 6}, {200, 50}, {testColumns, testRows}} {
		columns, rows := size[0], size[1]
		term.tmux("resize-window", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows))
		screen := term.await(fmt.Sprintf("%d by %d", columns, rows), func(s []string) bool {
			return len(s) == rows && s[rows-1] == "> typed" && strings.Contains(s[0], "2 #kitchen") && strings.Contains(strings.Join(s[1:rows-2], ""), "30.")
		})
		for _, r := range screen {
			if width(r) > columns {
				t.Errorf("in %d columns: %q", columns, r)
			}
		}
	}
	term.press("Enter")
	term.typed("#kitchen", "typed")
}

// TestNoSize: a serial line, as guests have, does not tell its size.
func TestNoSize(t *testing.T) {
	t.Parallel()
	term := newTerminalAfter(t, "stty rows 0 columns 0")
	term.typeText("hello")
	term.input("hello")
	term.press("Enter")
	term.typed("#kitchen", "hello")
	term.shown("ann │ hello")
}

// TestHostileText: what others send is shown, and does nothing else.
func TestHostileText(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	title := term.tmux("display-message", "-p", "#{pane_title}")
	term.typeText("mine")
	term.say("bob", "clear\x1b[2J\x1b[H\x1b]0;owned\x07\x1bc")
	term.say("bob", "c1 \u009b2J \u0090q\u009c")
	term.say("bob", "bidi \u202etxt.exe\u2066\u2069")
	term.say("bob", "forged\r10:00 Zoë │ I quit")
	term.say("bob", "two\n10:00          Zoë │ rows")
	term.say("bob", "flood a"+strings.Repeat("\u0301", 1000)+"b")
	term.say("bob", "broken \xff\xc3")
	term.say("bob\x1b[31m", "nick")
	term.say("bob", strings.Repeat("❤️👩‍🚀👍🏽", 60))
	term.do(order{Do: "SetTopic", Room: "#kitchen", Text: "topic\x1b[2J"})
	term.do(order{Do: "SetMembers", Room: "#kitchen", Nicks: []string{"evil\x1b[2J"}})
	term.do(order{Do: "Progress", Text: "file\x1b[2J", Done: 1, Total: 2})
	term.do(order{Do: "Ask", Text: "question\x1b[2J\r\n"})
	term.say("bob", "end.")
	rows := term.shown("end.")
	for _, want := range []string{
		`│ clear\x1b[2J\x1b[H\x1b]0;owned\a\x1bc`,
		`│ c1 \u009b2J \u0090q\u009c`,
		`│ bidi \u202etxt.exe\u2066\u2069`,
		`│ forged\r10:00 Zoë │ I quit`,
		`                   │ 10:00          Zoë │ rows`,
		`…b`,
		`bob\x1b[31m │ nick`,
		`topic\x1b[2J`,
		`file\x1b[2J`,
		`question\x1b[2J`,
	} {
		if row(rows, want) < 0 {
			t.Errorf("no %q on the screen:\n%s", want, strings.Join(rows, "\n"))
		}
	}
	term.input("mine")
	if now := term.tmux("display-message", "-p", "#{pane_title}"); now != title {
		t.Errorf("the title is %q", now)
	}
	// No row of text stands where a message begins.
	begins := regexp.MustCompile(`^(\d\d:\d\d .{12,} │ | {19}│ |───| file|  ?\[Alt|$)`)
	for _, r := range rows[1 : testRows-2] {
		if !begins.MatchString(r) {
			t.Errorf("a row begins %q", r)
		}
	}
	// What is completed is harmless, too.
	term.press("C-c")
	term.typeText("evi")
	term.press("Tab")
	term.input(`evil\x1b[2J:`)
}

func TestQuestion(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.typeText("ma")
	term.do(order{Do: "Ask", Text: "bob sends soup.txt. Take it?"})
	term.shown("[Alt-Y: yes, Alt-N: no] bob sends") // before the next one asks
	term.do(order{Do: "Ask", Text: "Zoë sends " + strings.Repeat("long", 200) + ". Take it?"})
	term.shown("[1 of 2;")
	term.do(order{Do: "Ask", Text: "a third?"})
	term.shown("[1 of 3; Alt-Y: yes, Alt-N: no] bob sends soup.txt. Take it?")
	term.typeText("yn") // is not an answer
	term.input("mayn")
	term.press("M-y")
	term.event("answer true <nil>")
	rows := term.shown("[1 of 2; Alt-Y: yes, Alt-N: no] Zoë sends")
	if row(rows, "longlong") > testRows-4 {
		t.Errorf("it fills the screen:\n%s", strings.Join(rows, "\n"))
	}
	term.press("C-c")
	term.typeText("/no")
	term.press("Enter")
	term.event("answer false <nil>")
	term.shown("[Alt-Y: yes, Alt-N: no] a third?")
	term.press("M-n")
	term.event("answer false <nil>")
	term.gone("Alt-Y")
	// Without a question it is a line like others.
	term.typeText("/no")
	term.press("Enter")
	term.typed("#kitchen", "/no")
}

func TestProgressBar(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	const total = 4 << 20
	for _, p := range []struct {
		done int64
		want string
	}{
		{0, "soup.txt  " + strings.Repeat("░", 20) + "   0%  0 B of 4.0 MiB"},
		{total / 4, "soup.txt  " + strings.Repeat("█", 5) + strings.Repeat("░", 15) + "  25%  1.0 MiB of 4.0 MiB"},
		{total, "soup.txt  " + strings.Repeat("█", 20) + " 100%  4.0 MiB of 4.0 MiB"},
	} {
		term.do(order{Do: "Progress", Text: "soup.txt", Done: p.done, Total: total})
		term.shown(p.want)
	}
	for n := range 5 {
		term.do(order{Do: "Progress", Text: fmt.Sprint("file", n), Done: 5})
	}
	term.shown("… and 3 files more")
	term.do(order{Do: "EndProgress", Text: "soup.txt"})
	term.gone("soup.txt")
}

// TestLeaving: the terminal is as before, however one leaves.
func TestLeaving(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*terminal){
		"Ctrl-D": func(term *terminal) { term.press("C-d") },
		"Ctrl-C": func(term *terminal) { term.press("C-c") },
		"/quit": func(term *terminal) {
			term.typeText("/quit")
			term.press("Enter")
			term.typed("#kitchen", "/quit")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := newTerminal(t)
			term.do(order{Do: "Ask", Text: "?"})
			term.shown("Alt-Y")
			leave(term)
			events := []string{term.next().Event, term.next().Event} // in any order
			if s := strings.Join(events, ", "); !strings.Contains(s, "left") || !strings.Contains(s, "answer false") {
				t.Errorf("the talker says %s", s)
			}
			rows := term.shown("left with 0")
			if rows[0] != "before" || row(rows, "#kitchen") >= 0 {
				t.Errorf("the terminal shows\n%s", strings.Join(rows, "\n"))
			}
			term.typeText("echoed")
			term.shown("echoed")
		})
	}
}

// TestColours: nicks have each their own, unless NO_COLOR is set.
func TestColours(t *testing.T) {
	t.Parallel()
	colour := regexp.MustCompile(`\x1b\[[0-9;:]*\b[34]8[;:]|\x1b\[(?:[0-9]+;)*(?:3[1-7]|4[1-7])m`)
	for _, c := range []struct {
		env  string
		want bool
	}{{"COLOUR=1", true}, {"NO_COLOR=1", false}} {
		t.Run(c.env, func(t *testing.T) {
			t.Parallel()
			term := newTerminal(t, c.env)
			term.say("bob", "hello")
			term.shown("hello")
			screen := term.tmux("capture-pane", "-p", "-e")
			if colour.MatchString(screen) != c.want {
				t.Errorf("the screen is %q", screen)
			}
			if !c.want && !strings.Contains(screen, "\x1b[7m") {
				t.Errorf("nothing shows which line is the status: %q", screen)
			}
		})
	}
}

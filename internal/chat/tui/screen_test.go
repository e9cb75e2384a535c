// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"vcrypto/internal/chat/tmux"
)

// picture is what a screen of that size shows.
func picture(t testing.TB, s *screen, columns, rows int) []string {
	t.Helper()
	s.Update(tea.WindowSizeMsg{Width: columns, Height: rows})
	v := s.View()
	lines := strings.Split(ansi.Strip(v.Content), "\n")
	if len(lines) > rows {
		t.Fatalf("%d rows in %d:\n%s", len(lines), rows, strings.Join(lines, "\n"))
	}
	for _, l := range lines {
		if width(l) > columns {
			t.Fatalf("%q in %d columns", l, columns)
		}
	}
	if c := v.Cursor; c.X < 0 || c.X >= columns || c.Y < 0 || c.Y >= rows {
		t.Fatalf("the cursor is at %d, %d of %d by %d", c.X, c.Y, columns, rows)
	}
	return lines
}

// FuzzScreen: whatever is shown and typed, on whatever screen, all of it fits.
func FuzzScreen(f *testing.F) {
	f.Add("bob", "hello", "typed", 80, 24)
	f.Add("", "\x1b[2J\n\n\n", "日本語", 1, 1)
	f.Add(strings.Repeat("日", 40), strings.Repeat("word ", 500), strings.Repeat("é", 500), 9, 4)
	f.Add("👩‍🚀", strings.Repeat("\u0301", 90)+"\xff", "\u200d\u202e", 33, 7)
	f.Fuzz(func(t *testing.T, nick, text, typed string, columns, rows int) {
		columns, rows = 1+(columns&0xff), 1+(rows&0x3f)
		u := New(Options{Nick: nick})
		s := newScreen(u)
		u.Open(nick)
		u.SetTopic(nick, text)
		u.SetMembers(nick, []string{nick, text})
		for kind := Said; kind <= Warning; kind++ {
			u.Show(Message{Nick: nick, Text: text, Kind: kind})
		}
		s.Update(tea.PasteMsg{Content: typed})
		picture(t, s, columns, rows)
		for _, k := range []rune{tea.KeyPgUp, tea.KeyPgUp, tea.KeyLeft, tea.KeyTab, tea.KeyHome, tea.KeyPgDown, tea.KeyBackspace} {
			s.Update(tea.KeyPressMsg{Code: k})
			picture(t, s, columns, rows)
		}
		u.Progress(text, text, 1, 2)
		u.SetStatus(Status{Nick: nick, Driver: text, State: text, Fingerprint: text})
		u.questions = append(u.questions, &question{text: cleanText(text), answer: make(chan bool, 1)})
		lines := picture(t, s, columns, rows)
		if !strings.HasPrefix(lines[len(lines)-1], cut(prompt, columns)[:1]) {
			t.Errorf("the last row is %q", lines[len(lines)-1])
		}
	})
}

// FuzzWrap: rows are as narrow as asked, and nothing is lost but spaces.
func FuzzWrap(f *testing.F) {
	f.Add("words that are wrapped, between them", 10, 20)
	f.Add(strings.Repeat("日本語", 20), 9, 9)
	f.Add("a"+strings.Repeat(" ", 50)+"b", 8, 8)
	f.Fuzz(func(t *testing.T, s string, first, rest int) {
		first, rest = minText+(first&0x3f), minText+(rest&0x3f)
		s = cleanText(strings.ReplaceAll(s, "\n", " "))
		rows := wrap(s, first, rest)
		for i, r := range rows {
			if limit := map[bool]int{true: first, false: rest}[i == 0]; width(r) > limit {
				t.Errorf("row %d of %q is %q, of %d columns in %d", i, s, r, width(r), limit)
			}
		}
		joined := strings.ReplaceAll(strings.Join(rows, ""), " ", "")
		if want := strings.ReplaceAll(s, " ", ""); joined != want {
			t.Errorf("%q became %q", want, joined)
		}
	})
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text        string
		first, rest int
		want        string
	}{
		{"one two three", 8, 8, "one two|three"},
		{"one two three", 20, 20, "one two three"},
		{"one two three four", 8, 14, "one two|three four"},
		{"a verylongwordthatfits", 10, 30, "a|verylongwordthatfits"},
		{strings.Repeat("x", 25), 10, 10, "xxxxxxxxxx|xxxxxxxxxx|xxxxx"},
		{"    indented", 20, 20, "    indented"},
		{"日本語日本語", 9, 9, "日本語日|本語"},
		{"", 10, 10, ""},
	} {
		if got := strings.Join(wrap(c.text, c.first, c.rest), "|"); got != c.want {
			t.Errorf("wrap(%q, %d, %d) is %q, expected %q", c.text, c.first, c.rest, got, c.want)
		}
	}
}

// TestMemoryIsBounded: a flood leaves what was said last, and no more than
// so much.
func TestMemoryIsBounded(t *testing.T) {
	u := New(Options{Nick: "ann"})
	long := strings.Repeat("x", 100<<10)
	for n := range maxEntries * 5 / 4 {
		u.Show(Message{Room: "#a", Nick: "bob", Text: "short"})
		if n%30 == 0 { // 8 KiB of each
			u.Show(Message{Room: "#b", Nick: "bob", Text: long})
			u.Show(Message{Room: fmt.Sprint("stranger", n), Nick: "bob", Text: "hi"})
		}
	}
	if n := len(u.rooms); n > maxRooms {
		t.Errorf("%d rooms", n)
	}
	for _, r := range u.rooms {
		total := 0
		for i := range r.entries {
			total += r.entries[i].size()
		}
		if len(r.entries) > maxEntries || total > maxBytes || total != r.bytes {
			t.Errorf("room %q keeps %d entries, %d bytes, and counts %d", r.name, len(r.entries), total, r.bytes)
		}
		if len(r.entries) == 0 && r.name != "" {
			t.Errorf("room %q has lost everything", r.name)
		}
		if r.mark != noMark && (r.mark < r.first || r.mark >= r.end()) {
			t.Errorf("room %q: the mark is at %d of %d to %d", r.name, r.mark, r.first, r.end())
		}
	}
	for n := range 100 {
		u.Progress(fmt.Sprint(n), long, 0, 1)
	}
	if n := len(u.transfers); n > maxTransfers {
		t.Errorf("%d transfers", n)
	}
}

// TestScrolledPlaceIsTrimmed: who reads what is then too old to be kept sees
// the oldest that there is.
func TestScrolledPlaceIsTrimmed(t *testing.T) {
	u := New(Options{Nick: "ann"})
	s := newScreen(u)
	for n := range 100 {
		u.Show(Message{Nick: "bob", Text: fmt.Sprintf("old %d.", n)})
	}
	s.Update(tea.KeyPressMsg{Code: tea.KeyPgUp})
	for n := range maxEntries {
		u.Show(Message{Nick: "bob", Text: fmt.Sprintf("new %d.", n)})
	}
	picture(t, s, 80, 24)
	s.Update(tea.KeyPressMsg{Code: tea.KeyPgUp})
	oldest := ansi.Strip(u.rooms[0].entries[0].text)
	if lines := picture(t, s, 80, 24); !strings.Contains(strings.Join(lines, "\n"), oldest) {
		t.Errorf("no %q in\n%s", oldest, strings.Join(lines, "\n"))
	}
}

func TestMentions(t *testing.T) {
	for text, want := range map[string]bool{
		"ann: hi": true, "hi Ann!": true, "hi, ANN.": true, "@ann": true, "annual": false, "hannah": false, "": false, "(ann)": true, "ａｎｎ?": true,
	} {
		if got := mentions(text, "ann"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if mentions("x", "") {
		t.Error("nobody is named by everything")
	}
}

func TestLongText(t *testing.T) {
	got := cleanText(strings.Repeat("line\n", 1000))
	if n := strings.Count(got, "\n"); n != maxTextLines || !strings.HasSuffix(got, "\n…") {
		t.Errorf("%d line feeds: %q", n, got)
	}
	got = cleanText(strings.Repeat(strings.Repeat("x", 1000)+"\n", 1000))
	if len(got) > maxText+100 || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
}

// TestAskEnds: no question outlives its asker or the terminal, and there are
// never too many.
func TestAskEnds(t *testing.T) {
	u := New(Options{Nick: "ann"})
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range maxQuestions {
		asking.Go(func() {
			if yes, err := u.Ask(ctx, "?"); yes || !errors.Is(err, context.Canceled) {
				t.Errorf("%v, %v", yes, err)
			}
		})
	}
	waitFor(t, func() bool { return len(u.questions) == maxQuestions }, u)
	if _, err := u.Ask(t.Context(), "?"); !errors.Is(err, ErrQuestions) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	asking.Wait()
	if n := len(u.questions); n != 0 {
		t.Errorf("%d questions are left", n)
	}

	asking.Go(func() {
		if yes, err := u.Ask(t.Context(), "?"); yes || !errors.Is(err, ErrClosed) {
			t.Errorf("%v, %v", yes, err)
		}
	})
	waitFor(t, func() bool { return len(u.questions) == 1 }, u)
	u.close()
	asking.Wait()
	if _, err := u.Ask(t.Context(), "?"); !errors.Is(err, ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
	if _, ok := <-u.Lines(); ok {
		t.Error("Lines is open")
	}
}

func waitFor(t *testing.T, ok func() bool, u *UI) {
	t.Helper()
	for deadline := time.Now().Add(tmux.Patience); ; time.Sleep(time.Millisecond) {
		u.mu.Lock()
		done := ok()
		u.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}

// TestProgramIsBehind: a line that cannot be taken yet stays where it is.
func TestProgramIsBehind(t *testing.T) {
	u := New(Options{Nick: "ann"})
	s := newScreen(u)
	enter := tea.KeyPressMsg{Code: tea.KeyEnter}
	for n := range pendingLines {
		s.editor.paste(fmt.Sprint(n))
		s.Update(enter)
	}
	s.editor.paste("one more")
	s.Update(enter)
	if got := s.editor.input.Value(); got != "one more" {
		t.Fatalf("the line is %q", got)
	}
	if l := <-u.Lines(); l != (Line{"", "0"}) {
		t.Errorf("%+v", l)
	}
	s.Update(enter)
	if got := s.editor.input.Value(); got != "" {
		t.Errorf("the line is %q", got)
	}
	for n := 1; n < pendingLines; n++ {
		if l := <-u.Lines(); l.Text != fmt.Sprint(n) {
			t.Errorf("%+v, expected %d", l, n)
		}
	}
	if l := <-u.Lines(); l.Text != "one more" {
		t.Errorf("%+v", l)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 7 << 20: "7.0 MiB", 3 << 30: "3.0 GiB", 5 << 40: "5.0 TiB", 1 << 62: "4194304.0 TiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) is %q, expected %q", n, got, want)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, f := range []string{"notes.txt", "number one", ".hidden", "docs/chat.md", "docs/net.md"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(f), 0o700), os.WriteFile(f, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{
		"": "docs/ notes.txt", "n": "notes.txt", "d": "docs/", "docs/": "docs/chat.md docs/net.md", "docs/n": "docs/net.md",
		".h": ".hidden", "nothing/": "", "x": "", here + "/n": here + "/notes.txt",
	} {
		if got := strings.Join(Files(word), " "); got != want {
			t.Errorf("Files(%q) is %q, expected %q", word, got, want)
		}
	}
}

// TestStatusLine: what matters most is there on a narrow screen, too.
func TestStatusLine(t *testing.T) {
	u := New(Options{Nick: "ann"})
	s := newScreen(u)
	u.Open("#cats")
	u.SetMembers("#cats", []string{"ann", "bob"})
	status := func(columns int) string {
		lines := picture(t, s, columns, 10)
		return strings.TrimRight(lines[len(lines)-2], " ")
	}
	if got := status(100); got != " #cats │ ann │ 2 members" {
		t.Errorf("without a status: %q", got)
	}
	u.SetStatus(Status{Nick: "ann", State: "connected", Driver: "AES-128-GCM on engine gocrypto", Fingerprint: "d04a2f47"})
	for columns, want := range map[int]string{
		100: " #cats │ ann │ 2 members │ connected │ AES-128-GCM on engine gocrypto │ fingerprint d04a2f47",
		90:  " #cats │ ann │ 2 members │ connected │ AES-128-GCM on engine gocrypto │ d04a2f47",
		60:  " #cats │ ann │ connected │ d04a2f47 │ AES-128-GCM on engine…",
	} {
		if got := status(columns); got != want {
			t.Errorf("in %d columns: %q, expected %q", columns, got, want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"hash/fnv"
	"strings"
	"time"
	"unicode"

	"vcrypto/internal/chat/safetext"
)

// Kind says what a message is, and so how it looks.
type Kind int

const (
	Said    Kind = iota // Nick said Text
	Action              // Nick does Text: /me
	Private             // Nick said Text to this user alone
	Notice              // somebody came, left, changed a name: Text says all of it
	Info                // the program itself says Text
	Warning             // the program itself says Text, and it matters
)

// Message is what a room shows.
type Message struct {
	Time time.Time // zero is now
	// Room is where it belongs: a room, whose name begins with #, or a
	// conversation with one other, by any other name (see UI.Meet). It is
	// opened if it is not, without being brought to the front. "" is the room
	// that is shown just now.
	Room string
	Nick string // who it is from; Notice, Info and Warning have none
	Kind Kind
	Text string // line feeds begin new lines, which stand below the first
}

// entry is a message as a room keeps it: harmless.
type entry struct {
	time    time.Time
	nick    string
	kind    Kind
	text    string // lines, with line feeds between them
	colour  int    // of the nick: an index into nickColours
	mention bool   // it names the user
}

// size is about what an entry takes in memory, in bytes.
func (e *entry) size() int { return 128 + len(e.nick) + len(e.text) }

const (
	maxText      = safetext.MaxLine // of a message, in bytes
	maxTextLines = 50
)

// Show adds a message to its room.
func (u *UI) Show(m Message) {
	e := entry{time: now(m.Time), nick: flat(safetext.Line(m.Nick)), kind: m.Kind, text: cleanText(m.Text), colour: colour(m.Nick)}

	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.rooms[u.current]
	if m.Room != "" {
		r = u.open(m.Room)
	}
	own := e.nick != "" && safetext.Fold(e.nick) == safetext.Fold(u.status.Nick)
	counts := !own && (e.kind == Said || e.kind == Action || e.kind == Private || e.kind == Warning)
	e.mention = counts && e.nick != "" && mentions(e.text, u.status.Nick)
	private := e.kind == Private || r.alone()
	if r.alone() && e.kind == Private {
		e.kind = Said // as all is there
	}
	r.add(e)
	if counts && !u.seen(r) {
		if r.unread == 0 {
			r.mark = r.end() - 1
		}
		r.unread++
		r.called = r.called || e.mention || private
	}
	u.redraw()
}

// seen says whether the user sees what comes to the end of r. u.mu is held.
func (u *UI) seen(r *room) bool {
	return u.focused && r == u.rooms[u.current] && r.scroll == nil
}

// cleanText makes a message's text harmless, line by line, and bounds it.
func cleanText(s string) string {
	var b strings.Builder
	n := 0
	for line := range strings.SplitSeq(strings.TrimRight(s, "\r\n"), "\n") {
		line = flat(safetext.Line(strings.TrimSuffix(line, "\r")))
		if n == maxTextLines || n > 0 && b.Len()+len(line) > maxText {
			b.WriteString("\n…")
			break
		}
		if n > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
		n++
	}
	return b.String()
}

// flat takes out what joins several characters to one picture. Terminals do
// not agree on how wide such a picture is, and a row that is wider than was
// thought spoils the one below.
func flat(s string) string {
	return strings.Map(func(r rune) rune {
		const firstTone, lastTone = '\U0001f3fb', '\U0001f3ff' // of skin
		if !unicode.IsPrint(r) || unicode.Is(unicode.Variation_Selector, r) || r >= firstTone && r <= lastTone {
			return -1
		}
		return r
	}, s)
}

// mentions says whether text has nick as a word of its own.
func mentions(text, nick string) bool {
	nick = safetext.Fold(nick)
	if nick == "" {
		return false
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(",:;!?()<>\"'@", r)
	}) {
		// A sentence's full stop may be a part of a nick, too.
		if f := safetext.Fold(word); f == nick || strings.TrimRight(f, ".") == nick {
			return true
		}
	}
	return false
}

// colour gives a nick its colour, in whatever way it is written.
func colour(nick string) int {
	h := fnv.New32a()
	h.Write([]byte(safetext.Fold(nick)))
	return int(h.Sum32() % uint32(len(nickColours)))
}

// SPDX-License-Identifier: Apache-2.0

// Package tui is the chat as a person sees it in a terminal: a line to type
// in, rooms to read in, and nothing of the one in the other.
//
// A [UI] has two sides. Towards the program it is a few calls that any
// goroutine makes and that return at once: [UI.Show] a message, tell who is
// in a room, how far a file has come. What the user types comes out of
// [UI.Lines]; the UI takes nothing of it for itself but keys, so that what a
// command means is the program's business alone. Towards the terminal it is
// the loop of [UI.Run].
//
// Both sides meet in the state behind UI.mu: a call changes it and asks for a
// new picture, the loop draws when it comes to it. So a flood of messages
// costs what it takes to keep them, not what it takes to draw each, and
// memory is bounded by how many are kept.
//
// All text is taken to be hostile and goes through package safetext.
package tui

import (
	"io"
	"os"
	"sync"
	"time"
)

// Options are what a UI begins with.
type Options struct {
	// Nick is the user's own, until a SetStatus says otherwise.
	Nick string
	// Commands are what the program understands, for completion by Tab and
	// the hint that shows how they are used.
	Commands []Command

	// In and Out are the terminal; nil is standard input and output.
	In  io.Reader
	Out io.Writer
	// Env is the environment, as os.Environ gives it; nil is the process's
	// own. TERM, COLORTERM and NO_COLOR say what the terminal shows.
	Env []string
}

// Command is something that begins with a slash.
type Command struct {
	Name  string // without the slash: "msg"
	Usage string // its arguments: "NICK TEXT"
	Help  string // what it does, in a few words
	// Complete returns what may stand for word, the beginning of an argument.
	// It is called while the user waits. Nil completes nicks and rooms, and
	// the first argument as a file where Usage begins with FILE.
	Complete func(word string) []string
}

// Line is what the user typed, up to Enter. It is never empty.
type Line struct {
	Room string // where it was typed: as it was given to Open or Show
	Text string // not made harmless: it is the user's own
}

// UI is a terminal interface. All its methods may be called from any
// goroutine, before Run, during it and after; only Run itself may be called
// but once.
type UI struct {
	opts  Options
	lines chan Line
	dirty chan struct{} // holds one wish for a new picture
	done  chan struct{} // closed when Run returns

	mu        sync.Mutex
	focused   bool    // the user is looking, as far as the terminal says
	rooms     []*room // in the order that they were opened; never empty
	current   int     // the one that is shown
	status    Status
	transfers []*transfer
	questions []*question // the first is shown
	closed    bool        // Run has returned
}

// pendingLines is how many lines may wait for the program to take them. When
// it is not enough, Enter leaves the line where it is, to be tried again.
const pendingLines = 64

// New returns a UI with one room, which has no name: what the program itself
// has to say goes there until a room is opened.
func New(o Options) *UI {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	return &UI{
		opts:    o,
		lines:   make(chan Line, pendingLines),
		dirty:   make(chan struct{}, 1),
		done:    make(chan struct{}),
		focused: true,
		rooms:   []*room{newRoom("")},
		status:  Status{Nick: o.Nick},
	}
}

// Lines returns the channel that what was typed comes from. It is closed when
// Run returns.
func (u *UI) Lines() <-chan Line { return u.lines }

// redraw asks for a new picture.
func (u *UI) redraw() {
	select {
	case u.dirty <- struct{}{}:
	default: // there will be one anyway
	}
}

// now is the time of what carries none.
func now(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}

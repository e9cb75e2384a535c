// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/transfer"
	"vcrypto/internal/chat/tui"
)

// Terminal is a console for a person.
type Terminal struct {
	ui     *tui.UI
	driver string // what serves our AES

	mu     sync.Mutex
	status tui.Status
	files  Files
	ctx    context.Context
}

// Files takes files that are on offer, or does not.
type Files interface {
	Accept(number int) error
	Decline(number int) error
}

// NewTerminal makes one for standard input and output. about says where AES
// runs.
func NewTerminal[C any](nick, about string, all []Command[C]) *Terminal {
	var commands []tui.Command
	for _, k := range all {
		commands = append(commands, tui.Command{Name: k.Name, Usage: k.Usage, Help: k.Help})
	}
	return &Terminal{ui: tui.New(tui.Options{Nick: nick, Commands: commands}), driver: about, status: tui.Status{Nick: nick, State: "connecting"}}
}

// update changes the status line.
func (t *Terminal) update(f func(*tui.Status)) {
	t.mu.Lock()
	f(&t.status)
	s := t.status
	t.mu.Unlock()
	t.ui.SetStatus(s)
}

// Nobody is the state in which there is no peer.
const Nobody = "nobody is here"

// State says how far the connection is, until an event does.
func (t *Terminal) State(s string) { t.update(func(status *tui.Status) { status.State = s }) }

// Show shows an event.
func (t *Terminal) Show(e member.Event) {
	m := tui.Message{Time: e.Time, Room: e.Room, Nick: e.Nick, Kind: tui.Notice}
	m.Text, _ = Text(&e)
	if e.Own && (e.Type == room.Said || e.Type == room.Acted) {
		m.Nick = e.Nick
	}
	switch e.Type {
	case room.Said:
		m.Kind, m.Text = tui.Said, e.Text
	case room.Acted:
		m.Kind, m.Text = tui.Action, e.Text
	case room.Told, room.ToldAct:
		m.Room, m.Kind, m.Text = member.Alone(e.Person), tui.Private, e.Text
		if e.Type == room.ToldAct {
			m.Kind = tui.Action
		}
		if e.Own {
			m.Nick = t.nick()
		}
		t.ui.Meet(m.Room, e.Nick, e.Person.String())
	case room.Topic:
		t.ui.SetTopic(e.Room, e.Text)
	case room.Renamed:
		if e.Own {
			t.update(func(s *tui.Status) { s.Nick = e.Nick })
		} else if e.Room == "" {
			t.update(func(s *tui.Status) { s.State = "with " + e.Nick })
		} else {
			t.ui.Rename(member.Alone(e.Person), e.Nick)
		}
	case room.Taken:
		t.update(func(s *tui.Status) { s.Nick = e.Nick })
	case room.Warning:
		m.Kind, m.Text = tui.Warning, e.Text
	case member.Info, member.Rooms:
		m.Kind = tui.Info
	case member.Connected:
		t.update(func(s *tui.Status) {
			if s.State = "connected"; e.Suite != "" { // a conversation of two
				s.Driver, s.Fingerprint = e.Suite, e.Fingerprint
				if t.driver != "" {
					s.Driver += " on " + t.driver
				}
			}
		})
		m.Kind = tui.Info
	case member.Away:
		t.update(func(s *tui.Status) { s.State = "looking for a hub" })
		m.Kind = tui.Warning
	case room.Came:
		if e.Room == "" {
			t.update(func(s *tui.Status) { s.State = "with " + e.Nick })
		}
	case room.Went:
		if e.Room == "" {
			t.update(func(s *tui.Status) { s.State, s.Driver, s.Fingerprint = Nobody, t.driver, "" })
		}
	case member.Entered:
		t.ui.Open(e.Room)
		t.update(func(s *tui.Status) { s.Nick, s.Fingerprint = e.Nick, e.Fingerprint })
	case member.Parted:
		t.ui.Close(e.Room)
		m.Room = ""
	case member.Members:
		t.ui.SetMembers(e.Room, e.Names)
		if e.Text != "" {
			t.update(func(s *tui.Status) { s.Driver = e.Text + " on " + t.driver })
		}
		return
	case member.Progress:
		id := fmt.Sprint(e.Offer, e.Own)
		t.ui.Progress(id, e.File, e.Done, e.Size)
		if e.Own && e.Done >= e.Size {
			t.ui.EndProgress(id)
		}
		return
	case member.File:
		t.ui.EndProgress(fmt.Sprint(e.Offer, e.Own))
	case room.Offered:
		if !e.Own {
			go t.ask(e)
		}
	case room.Sent:
		return
	}
	if m.Text != "" {
		t.ui.Show(m)
	}
}

func (t *Terminal) nick() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status.Nick
}

// ask asks whether a file is wanted. /accept and /decline answer, too.
func (t *Terminal) ask(e member.Event) {
	t.mu.Lock()
	ctx, files := t.ctx, t.files
	t.mu.Unlock()
	from := e.Nick
	if e.Room != "" { // others of that nick may be elsewhere
		from += " in " + e.Room
	}
	yes, err := t.ui.Ask(ctx, fmt.Sprintf("Take %s (%s) from %s?", FileName(e.File), Size(e.Size), from))
	if err != nil {
		return // the message in the room says how to answer later
	}
	if yes {
		err = files.Accept(e.Offer)
	} else {
		err = files.Decline(e.Offer)
	}
	if err != nil {
		t.ui.Show(tui.Message{Room: e.Room, Kind: tui.Info, Text: err.Error()})
	}
}

// FileName is how a file will be called.
func FileName(s string) string { return transfer.FileName(s) }

// Attach tells who takes files, before anything is shown.
func (t *Terminal) Attach(ctx context.Context, f Files) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx, t.files = ctx, f
}

// Run shows the terminal until the user leaves, or ctx is done.
func (t *Terminal) Run(ctx context.Context, c Talker) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- t.ui.Run(ctx) }()
	for line := range t.ui.Lines() {
		err := c.Type(ctx, line.Room, line.Text)
		if errors.Is(err, ErrQuit) {
			break
		}
		if err != nil {
			t.ui.Show(tui.Message{Kind: tui.Info, Text: err.Error()})
		}
	}
	cancel()
	err := <-done
	return errors.Join(err, c.Quit(ctx, personPatience))
}

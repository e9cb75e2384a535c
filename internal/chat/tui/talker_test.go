// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

// The tests in a real terminal run this test binary in it as a chat without a
// network: it obeys the test over a socket, and tells it what was typed.

// talkerSocket is the variable that makes a talker of the binary.
const talkerSocket = "VCRYPTO_TUI_TALKER"

func TestMain(m *testing.M) {
	if path := os.Getenv(talkerSocket); path != "" {
		if err := talk(path); err != nil {
			fmt.Fprintln(os.Stderr, "talker:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// order is a call for the talker to make, a line of JSON.
type order struct {
	Do          string // the method's name, or Flood, which is many Shows
	Message     Message
	Status      Status
	Room, Text  string
	Nicks       []string
	Done, Total int64
}

// report is what the talker tells: a line that was typed, or that an order was
// obeyed.
type report struct {
	Line  Line
	Event string // not a line
}

var testCommands = []Command{
	{Name: "join", Usage: "#ROOM", Help: "go to a room"},
	{Name: "me", Usage: "TEXT", Help: "say what you do"},
	{Name: "msg", Usage: "NICK TEXT", Help: "talk with one alone"},
	{Name: "send", Usage: "FILE", Help: "send a file", Complete: func(word string) []string { return []string{"docs/", "notes.txt"} }},
	{Name: "quit", Help: "leave"},
}

func talk(path string) error {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	defer conn.Close()
	var mu sync.Mutex
	tell := func(r report) {
		mu.Lock()
		defer mu.Unlock()
		json.NewEncoder(conn).Encode(r) // the test misses it if it fails
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var asked sync.WaitGroup
	u := New(Options{Nick: "ann", Commands: testCommands})
	go func() {
		defer stop() // the test has gone
		for in := bufio.NewScanner(conn); in.Scan(); {
			var o order
			if err := json.Unmarshal(in.Bytes(), &o); err != nil {
				tell(report{Event: err.Error()})
				return
			}
			o.obey(ctx, u, &asked, tell)
			tell(report{Event: "done"})
		}
	}()
	var typed sync.WaitGroup
	typed.Go(func() {
		for l := range u.Lines() {
			tell(report{Line: l})
			if l.Text == "/quit" {
				stop()
				continue
			}
			u.Show(Message{Room: l.Room, Nick: "ann", Text: l.Text})
		}
	})
	err = u.Run(ctx)
	typed.Wait()
	asked.Wait()
	tell(report{Event: "left"})
	return err
}

func (o order) obey(ctx context.Context, u *UI, asked *sync.WaitGroup, tell func(report)) {
	switch o.Do {
	case "Show":
		u.Show(o.Message)
	case "Flood":
		for i := range o.Total {
			m := o.Message
			m.Text = fmt.Sprintf("%s %d.", m.Text, i+1)
			u.Show(m)
		}
	case "SetStatus":
		u.SetStatus(o.Status)
	case "Open":
		u.Open(o.Room)
	case "Close":
		u.Close(o.Room)
	case "SetMembers":
		u.SetMembers(o.Room, o.Nicks)
	case "SetTopic":
		u.SetTopic(o.Room, o.Text)
	case "Progress":
		u.Progress(o.Text, o.Text, o.Done, o.Total)
	case "EndProgress":
		u.EndProgress(o.Text)
	case "Ask":
		asked.Go(func() {
			yes, err := u.Ask(ctx, o.Text)
			tell(report{Event: fmt.Sprintf("answer %v %v", yes, err)})
		})
	default:
		tell(report{Event: "no order " + o.Do})
	}
}

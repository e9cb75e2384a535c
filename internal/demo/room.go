// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

const demoRoom = "#demo"

// roomLines is what the members of the room say, by who they are.
var roomLines = map[string][]string{
	"host":  {"Host here. I carry the hub, and cannot read it there.", "Who computes your ciphers?"},
	"alpha": {"Alpha here, through my own device.", "Mine. It is a /dev/crypto."},
	"beta":  {"Beta here, through another one.", "Mine, too. The keys never leave our rooms."},
}

// room brings members on the host and in both VMs together.
func (s *stage) room(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*chatPatience)
	defer cancel()
	port, err := freePort()
	if err != nil {
		return err
	}
	hub, err := s.onHost(ctx, "hub", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	defer func() {
		cancel() // ends it
		hub.wait()
	}()
	if err := hub.ready(ctx); err != nil {
		return err
	}
	ok("host$ vchat %s", strings.Join(hub.args, " "))

	join := func(e *end, err error) (*member, error) {
		if err != nil {
			return nil, err
		}
		m := &member{end: e, heard: new(log)}
		go io.Copy(m.heard, e.out) // until the program ends
		return m, m.notes.awaitText(ctx, "you are in "+demoRoom, m.name)
	}
	var members []*member
	for _, start := range []func() (*end, error){
		func() (*end, error) {
			return s.onHost(ctx, "join", "--psk-file", s.key, "--crypto", "gocrypto", "--nick", "host", "127.0.0.1:"+port, demoRoom)
		},
		func() (*end, error) {
			return s.a.onGuest(ctx, "join", "--psk-file", "/root/key", "--crypto", "/dev/crypto", "--nick", "alpha", hostAddr+":"+port, demoRoom)
		},
		func() (*end, error) {
			return s.b.onGuest(ctx, "join", "--psk-file", "/root/key", "--crypto", "/dev/crypto", "--nick", "beta", hostAddr+":"+port, demoRoom)
		},
	} {
		m, err := join(start())
		if err != nil {
			return err
		}
		ok("%s$ vchat %s", m.name, strings.Join(m.args, " "))
		members = append(members, m)
	}
	if err := meet(ctx, members); err != nil {
		return err
	}
	if err := talk(ctx, members); err != nil {
		return err
	}
	for _, m := range members[1:] {
		if err := usesDevice(m.end); err != nil {
			return err
		}
	}
	var said dialogue
	for _, lines := range roomLines {
		said.listener = append(said.listener, lines...)
	}
	said.caller = []string{"alpha", "beta", demoRoom}
	for _, capture := range []string{"host", "host-beta"} {
		if err := s.wire(capture, port, said, false); err != nil {
			return err
		}
	}
	return nil
}

// member is an end in a room.
type member struct {
	*end
	heard *log
}

// meet waits until all know of each other.
func meet(ctx context.Context, members []*member) error {
	for _, m := range members {
		for _, other := range members {
			if m == other {
				continue
			}
			if err := m.notes.awaitText(ctx, other.name+" has come", m.name); err != nil {
				return err
			}
		}
	}
	ok("all three know of each other")
	return nil
}

// talk has all members talk at once, checks that each heard the others, and
// ends it.
func talk(ctx context.Context, members []*member) error {
	var talking sync.WaitGroup
	for _, m := range members {
		talking.Go(func() {
			for _, line := range roomLines[m.name] {
				fmt.Fprintln(m.in, line) // if it fails the others hear nothing
			}
		})
	}
	talking.Wait()
	for _, m := range members {
		for _, other := range members {
			if m == other {
				continue
			}
			for _, line := range roomLines[other.name] {
				if err := m.heard.awaitText(ctx, fmt.Sprintf("%s <%s> %s\n", demoRoom, other.name, line), m.name); err != nil {
					return err
				}
			}
		}
	}
	show(members[0].heard.text())
	ok("everyone heard what the others said")
	for _, m := range members {
		if err := m.in.Close(); err != nil {
			return err
		}
		if err := m.wait(); err != nil {
			return fmt.Errorf("%s: vchat: %w\n%s", m.name, err, m.notes.text())
		}
		if warning := regexp.MustCompile(`(?m)^\S+ ! .*$`).FindString(m.notes.text()); warning != "" {
			return fmt.Errorf("%s was warned: %s", m.name, warning)
		}
	}
	return nil
}

// awaitText waits until a log contains text.
func (l *log) awaitText(ctx context.Context, text, who string) error {
	for !strings.Contains(l.text(), text) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: no %q: %w\n%s", who, text, context.Cause(ctx), l.text())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

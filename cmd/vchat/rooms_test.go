// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// startHub starts a hub and returns its address.
func startHub(t *testing.T, args ...string) (*process, string) {
	t.Helper()
	p := start(t, nil, append([]string{"hub", "127.0.0.1:0"}, args...)...)
	p.says("listening on")
	return p, listeningOn.FindStringSubmatch(p.stderr.String())[1]
}

// TestRoomOfPrograms: scripts talk in a room, with a tap before the hub that
// finds nothing of what they say.
func TestRoomOfPrograms(t *testing.T) {
	key := keyFile(t, testKey)
	hub, addr := startHub(t)
	p := newProxy(t, addr, nil)
	inAnn, annTypes := io.Pipe()
	ann := start(t, inAnn, "join", "--psk-file", key, "--nick", "nick-of-ann", p.addr, "#secret-room")
	ann.says("you are in #secret-room as nick-of-ann")
	bob := start(t, strings.NewReader("attack at dawn\n/msg nobody nine, to be exact\n/me sharpens a pencil\n//shrug\n"),
		"join", "--psk-file", key, "--nick", "nick-of-bob", "--crypto", "gocrypto", "--stay", p.addr, "#secret-room")
	ann.shows("#secret-room <nick-of-bob> attack at dawn\n")
	ann.shows("#secret-room * nick-of-bob sharpens a pencil\n")
	ann.shows("#secret-room <nick-of-bob> /shrug\n")
	ann.says("nick-of-bob has come")
	bob.says("nobody is in no room with you")
	bob.says("nick-of-ann has come")
	io.WriteString(annTypes, "/msg nick-of-bob agreed, quietly\n/topic of the day\n")
	bob.shows("*nick-of-ann* agreed, quietly\n")
	bob.says("nick-of-ann sets the topic: of the day")
	annTypes.Close()
	ann.exits(exitOK)
	bob.says("nick-of-ann has left")
	bob.signal(syscall.SIGTERM)
	bob.exits(exitOK)
	wire := p.up.String() + p.down.String()
	for _, text := range []string{"attack", "dawn", "pencil", "shrug", "agreed", "nick-of", "secret-room", "of the day"} {
		if strings.Contains(wire, text) {
			t.Errorf("%q is on the wire", text)
		}
	}
	if len(wire) < 1000 {
		t.Errorf("%d bytes were on the wire: it was not tapped", len(wire))
	}
	hub.signal(syscall.SIGTERM)
	hub.exits(exitOK)
}

// sayOnce has bob come, say something to ann, and go.
func sayOnce(t *testing.T, text, key, addr string) {
	t.Helper()
	in, types := io.Pipe()
	bob := start(t, in, "join", "--psk-file", key, "--nick", "bob", addr)
	bob.says("ann has come")
	io.WriteString(types, text)
	types.Close()
	bob.exits(exitOK)
}

// TestJSON: each line is an event.
func TestJSON(t *testing.T) {
	key := keyFile(t, testKey)
	_, addr := startHub(t)
	ann := start(t, nil, "join", "--psk-file", key, "--nick", "ann", "--json", "--stay", addr)
	ann.shows(`"type":"entered"`)
	sayOnce(t, "hello \x1b[31m\u202e\n", key, addr)
	ann.shows(`"type":"leave"`)
	ann.signal(syscall.SIGTERM)
	ann.exits(exitOK)
	types := map[string]string{}
	for line := range strings.Lines(ann.stdout.String()) {
		var e struct{ Type, Nick, Text string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		types[e.Type+" "+e.Nick] = e.Text
	}
	if types["message bob"] != "hello \x1b[31m\u202e" {
		t.Errorf("events are %q", types)
	}
	if strings.Contains(ann.stdout.String(), "\x1b") {
		t.Error("an escape character was written")
	}
}

// TestHostileText: what a terminal would take for more than text comes out
// harmless.
func TestHostileText(t *testing.T) {
	key := keyFile(t, testKey)
	_, addr := startHub(t)
	ann := start(t, nil, "join", "--psk-file", key, "--nick", "ann", "--stay", addr)
	ann.says("you are in")
	sayOnce(t, "a\x1b]0;title\x07b\u202ec\xffd\n", key, addr)
	ann.shows("<bob> a")
	for _, bad := range []string{"\x1b", "\x07", "\u202e", "\xff"} {
		if strings.Contains(ann.stdout.String(), bad) {
			t.Errorf("%q was shown", ann.stdout.String())
		}
	}
}

// TestJoinRefused: what cannot be is said, with the status that scripts see.
func TestJoinRefused(t *testing.T) {
	key := keyFile(t, testKey)
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{exitFailed, "connection refused", []string{"join", "--psk-file", key, "127.0.0.1:1"}},
		{exitUsage, "arguments", []string{"join", "--psk-file", key}},
		{exitUsage, "cannot be a name", []string{"join", "--psk-file", key, "127.0.0.1:1", "#\x1b"}},
		{exitUsage, "no pre-shared key", []string{"join", "127.0.0.1:1"}},
		{exitFailed, "no-such", []string{"join", "--psk-file", key, "--crypto", "no-such", "127.0.0.1:1"}},
		{exitFailed, "NATS", []string{"hub", "--nats", "nats://127.0.0.1:1", "127.0.0.1:0"}},
	} {
		p := start(t, nil, c.args...)
		p.exits(c.status)
		p.says(c.says)
	}
	// A listener of two is no hub.
	_, addr := listen(t, nil, "--psk-file", key)
	p := start(t, nil, "join", "--psk-file", key, addr)
	p.exits(exitFailed)
}

// TestDaemonCarriesNoChat: the program that holds other people's keys has
// neither a chat in it, nor its libraries.
func TestDaemonCarriesNoChat(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/vcrypto")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "vcrypto/virtiocrypto") {
		t.Fatalf("go list says %q", out)
	}
	for line := range strings.Lines(string(out)) {
		for _, no := range []string{"internal/chat", "nats-io", "charm.land", "charmbracelet"} {
			if strings.Contains(line, no) {
				t.Errorf("the daemon has %s", strings.TrimSpace(line))
			}
		}
	}
}

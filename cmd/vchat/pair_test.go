// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

var listeningAt = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

// newPair starts two people, of whom one listens.
func newPair(t *testing.T, flags string) (ann, bob *person, addr string) {
	t.Helper()
	ann = newUser(t, "listen --nick ann "+flags+" 127.0.0.1:0")
	addr = listeningAt.FindStringSubmatch(strings.Join(ann.sees("listening on 127.0.0.1:"), "\n"))[1]
	bob = newUser(t, "connect --nick bob "+flags+" "+addr)
	ann.sees("bob has come")
	bob.sees("ann has come")
	return ann, bob, addr
}

func (p *person) enters(text string) {
	p.t.Helper()
	p.types(text)
	p.presses("Enter")
}

var pairFingerprint = regexp.MustCompile(`gocrypto │ (?:fingerprint )?(\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4})`)

// TestTwoPeople: two people talk, each at a real terminal.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	key := keyFile(t, testKey)
	ann, bob, addr := newPair(t, "--crypto gocrypto --psk-file '"+key+"'")
	ann.sees("with bob", "AES-128-GCM on engine gocrypto")

	// What bob says does not get into what ann is typing.
	ann.types("hello, b")
	bob.types("an")
	bob.presses("Tab")
	bob.enters("are you there?")
	ann.sees("bob ┃ ann: are you there?", "> hello, b")
	ann.enters("ob")
	bob.sees("ann ┃ hello, bob")

	// They compare fingerprints: the same at both.
	seen := pairFingerprint.FindStringSubmatch(strings.Join(ann.sees("gocrypto │"), "\n"))
	if seen == nil {
		t.Fatal("ann sees no fingerprint")
	}
	bob.enters("/fingerprint")
	bob.sees("fingerprint: " + seen[1])

	ann.enters("/me waves")
	bob.sees("* │ ann waves")
	ann.enters("/nick annie")
	bob.sees("ann is now annie", "with annie")
	ann.enters("//help")
	bob.sees("annie │ /help")
	ann.enters("/nonsense")
	ann.sees("no command /nonsense")
	ann.enters("/help")
	ann.sees("/fingerprint: ", "/quit")

	// Who comes meanwhile is told that ann is busy; bob is not disturbed.
	start(t, nil, "connect", addr, "--psk-file", key).exits(exitBusy)

	bob.enters("/quit")
	bob.sees("left with 0")
	ann.sees("bob has left", "nobody is here")
	ann.enters("anybody?")
	ann.sees("nobody is connected: that went nowhere")

	// Who comes next is hostile, and called as ann is.
	start(t, strings.NewReader("clear \x1b[2J\x1b]0;owned\x07\u202e\xff\n"),
		"connect", "--psk-file", key, "--nick", "annie", addr).exits(exitOK)
	ann.sees(`annie~ │ clear \x1b[2J\x1b]0;owned\a\u202e`, "annie~ has left")
	ann.presses("C-d")
	ann.sees("left with 0")
}

// TestReconnect: whoever connected does so again when the connection is cut.
func TestReconnect(t *testing.T) {
	t.Parallel()
	key := keyFile(t, testKey)
	ann := newUser(t, "listen --nick ann --crypto gocrypto --psk-file '"+key+"' 127.0.0.1:0")
	addr := listeningAt.FindStringSubmatch(strings.Join(ann.sees("listening on 127.0.0.1:"), "\n"))[1]
	p := newProxy(t, addr, func(up bool, _ int, b []byte) ([]byte, bool) {
		return b, up || len(b) < 1000
	})
	bob := newUser(t, "connect --nick bob --crypto gocrypto --psk-file '"+key+"' "+p.addr)
	ann.sees("bob has come")
	ann.enters(strings.Repeat("a long line ", 100)) // the proxy cuts it
	bob.sees("trying again")
	ann.sees("bob has left")
	bob.enters("/nick bobby") // while nobody is there, or just when ann is again
	ann.sees("with bobby")
	ann.enters("welcome back")
	bob.sees("ann │ welcome back")
	bob.presses("C-d")
	ann.sees("bobby has left")
	ann.presses("C-d")
	ann.sees("left with 0")
}

// TestPlainPeople: the interface talks to whatever sends lines.
func TestPlainPeople(t *testing.T) {
	t.Parallel()
	ann := newUser(t, "listen --plain --nick ann 127.0.0.1:0")
	addr := listeningAt.FindStringSubmatch(strings.Join(ann.sees("listening on 127.0.0.1:", "no encryption"), "\n"))[1]
	in, say := io.Pipe()
	peer := start(t, in, "connect", "--plain", addr)
	io.WriteString(say, "as it is\n")
	ann.sees("peer │ as it is")
	ann.enters("/me waves")
	ann.sees("no place for that")
	ann.enters("hello")
	peer.shows("hello\n")
	say.Close()
	ann.sees("peer has left")
	peer.exits(exitOK)
	ann.presses("C-d")
	ann.sees("left with 0")
}

// TestPairJSON: programs get events, and type as people do.
func TestPairJSON(t *testing.T) {
	t.Parallel()
	key := keyFile(t, testKey)
	in, say := io.Pipe()
	l := start(t, in, "listen", "127.0.0.1:0", "--psk-file", key, "--nick", "ann", "--json", "--wait=-1s")
	l.shows("listening on")
	addr := listeningAt.FindStringSubmatch(l.stdout.String())[1]
	c := start(t, strings.NewReader("one\n/me counts\n/nick robert\nthree\n"), "connect", addr, "--psk-file", key, "--nick", "bob", "--json")
	l.shows("three")
	io.WriteString(say, "/fingerprint\nfour\n")
	c.shows(`"four"`)
	say.Close()
	c.exits(exitOK)
	l.shows(`"leave"`)

	type event struct{ Type, Nick, Old, Text, Suite, Fingerprint string }
	read := func(p *process) (all []string, connected event) {
		for line := range strings.Lines(p.stdout.String()) {
			var e event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			switch e.Type {
			case "connected":
				connected = e
			case "message", "action", "nick", "join", "leave":
				all = append(all, fmt.Sprintf("%s %s %s%s", e.Type, e.Nick, e.Old, e.Text))
			}
		}
		return all, connected
	}
	got, a := read(l)
	want := []string{"join bob ", "message bob one", "action bob counts", "nick robert bob", "message robert three", "message ann four", "leave robert "}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the listener had %q, expected %q", got, want)
	}
	_, b := read(c)
	if a.Fingerprint == "" || a.Fingerprint != b.Fingerprint || a.Suite != "AES-128-GCM" {
		t.Errorf("%+v and %+v", a, b)
	}
	l.shows("fingerprint: " + a.Fingerprint)
}

// TestFiles: a file there and one back, each asked about; the connection is
// cut in the middle of both, and they go on where they were.
func TestFiles(t *testing.T) {
	t.Parallel()
	key := keyFile(t, testKey)
	flags := "--crypto gocrypto --psk-file '" + key + "'"
	ann := newUser(t, "listen --nick ann "+flags+" 127.0.0.1:0")
	addr := listeningAt.FindStringSubmatch(strings.Join(ann.sees("listening on 127.0.0.1:"), "\n"))[1]
	const size = 4 << 20
	var passed [2]atomic.Int64
	var cuts [2]atomic.Int64
	p := newProxy(t, addr, func(up bool, _ int, b []byte) ([]byte, bool) {
		way := 0
		if up {
			way = 1
		}
		if passed[way].Add(int64(len(b))) > size/2 && cuts[way].Add(1) == 1 {
			return b[:len(b)/2], false
		}
		return b, true
	})
	bob := newUser(t, "connect --nick bob "+flags+" "+p.addr)
	ann.sees("bob has come")
	for _, way := range []struct {
		from, to *person
		name     string
	}{{ann, bob, "../from ann.bin"}, {bob, ann, "from-bob.bin"}} {
		content := binary(size + 17)
		name := filepath.Base(way.name)
		if err := os.WriteFile(filepath.Join(way.from.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(way.to.dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		way.to.types("y") // is no answer
		way.from.enters("/send " + name)
		way.to.sees("[Alt-Y: yes, Alt-N: no] Take "+name, "> y")
		way.to.presses("M-y", "C-c")
		want := strings.TrimSuffix(name, ".bin") + "-1.bin"
		if _, err := way.to.tty.Await("the file", func([]string) bool {
			b, err := os.ReadFile(filepath.Join(way.to.dir, want))
			return err == nil && bytes.Equal(b, content)
		}); err != nil {
			t.Fatal(err)
		}
		way.to.sees("its SHA-256 is right")
		bob.sees("trying again")
	}
	// What had come was not sent again.
	for way := range passed {
		if cuts[way].Load() == 0 {
			t.Error("the connection was not cut: nothing was tested")
		}
		if n := passed[way].Load(); n > size*5/4 {
			t.Errorf("%d bytes passed for a file of %d", n, size)
		}
	}
	ann.enters("/send from-bob.bin") // the old one there, and declined
	bob.sees("Take from-bob.bin (4 bytes)")
	bob.presses("M-n")
	ann.sees("from-bob.bin", "declined")
	bob.presses("C-d")
	ann.sees("bob has left")
	ann.presses("C-d")
	ann.sees("left with 0")
}

// TestFilesJSON: a program sends a file to another.
func TestFilesJSON(t *testing.T) {
	t.Parallel()
	key := keyFile(t, testKey)
	folder := t.TempDir()
	path := filepath.Join(t.TempDir(), "a file")
	content := binary(100_000)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	inL, sayL := io.Pipe()
	l := start(t, inL, "listen", "127.0.0.1:0", "--psk-file", key, "--json", "--files", folder)
	l.shows("listening on")
	addr := listeningAt.FindStringSubmatch(l.stdout.String())[1]
	inC, sayC := io.Pipe()
	c := start(t, inC, "connect", addr, "--psk-file", key, "--json")
	c.shows(`"connected"`)
	io.WriteString(sayC, "/send "+path+"\n")
	l.shows(`"offer":1`)
	io.WriteString(sayL, "/accept 1\n")
	l.shows(`"saved"`)
	if got, err := os.ReadFile(filepath.Join(folder, "a file")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes came, %v", len(got), err)
	}
	c.shows("all of it has gone")
	io.WriteString(sayC, "/quit\n")
	c.exits(exitOK)
	l.shows(`"leave"`)
	sayL.Close()
	sayC.Close()
}

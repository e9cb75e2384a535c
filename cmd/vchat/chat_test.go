// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary returns n random bytes that begin with all 256 values.
func binary(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	for i := range min(n, 256) {
		b[i] = byte(i)
	}
	return b
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if sha256.Sum256(got) != sha256.Sum256(want) {
		t.Errorf("%s: %d bytes came, %d were sent, and they differ", what, len(got), len(want))
	}
}

// modes are the flags of both ends, encrypted and plain.
func modes(t *testing.T) map[string][]string {
	return map[string][]string{
		"encrypted": {"--psk-file", keyFile(t, testKey)},
		"plain":     {"--plain"},
	}
}

// TestBothWays: several MiB in both directions at once come out the same.
func TestBothWays(t *testing.T) {
	for mode, flags := range modes(t) {
		t.Run(mode, func(t *testing.T) {
			a, b := binary(8<<20), binary(5<<20+1)
			l, addr := listen(t, bytes.NewReader(a), append(flags, "--once")...)
			c := start(t, bytes.NewReader(b), append([]string{"connect", addr}, flags...)...)
			c.exits(exitOK)
			l.exits(exitOK)
			same(t, "to the connecting end", c.stdout.Bytes(), a)
			same(t, "to the listener", l.stdout.Bytes(), b)
		})
	}
}

// TestLines: what is typed comes at once, not at the end of the input; lines
// of any length, of any bytes.
func TestLines(t *testing.T) {
	for mode, flags := range modes(t) {
		t.Run(mode, func(t *testing.T) {
			inL, sayL := io.Pipe()
			inC, sayC := io.Pipe()
			l, addr := listen(t, inL, append(flags, "--once", "--wait=-1s")...)
			c := start(t, inC, append([]string{"connect", addr}, flags...)...)
			var toL, toC string
			for i, line := range []string{"hello\n", "\n", "a\x00b\xff\x80\r\n", strings.Repeat("long ", 100_000) + "\n", "no line feed"} {
				io.WriteString(sayC, line)
				toL += line
				l.shows(toL)
				line = fmt.Sprintf("%d %s", i, line)
				io.WriteString(sayL, line)
				toC += line
				c.shows(toC)
			}
			sayC.Close()
			l.says("has ended its side")
			io.WriteString(sayL, "after the peer's end")
			c.shows(toC + "after the peer's end")
			sayL.Close()
			c.exits(exitOK)
			l.exits(exitOK)
			same(t, "to the listener", l.stdout.Bytes(), []byte(toL))
		})
	}
}

// TestWire: a capture shows every plaintext of the plain mode, and nothing of
// the encrypted one, nicks included.
func TestWire(t *testing.T) {
	for mode, flags := range modes(t) {
		t.Run(mode, func(t *testing.T) {
			const fromL, fromC = "the listener's secret: 4711", "the caller's secret: 0815"
			l, addr := listen(t, strings.NewReader(fromL), append(flags, "--once", "--nick", "nick-of-ann")...)
			p := newProxy(t, addr, nil)
			c := start(t, strings.NewReader(fromC), append([]string{"connect", p.addr, "--nick", "nick-of-bob"}, flags...)...)
			c.exits(exitOK)
			l.exits(exitOK)
			if c.stdout.String() != fromL || l.stdout.String() != fromC {
				t.Errorf("%q and %q came", c.stdout.String(), l.stdout.String())
			}
			wire := p.up.String() + p.down.String()
			for _, text := range []string{fromL, fromC, "secret", "nick-of"} {
				seen, want := strings.Contains(wire, text), mode == "plain" && text != "nick-of"
				if seen != want {
					t.Errorf("%q on the wire: %v", text, seen)
				}
			}
			if mode == "encrypted" {
				l.says("is nick-of-bob")
				c.says("is nick-of-ann")
			}
		})
	}
}

// Offsets in either direction: hello 92 bytes; proof 32 up, verdict 33 down.
const firstRecord = hello + 33

const hello = 92

// TestChanged: bytes that are changed on the way are noticed, wherever they
// are, and nothing of them is shown.
func TestChanged(t *testing.T) {
	key := keyFile(t, testKey)
	for name, c := range map[string]struct {
		up     bool
		at     int
		status int // of the connecting end
	}{
		"hello up":    {true, 0, exitUnproved},
		"nonce up":    {true, 20, exitUnproved},
		"proof":       {true, 100, exitUnproved},
		"hello down":  {false, 3, exitUnproved},
		"nonce down":  {false, 30, exitUnproved},
		"verdict":     {false, hello, exitUnproved},
		"record up":   {true, firstRecord + 40, exitBroken},
		"length up":   {true, hello + 32, exitBroken},
		"record down": {false, firstRecord + 40, exitBroken},
	} {
		t.Run(name, func(t *testing.T) {
			l, addr := listen(t, strings.NewReader("from the listener"), "--psk-file", key, "--nick", "")
			p := newProxy(t, addr, flipAt(c.up, c.at))
			e := start(t, held(t, "from the caller"), "connect", p.addr, "--psk-file", key, "--nick", "")
			e.exits(c.status)
			if c.status == exitUnproved || !c.up {
				if e.stdout.String() != "" {
					t.Errorf("the connecting end showed %q", e.stdout.String())
				}
			}
			if c.status == exitUnproved || c.up {
				if l.stdout.String() != "" {
					t.Errorf("the listener showed %q", l.stdout.String())
				}
			}
			if len(strings.TrimSpace(e.stderr.String())) == 0 {
				t.Error("no error was printed")
			}
			// And the listener serves the next.
			start(t, strings.NewReader("next"), "connect", addr, "--psk-file", key).exits(exitOK)
			l.shows("next")
		})
	}
}

// TestCut: a connection that just ends is an error, also between two records.
func TestCut(t *testing.T) {
	key := keyFile(t, testKey)
	const oneBlock = 14 + 16 + 16 // of AES-GCM: header, a block, tag
	for _, at := range []int{firstRecord + 1, firstRecord + oneBlock - 1, firstRecord + oneBlock, firstRecord + oneBlock + 20} {
		l, addr := listen(t, held(t, "from the listener"), "--psk-file", key, "--nick", "ann")
		p := newProxy(t, addr, cutAt(false, at))
		c := start(t, held(t, "from the caller"), "connect", p.addr, "--psk-file", key, "--nick", "bob")
		c.exits(exitBroken)
		if c.stdout.String() != "" {
			t.Errorf("cut after %d bytes: the connecting end showed %q", at, c.stdout.String())
		}
		l.says("waiting for the next peer")
	}
	// The same at the listener, as a script sees it.
	l, addr := listen(t, held(t, ""), "--psk-file", key, "--once")
	p := newProxy(t, addr, cutAt(true, hello+32+oneBlock+oneBlock))
	start(t, strings.NewReader("from the caller"), "connect", p.addr, "--psk-file", key, "--nick", "bob").exits(exitBroken)
	l.exits(exitBroken)
}

// TestStrangers: what is not a peer gets nothing, shows nothing, and does not
// stop the listener.
func TestStrangers(t *testing.T) {
	key := keyFile(t, testKey)
	l, addr := listen(t, strings.NewReader("from the listener"), "--psk-file", key)
	for _, says := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "hello\n", "\x16\x03\x01\x02\x00\x01", "\x89vchat\r\n\x03", "\x89vchat\r\n\x02\x02", string(binary(4096)), ""} {
		s, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(s, says)
		s.(*net.TCPConn).CloseWrite()
		s.SetReadDeadline(time.Now().Add(patience))
		if got, _ := io.ReadAll(s); len(got) != 0 {
			t.Errorf("%.20q was answered with %q", says, got)
		}
		s.Close()
	}
	start(t, strings.NewReader("wrong"), "connect", addr, "--psk-file", keyFile(t, "another key, as long")).exits(exitUnproved)
	start(t, strings.NewReader("plain\n"), "connect", addr, "--plain").status()
	c := start(t, strings.NewReader("right"), "connect", addr, "--psk-file", key)
	c.exits(exitOK)
	if c.stdout.String() != "from the listener" || l.stdout.String() != "right" {
		t.Errorf("%q and %q came", c.stdout.String(), l.stdout.String())
	}
	l.says("it looks like HTTP")
	l.says("it looks like TLS")
	l.says("another version")
	l.says("the pre-shared keys differ")
}

// TestOtherServers: connecting to something else is a clear error at once.
func TestOtherServers(t *testing.T) {
	key := keyFile(t, testKey)
	for name, c := range map[string]struct{ says, want string }{
		"HTTP":             {"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"},
		"SSH":              {"SSH-2.0-x\r\n", "SSH"},
		"plain vchat":      {"hello\n", "--plain"},
		"random":           {"\x00\x01\x02", "does not speak"},
		"closes":           {"", "without a word"},
		"later version":    {"\x89vchat\r\n\x03", "another version"},
		"half a handshake": {"\x89vchat\r\n\x02\x02\x00\x01" + strings.Repeat("n", 80), "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			go func() {
				s, err := server.Accept()
				if err != nil {
					return
				}
				io.WriteString(s, c.says)
				s.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, s)
				s.Close()
			}()
			p := start(t, held(t, "secret"), "connect", server.Addr().String(), "--psk-file", key)
			p.exits(exitUnproved)
			p.says(c.want)
			if p.stdout.String() != "" {
				t.Errorf("it showed %q", p.stdout.String())
			}
		})
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	start(t, nil, "connect", closed.Addr().String(), "--psk-file", key).exits(exitFailed)
}

// TestNextPeer: peers that end, leave, are killed or break off are followed
// by the next.
func TestNextPeer(t *testing.T) {
	for mode, flags := range modes(t) {
		t.Run(mode, func(t *testing.T) {
			connect := func(addr string, in io.Reader) *process {
				return start(t, in, append([]string{"connect", addr}, flags...)...)
			}
			l, addr := listen(t, nil, flags...)
			connect(addr, strings.NewReader("one ")).exits(exitOK)
			l.shows("one ")

			leaves := connect(addr, held(t, "two "))
			l.shows("two ")
			leaves.signal(syscall.SIGINT)
			leaves.exits(exitOK)

			killed := connect(addr, held(t, "three "))
			l.shows("three ")
			killed.signal(syscall.SIGKILL)

			for i := range 10 { // one right after the other
				connect(addr, strings.NewReader(fmt.Sprint(i))).exits(exitOK)
			}
			l.shows("one two three 0123456789")
			l.signal(syscall.SIGTERM)
			l.exits(exitOK)
			if mode == "encrypted" {
				l.says("the peer left before")
				l.says("the connection ended before the peer said so")
			}
		})
	}
}

func TestBusy(t *testing.T) {
	key := keyFile(t, testKey)
	l, addr := listen(t, held(t, ""), "--psk-file", key)
	first := start(t, held(t, "first"), "connect", addr, "--psk-file", key)
	l.shows("first")
	second := start(t, held(t, "second"), "connect", addr, "--psk-file", key)
	second.exits(exitBusy)
	second.says("busy")
	start(t, held(t, "x"), "connect", addr, "--psk-file", keyFile(t, "another key, as long")).exits(exitUnproved)
	first.signal(syscall.SIGINT)
	first.exits(exitOK)
	if l.stdout.String() != "first" {
		t.Errorf("the listener showed %q", l.stdout.String())
	}
}

// TestListenerLeaves: a listener that is told to end says so to its peer, who
// knows that not everything was said.
func TestListenerLeaves(t *testing.T) {
	key := keyFile(t, testKey)
	l, addr := listen(t, held(t, ""), "--psk-file", key)
	c := start(t, held(t, "hello"), "connect", addr, "--psk-file", key)
	l.shows("hello")
	l.signal(syscall.SIGTERM)
	l.exits(exitOK)
	c.exits(exitBroken)
	c.says("the peer left")
}

// TestNetcat: plain mode and a bare TCP connection, as nc is one, with half
// closes in both orders.
func TestNetcat(t *testing.T) {
	toNC, fromNC := binary(100_000), binary(70_000)
	l, addr := listen(t, bytes.NewReader(toNC), "--plain")
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(nc) // to the listener's end, while ours is open
	if err != nil {
		t.Fatal(err)
	}
	same(t, "to nc", got, toNC)
	nc.Write(fromNC)
	nc.(*net.TCPConn).CloseWrite()
	l.says("left")
	same(t, "from nc", l.stdout.Bytes(), fromNC)

	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := start(t, bytes.NewReader(fromNC), "connect", "--plain", server.Addr().String())
	s, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetDeadline(time.Now().Add(patience))
	got, err = io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "to nc -l", got, fromNC)
	s.Write(toNC)
	s.Close()
	c.exits(exitOK)
	same(t, "from nc -l", c.stdout.Bytes(), toNC)
}

func TestIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skipf("no IPv6 here: %v", err)
	} else {
		l.Close()
	}
	key := keyFile(t, testKey)
	l := start(t, nil, "listen", "[::1]:0", "--psk-file", key, "--once")
	l.says("listening on")
	addr := listeningOn.FindStringSubmatch(l.stderr.String())[1]
	start(t, strings.NewReader("six"), "connect", addr, "--psk-file", key).exits(exitOK)
	l.exits(exitOK)
	if l.stdout.String() != "six" {
		t.Errorf("%q came", l.stdout.String())
	}
}

// TestOutputCloses: whoever reads our output goes away.
func TestOutputCloses(t *testing.T) {
	key := keyFile(t, testKey)
	l, addr := listen(t, bytes.NewReader(binary(1<<20)), "--psk-file", key, "--once")
	c := startHead(t, "connect", addr, "--psk-file", key)
	c.exits(exitFailed)
	c.says("broken pipe")
	l.exits(exitBroken)
}

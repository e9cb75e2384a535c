// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/chat/suite"
)

func TestWrongKey(t *testing.T) {
	a, b := tcpPair(t)
	wa, wb := &capture{Conn: a}, &capture{Conn: b}
	ca, cb := configs()
	cb.PSK = []byte("0123456789abcdef0123456789abcdeg")
	cb.Admit = func() bool { t.Error("a peer with the wrong key was admitted"); return true }
	_, _, erra, errb := shake(wa, wb, ca, cb)
	if !errors.Is(erra, ErrKey) || !errors.Is(errb, ErrKey) {
		t.Fatalf("errors are %v and %v", erra, errb)
	}
	// The listener gives out nothing that was made with its key.
	refusal := wb.sent.Bytes()[helloSize:]
	if want := append([]byte{byte(verdictKey)}, make([]byte, macSize)...); !bytes.Equal(refusal, want) {
		t.Errorf("the refusal is %x", refusal)
	}
}

func TestBusy(t *testing.T) {
	a, b := tcpPair(t)
	ca, cb := configs()
	cb.Admit = func() bool { return false }
	_, _, erra, errb := shake(a, b, ca, cb)
	if !errors.Is(erra, ErrBusy) || !errors.Is(errb, ErrBusy) {
		t.Fatalf("errors are %v and %v", erra, errb)
	}
}

// TestChangedHandshake: every bit of every handshake message, changed on the
// way in either direction, fails both ends or at least the one that needs it;
// no two ends come out with a connection.
func TestChangedHandshake(t *testing.T) {
	for _, c := range []struct {
		name      string
		initiator bool // whose bytes are changed
		size      int
	}{
		{"initiator", true, helloSize + macSize},
		{"responder", false, helloSize + verdictSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			for at := range c.size {
				a, b := tcpPair(t)
				// A changed message may leave both waiting: that is what the
				// callers' deadlines are for. Here closing does it.
				ca, cb := configs()
				var erra, errb error
				if c.initiator {
					_, _, erra, errb = shake(&flip{capture{Conn: a}, at}, b, ca, cb)
				} else {
					_, _, erra, errb = shake(a, &flip{capture{Conn: b}, at}, ca, cb)
				}
				if erra == nil {
					t.Errorf("byte %d: the initiator noticed nothing (responder: %v)", at, errb)
				}
				if c.initiator && errb == nil {
					t.Errorf("byte %d: the responder noticed nothing (initiator: %v)", at, erra)
				}
				a.Close()
				b.Close()
			}
		})
	}
}

// flip changes byte at of what is written.
type flip struct {
	capture
	at int
}

func (f *flip) Write(b []byte) (int, error) {
	b = bytes.Clone(b)
	if from := f.sent.Len(); f.at >= from && f.at < from+len(b) {
		b[f.at-from] ^= 1
	}
	return f.capture.Write(b)
}

func TestReflectedHandshake(t *testing.T) {
	// The peer sends everything back: an echo server.
	a, b := tcpPair(t)
	go io.Copy(b, b)
	ca, _ := configs()
	if _, err := Handshake(a, ca); !errors.Is(err, ErrNotVchat) {
		t.Errorf("error is %v", err)
	}
}

func TestReplayedHandshake(t *testing.T) {
	// An initiator's messages of an earlier connection, sent again.
	a, b := tcpPair(t)
	wa := &capture{Conn: a}
	ca, cb := configs()
	if _, _, erra, errb := shake(wa, b, ca, cb); erra != nil || errb != nil {
		t.Fatal(erra, errb)
	}
	a, b = tcpPair(t)
	a.Write(wa.sent.Bytes())
	if _, err := Handshake(b, cb); !errors.Is(err, ErrKey) {
		t.Errorf("error is %v", err)
	}
}

func TestOtherPeers(t *testing.T) {
	r, _ := testHello(t, Responder, suite.CBC)
	i, _ := testHello(t, Initiator, suite.CBC)
	version := r.marshal()
	version[helloVersion] = 3
	noSuite, _ := testHello(t, Responder, 0)
	otherSuite, _ := testHello(t, Responder, 1<<3|suite.CBC)
	for name, c := range map[string]struct {
		says  string
		close bool
		want  error
		text  string
	}{
		"HTTP":          {"HTTP/1.1 400 Bad Request\r\n\r\n", false, ErrNotVchat, "HTTP"},
		"SSH":           {"SSH-2.0-OpenSSH_9.2p1\r\n", false, ErrNotVchat, "SSH"},
		"TLS alert":     {"\x15\x03\x01\x00\x02\x02\x16", false, ErrNotVchat, "TLS"},
		"plain vchat":   {"hi\n", false, ErrNotVchat, "--plain"},
		"noise":         {"\x00\xff\x17", false, ErrNotVchat, ""},
		"almost":        {magic[:5] + "x", false, ErrNotVchat, ""},
		"says nothing":  {"", true, ErrNotVchat, "without a word"},
		"half a hello":  {magic, true, ErrNotVchat, "in its hello"},
		"next version":  {string(version), false, ErrVersion, "3"},
		"version only":  {magic + "\x07", false, ErrVersion, "7"},
		"same role":     {string(i.marshal()), false, ErrNotVchat, "role"},
		"no suite":      {string(noSuite.marshal()), false, ErrVersion, "suite"},
		"unknown suite": {string(otherSuite.marshal()), false, ErrVersion, "suite"},
		"no verdict":    {string(r.marshal()), true, ErrTruncated, "verdict"},
		"wrong verdict": {string(r.marshal()) + "\x01" + strings.Repeat("x", macSize), false, ErrKey, ""},
		"silent":        {"", false, ErrNotVchat, "nothing in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := tcpPair(t)
			if name == "silent" {
				a.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			}
			io.WriteString(b, c.says)
			if c.close {
				b.(interface{ CloseWrite() error }).CloseWrite()
			}
			ca, _ := configs()
			_, err := Handshake(a, ca)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error is %v, expected %v with %q", err, c.want, c.text)
			}
		})
	}
}

func TestInitiatorWithoutCommonSuite(t *testing.T) {
	a, b := tcpPair(t)
	h, _ := testHello(t, Initiator, 1<<7)
	a.Write(h.marshal())
	_, cb := configs()
	if _, err := Handshake(b, cb); !errors.Is(err, ErrVersion) {
		t.Errorf("error is %v", err)
	}
}

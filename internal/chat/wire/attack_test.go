// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/suite/suitetest"
)

// link is a sender's and a receiver's end with keys agreed on, and nothing
// between them: the test carries the frames, as an attacker would.
type link struct {
	from, to *Conn
	wire     bytes.Buffer // what "from" sends
	feed     bytes.Buffer // what "to" reads
}

type half struct {
	io.Reader
	io.Writer
}

func newLink(t testing.TB) *link {
	t.Helper()
	k := testKeys(t)
	var err error
	l := &link{}
	if l.from, err = newConn(half{&bytes.Buffer{}, &l.wire}, Initiator, suite.CBC, k, suitetest.All); err != nil {
		t.Fatal(err)
	}
	if l.to, err = newConn(half{&l.feed, io.Discard}, Responder, suite.CBC, k, suitetest.All); err != nil {
		t.Fatal(err)
	}
	return l
}

// frame returns the next frame that carries p.
func (l *link) frame(t testing.TB, p string) []byte {
	t.Helper()
	l.wire.Reset()
	if err := l.from.Send(Data, []byte(p)); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(l.wire.Bytes())
}

// refused checks that the receiver gives out nothing, now and later.
func (l *link) refused(t *testing.T, want ...error) {
	t.Helper()
	for range 2 {
		k, p, err := l.to.Receive()
		if err == nil || k != 0 || p != nil {
			t.Fatalf("received kind %d, %q, %v", k, p, err)
		}
		ok := false
		for _, w := range want {
			ok = ok || errors.Is(err, w)
		}
		if !ok {
			t.Fatalf("error is %v, expected one of %v", err, want)
		}
	}
}

func TestEveryBitFlipped(t *testing.T) {
	n := len(newLink(t).frame(t, "attack at dawn"))
	for i := range n {
		for bit := range 8 {
			l := newLink(t)
			f := l.frame(t, "attack at dawn")
			f[i] ^= 1 << bit
			l.feed.Write(f)
			l.feed.Write(l.frame(t, "and a second"))
			if i < offCounter { // a length that is out of bounds, or takes more or less than there is
				l.refused(t, ErrFrame, ErrForged, ErrTruncated)
			} else {
				l.refused(t, ErrForged)
			}
		}
	}
}

func TestTruncatedAtEveryOffset(t *testing.T) {
	l := newLink(t)
	f := append(l.frame(t, "attack at dawn"), l.frame(t, "second")...)
	one := len(f) / 2 // both have one block
	for n := range len(f) {
		l := newLink(t)
		f := append(l.frame(t, "attack at dawn"), l.frame(t, "second")...)
		l.feed.Write(f[:n])
		if n >= one {
			if _, p, err := l.to.Receive(); err != nil || string(p) != "attack at dawn" {
				t.Fatalf("%d bytes: received %q, %v", n, p, err)
			}
		}
		l.refused(t, ErrTruncated)
	}
}

func TestReplayReorderDrop(t *testing.T) {
	for name, order := range map[string][]int{
		"replayed":       {0, 0},
		"replayed later": {0, 1, 0},
		"reordered":      {1},
		"dropped":        {0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(t)
			f := [][]byte{l.frame(t, "zero"), l.frame(t, "one"), l.frame(t, "two")}
			for _, n := range order {
				l.feed.Write(f[n])
			}
			for range len(order) - 1 {
				if _, _, err := l.to.Receive(); err != nil {
					t.Fatal(err)
				}
			}
			l.refused(t, ErrOrder)
		})
	}
}

// TestReflection: a side's own frames, sent back to it, are not the peer's.
func TestReflection(t *testing.T) {
	l := newLink(t)
	back := l.frame(t, "attack at dawn")
	l.feed.Write(back)
	l.from.in.r.Reset(&l.feed)
	l.to = l.from
	l.refused(t, ErrForged)
}

// TestOtherConnection: a frame of one connection is refused in another.
func TestOtherConnection(t *testing.T) {
	l := newLink(t)
	l.feed.Write(newLink(t).frame(t, "attack at dawn"))
	l.refused(t, ErrForged)
}

func TestBadLengths(t *testing.T) {
	least, most := uint32(suite.CBC.SealedSize(0)), uint32(suite.CBC.SealedSize(MaxPayload))
	for _, length := range []uint32{0, 1, least - 1, least + 1, least + 15, most + 1, most + 16, 1 << 31, 1<<32 - 1} {
		l := newLink(t)
		f := l.frame(t, "attack at dawn")
		header{length: length, direction: Initiator, kind: Data}.put(f)
		l.feed.Write(f)
		l.refused(t, ErrFrame)
	}
}

// TestAuthenticNonsense: what a peer with the key may still do wrong.
func TestAuthenticNonsense(t *testing.T) {
	for name, c := range map[string]struct {
		send func(t *testing.T, l *link)
		want error
	}{
		"unknown kind":       {func(t *testing.T, l *link) { l.raw(t, 99, []byte("x")) }, ErrFrame},
		"kind 0":             {func(t *testing.T, l *link) { l.raw(t, 0, nil) }, ErrFrame},
		"offer too short":    {func(t *testing.T, l *link) { l.raw(t, Offer, make([]byte, 55)) }, ErrFrame},
		"offer too long":     {func(t *testing.T, l *link) { l.raw(t, Offer, make([]byte, 56+256)) }, ErrFrame},
		"get too long":       {func(t *testing.T, l *link) { l.raw(t, Get, make([]byte, 27)) }, ErrFrame},
		"block of nothing":   {func(t *testing.T, l *link) { l.raw(t, Block, make([]byte, 24)) }, ErrFrame},
		"block too long":     {func(t *testing.T, l *link) { l.raw(t, Block, make([]byte, 24+16385)) }, ErrFrame},
		"refusal of nothing": {func(t *testing.T, l *link) { l.raw(t, Refuse, nil) }, ErrFrame},
		"end with a payload": {func(t *testing.T, l *link) { l.raw(t, End, []byte("x")) }, ErrFrame},
		"long nick":          {func(t *testing.T, l *link) { l.raw(t, Nick, make([]byte, MaxNick+1)) }, ErrFrame},
		"data after the end": {func(t *testing.T, l *link) {
			l.raw(t, End, nil)
			l.raw(t, Data, []byte("x"))
			if k, _, err := l.to.Receive(); k != End || err != nil {
				t.Fatal(k, err)
			}
		}, ErrFrame},
		"wrong direction": {func(t *testing.T, l *link) {
			l.from.out.direction = Responder
			l.raw(t, Data, []byte("x"))
		}, ErrFrame},
		"rekey with a payload": {func(t *testing.T, l *link) { l.raw(t, rekey, []byte("x")) }, ErrFrame},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(t)
			c.send(t, l)
			l.refused(t, c.want)
		})
	}
}

// raw puts a frame into the feed without the sender's own checks.
func (l *link) raw(t *testing.T, k Kind, p []byte) {
	t.Helper()
	f, err := l.from.out.sealed(k, p)
	if err != nil {
		t.Fatal(err)
	}
	l.feed.Write(f)
}

// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vcrypto/internal/chat/transfer"
	"vcrypto/internal/chat/wire"
)

// box is a user's files: a folder, and what was shown of them.
type box struct {
	*Files
	t      *testing.T
	folder string

	mu     sync.Mutex
	events []FileEvent
}

func newBox(t *testing.T) *box {
	b := &box{t: t, folder: t.TempDir()}
	b.Files = NewFiles(b.folder, func(e FileEvent) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, e)
	})
	t.Cleanup(b.Close)
	return b
}

func (b *box) all() []FileEvent {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]FileEvent(nil), b.events...)
}

// await waits for an event.
func (b *box) await(what string, is func(FileEvent) bool) FileEvent {
	b.t.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		for _, e := range b.all() {
			if is(e) {
				return e
			}
		}
		if time.Since(begin) > patience {
			b.t.Fatalf("%s does not come; there is %.1000v", what, b.all())
		}
	}
}

func (b *box) ended(number int, own bool) FileEvent {
	b.t.Helper()
	return b.await(fmt.Sprintf("the end of file %d", number), func(e FileEvent) bool {
		return e.State == FileEnded && e.Number == number && e.Own == own
	})
}

// stranger is a peer that has the key, and says what it likes.
type stranger struct {
	t *testing.T
	*wire.Conn
}

func newStranger(t *testing.T, e *end, addr string) *stranger {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w, err := wire.Handshake(conn, wire.Config{Role: wire.Initiator, PSK: e.Key, Place: e.Place})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close(); w.Close() })
	return &stranger{t, w}
}

func (s *stranger) says(k wire.Kind, p []byte) {
	s.t.Helper()
	if err := s.Send(k, p); err != nil {
		s.t.Fatal(err)
	}
}

// hears waits for a record of a kind.
func (s *stranger) hears(k wire.Kind) []byte {
	s.t.Helper()
	for {
		got, p, err := s.Receive()
		if err != nil {
			s.t.Fatalf("waiting for kind %d: %v", k, err)
		}
		if got == k {
			return bytes.Clone(p)
		}
	}
}

func (s *stranger) refused() transfer.Refusal {
	s.t.Helper()
	r, err := transfer.ParseRefusal(s.hears(wire.Refuse))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// talking are two who talk, with their files. leave ends it.
func talking(t *testing.T) (ann, bob *box, leave func()) {
	l, c := newEnd(t, open(t, "from the listener")), newEnd(t, open(t, "from the caller"))
	ann, bob = newBox(t), newBox(t)
	l.Files, c.Files = ann.Files, bob.Files
	addr, _ := l.serve(t, true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Connect(ctx, addr) }()
	l.out.await(t, "from the caller")
	c.out.await(t, "from the listener")
	return ann, bob, func() {
		cancel()
		if err := wait(t, done); err != nil {
			t.Error(err)
		}
	}
}

// TestFileGrows: a file that is longer than it was offered ends, at both ends,
// with the reason.
func TestFileGrows(t *testing.T) {
	ann, bob, end := talking(t)
	path := filepath.Join(t.TempDir(), "log.txt")
	if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ann.Send(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 101); err != nil {
		t.Fatal(err)
	}
	offer := bob.await("the offer", func(e FileEvent) bool { return e.State == FileOffered })
	if err := bob.Accept(offer.Number); err != nil {
		t.Fatal(err)
	}
	for _, e := range []FileEvent{bob.ended(offer.Number, false), ann.ended(1, true)} {
		if !strings.Contains(e.Text, "longer or shorter") || e.Saved != "" {
			t.Errorf("%+v", e)
		}
	}
	end()
}

// TestFileBothWays: a file there and another back at once, while both talk.
func TestFileBothWays(t *testing.T) {
	ann, bob, leave := talking(t)

	content := map[*box][]byte{}
	for b, size := range map[*box]int{ann: 3<<20 + 17, bob: 2 << 20} {
		content[b] = make([]byte, size)
		rand.Read(content[b])
		path := filepath.Join(t.TempDir(), "photo.jpg")
		if err := os.WriteFile(path, content[b], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.Send(path); err != nil {
			t.Fatal(err)
		}
	}
	for b, from := range map[*box]*box{ann: bob, bob: ann} {
		offer := b.await("an offer", func(e FileEvent) bool { return e.State == FileOffered && !e.Own })
		if all, _ := os.ReadDir(b.folder); len(all) != 0 {
			t.Errorf("there is %v before it was accepted", all)
		}
		if err := b.Accept(offer.Number); err != nil {
			t.Fatal(err)
		}
		end := b.ended(offer.Number, false)
		if got, err := os.ReadFile(end.Saved); err != nil || !bytes.Equal(got, content[from]) {
			t.Errorf("%+v: %d bytes, %v", end, len(got), err)
		}
	}
	leave()
}

// TestFilesRefused: an end that only has bytes to show takes no files, says
// so, and goes on.
func TestFilesRefused(t *testing.T) {
	l := newEnd(t, open(t, ""))
	addr, _ := l.serve(t, false)
	s := newStranger(t, l, addr)
	o := transfer.Offer{ID: [16]byte{1}, Size: 5, Name: "\x1b[2J"}
	s.says(wire.Offer, o.Marshal())
	if r := s.refused(); r != (transfer.Refusal{ID: o.ID, Reason: transfer.Declined}) {
		t.Errorf("refused %+v", r)
	}
	s.says(wire.Data, []byte("hello"))
	l.out.await(t, "hello")
	l.log.await(t, "the peer offers x1b_2J")
}

// TestHostileFiles: a peer that lies about files gets nothing, and writes
// nothing but what was accepted.
func TestHostileFiles(t *testing.T) {
	l := newEnd(t, open(t, ""))
	ann := newBox(t)
	l.Files = ann.Files
	addr, _ := l.serve(t, false)
	s := newStranger(t, l, addr)
	content := bytes.Repeat([]byte("x"), 100)
	o := transfer.Offer{ID: [16]byte{1}, Size: int64(len(content)), Sum: sha256.Sum256(content), Name: "../../.ssh/\x1b[2Jauthorized_keys"}
	s.says(wire.Offer, o.Marshal())
	offer := ann.await("the offer", func(e FileEvent) bool { return e.State == FileOffered })
	block := func(id [16]byte, offset uint64, b []byte) []byte {
		r := transfer.Request{ID: id, Offset: int64(offset)}
		return append(r.Append(nil)[:transfer.BlockHead], b...)
	}
	// The same again, what nobody asked for, what nobody has.
	s.says(wire.Offer, o.Marshal())
	s.hears(wire.Refuse)
	s.says(wire.Block, block(o.ID, 0, content))
	get := transfer.Request{ID: [16]byte{7}, Offset: 0, Blocks: 1}
	s.says(wire.Get, get.Append(nil))
	r := s.refused()
	if r != (transfer.Refusal{ID: get.ID, Reason: transfer.Gone}) {
		t.Errorf("refused %+v", r)
	}
	s.says(wire.Refuse, r.Append(nil))
	if all, _ := os.ReadDir(ann.folder); len(all) != 0 {
		t.Errorf("there is %v before it was accepted", all)
	}
	if err := ann.Accept(offer.Number); err != nil {
		t.Fatal(err)
	}
	if r, err := transfer.ParseRequest(s.hears(wire.Get)); err != nil || r.ID != o.ID || r.Offset != 0 {
		t.Errorf("asked for %+v, %v", r, err)
	}
	s.says(wire.Block, block(o.ID, 0, append(content, 'x')))    // too long
	s.says(wire.Block, block(o.ID, 50, content[:50]))           // not the next
	s.says(wire.Block, block([16]byte{2}, 0, content))          // another
	s.says(wire.Block, block(o.ID, math.MaxInt64, content[:1])) // beyond
	s.says(wire.Block, block(o.ID, 0, content))
	end := ann.ended(offer.Number, false)
	if filepath.Dir(end.Saved) != ann.folder || filepath.Base(end.Saved) != transfer.FileName(o.Name) {
		t.Errorf("saved as %q", end.Saved)
	}
	if got, _ := os.ReadFile(end.Saved); !bytes.Equal(got, content) {
		t.Errorf("%d bytes came", len(got))
	}

	// A flood of offers is bounded, of any size.
	for i := range maxOffers + 10 {
		o.ID, o.Size = [16]byte{2, byte(i)}, math.MaxInt64
		s.says(wire.Offer, o.Marshal())
	}
	for range 10 {
		s.hears(wire.Refuse)
	}
	ann.Files.mu.Lock()
	if n := len(ann.offers); n != maxOffers {
		t.Errorf("%d offers wait", n)
	}
	ann.Files.mu.Unlock()

	// What breaks the protocol ends the conversation.
	for name, p := range map[string][]byte{
		"size":   (&transfer.Offer{Size: -1}).Marshal(),
		"name":   (&transfer.Offer{Name: "\xff"}).Marshal(),
		"offset": nil,
	} {
		k := wire.Offer
		if p == nil {
			k, p = wire.Block, block(o.ID, 1<<63, content)
		}
		s.says(k, p)
		for {
			if _, _, err := s.Receive(); err != nil {
				break
			}
		}
		l.log.await(t, wire.ErrFrame.Error())
		s = newStranger(t, l, addr)
		s.says(wire.Data, []byte(name))
		l.out.await(t, name)
	}
	if err := ann.Send("/dev/null"); err == nil {
		t.Error("a device is on offer")
	}
}

// TestNobodyThere: without a peer nothing can be offered.
func TestNobodyThere(t *testing.T) {
	ann := newBox(t)
	path := filepath.Join(t.TempDir(), "x")
	os.WriteFile(path, []byte("x"), 0o600)
	if err := ann.Send(path); !errors.Is(err, errNobody) {
		t.Error(err)
	}
	if err := errors.Join(ann.Accept(1), ann.Decline(1)); err == nil {
		t.Error("there is a file 1")
	}
}

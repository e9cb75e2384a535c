// SPDX-License-Identifier: Apache-2.0

package member_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
)

// TestPartAndJoin: who leaves a room and enters it again is heard there.
func TestPartAndJoin(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	ann, bob := join(t, "ann", addr), join(t, "bob", addr)
	ann.knows("bob")
	bob.knows("ann")
	bob.say("one")
	ann.hears("one")
	if err := bob.Part(testRoom); err != nil {
		t.Fatal(err)
	}
	ann.await(func(e member.Event) bool { return e.Type == room.Went }, "for bob to go")
	if err := bob.Join(testRoom); err != nil {
		t.Fatal(err)
	}
	bob.say("two")
	ann.hears("two")
	ann.say("three")
	bob.hears("three")
	ann.noWarnings()
	bob.noWarnings()
}

// TestRefusedLater: a hub that does not let us in again, with something of ours
// that has no place yet, is an error when we leave.
func TestRefusedLater(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	var refuse atomic.Bool
	evil, cut := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		switch {
		case !refuse.Load():
		case f.Type == relay.Message: // so that what is said has no place
			return nil
		case f.Type == relay.Joined:
			return []*relay.Frame{{Type: relay.Refused, Room: f.Room, Code: relay.CodeFull}}
		}
		return []*relay.Frame{f}
	})
	ann, bob := join(t, "ann", addr), join(t, "bob", evil)
	ann.knows("bob")
	bob.knows("ann")
	refuse.Store(true)
	bob.say("one")
	cut()
	bob.await(func(e member.Event) bool { return e.Type == room.Warning && e.Problem == room.Missing }, "to be told")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := bob.Quit(ctx); err == nil || !strings.Contains(err.Error(), "will not arrive") {
		t.Errorf("bob leaves with %v", err)
	}
}

// TestFileTwice: of two who offer the same file one is listened to; the other
// cannot change what was checked.
func TestFileTwice(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	var hold atomic.Bool
	evil, _ := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		if f.Type == relay.Direct && hold.Load() {
			return nil // blocks may be lost
		}
		return []*relay.Frame{f}
	})
	ann, cat, bob := join(t, "ann", addr), join(t, "cat", addr), join(t, "bob", evil)
	ann.knows("bob")
	cat.knows("bob")
	bob.knows("ann", "cat")
	content := make([]byte, 300_000)
	rand.Read(content)
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	var offers []member.Event
	for n, u := range []*user{ann, cat} {
		if err := u.Send(t.Context(), testRoom, bob.ID(), path); err != nil {
			t.Fatal(err)
		}
		offers = append(offers, bob.await(func(e member.Event) bool { return e.Type == room.Offered && e.Offer == n+1 }, "for an offer"))
	}
	if err := bob.Accept(offers[0].Offer); err != nil {
		t.Fatal(err)
	}
	if err := bob.Accept(offers[1].Offer); err == nil {
		t.Error("bob takes one file from two at once")
	}
	// Whatever bob is called by now, it is his.
	if err := bob.SetNick("robert"); err != nil {
		t.Fatal(err)
	}
	ann.await(func(e member.Event) bool { return e.Type == room.Renamed && e.Nick == "robert" }, "for the new nick")
	hold.Store(false)
	end := bob.await(func(e member.Event) bool { return e.Type == member.File }, "for the file")
	if got, err := os.ReadFile(end.Saved); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%+v: %d bytes came, %v", end, len(got), err)
	}
	if err := bob.Accept(offers[1].Offer); err != nil {
		t.Errorf("when one has ended the other cannot begin: %v", err)
	}
}

// TestRequestsRepeated: a hub that repeats who asks for a file does not have
// it sent again and again.
func TestRequestsRepeated(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	var gets, blocks atomic.Int32
	toAnn, _ := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		if f.Type != relay.Direct {
			return []*relay.Frame{f}
		}
		gets.Add(1)
		return slices.Repeat([]*relay.Frame{f}, 50)
	})
	toBob, _ := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		if f.Type == relay.Direct {
			blocks.Add(1)
		}
		return []*relay.Frame{f}
	})
	ann, bob := join(t, "ann", toAnn), join(t, "bob", toBob)
	ann.knows("bob")
	bob.knows("ann")
	content := make([]byte, 60_000) // 4 blocks
	rand.Read(content)
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ann.Send(t.Context(), testRoom, room.ID{}, path); err != nil {
		t.Fatal(err)
	}
	offer := bob.await(func(e member.Event) bool { return e.Type == room.Offered }, "for the offer")
	if err := bob.Accept(offer.Offer); err != nil {
		t.Fatal(err)
	}
	bob.await(func(e member.Event) bool { return e.Type == member.File && e.Saved != "" }, "for the file")
	ann.say("what was under way before this has come")
	bob.hears("what was under way before this has come")
	if n, asked := blocks.Load(), gets.Load(); asked == 0 || n > 4*asked {
		t.Errorf("%d blocks were sent, %d times 4 were asked for", n, asked)
	}
}

// TestManyOffers: one who offers without end keeps nobody else's out.
func TestManyOffers(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	ann, cat, bob := join(t, "ann", addr), join(t, "cat", addr), join(t, "bob", addr)
	bob.knows("ann", "cat")
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 120 {
		if err := ann.Send(t.Context(), testRoom, room.ID{}, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := cat.Send(t.Context(), testRoom, room.ID{}, path); err != nil {
		t.Fatal(err)
	}
	bob.await(func(e member.Event) bool { return e.Type == room.Offered && e.Nick == "cat" }, "for cat's offer")
	ours := func(e member.Event) bool { return e.Type == room.Offered && e.Nick == "ann" }
	if n := len(bob.seen(ours)); n >= 120 || n == 0 {
		t.Errorf("bob is offered %d files", n)
	}
	bob.await(func(e member.Event) bool { return e.Type == member.Info && strings.Contains(e.Text, "one more file") }, "to be told of those that he is not")
	ann.await(func(e member.Event) bool {
		return e.Type == member.Info && strings.Contains(e.Text, "file 1, is on offer no more")
	}, "to be told of those that went")
}

// TestListsUnasked: a hub that says which rooms there are, unasked, is not
// listened to.
func TestListsUnasked(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	evil, _ := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		if f.Type != relay.Message {
			return []*relay.Frame{f}
		}
		return []*relay.Frame{{Type: relay.Rooms, Rooms: []relay.Listed{{Room: relay.ID{1}}}}, f}
	})
	ann, bob := join(t, "ann", addr), join(t, "bob", evil)
	ann.knows("bob")
	ann.say("one")
	bob.hears("one")
	lists := func(e member.Event) bool { return e.Type == member.Rooms }
	if all := bob.seen(lists); len(all) != 0 {
		t.Errorf("bob was shown %q", all)
	}
	if err := bob.List(); err != nil {
		t.Fatal(err)
	}
	bob.await(lists, "for the list that he asked for")
}

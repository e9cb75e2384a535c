// SPDX-License-Identifier: Apache-2.0

package member_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
)

// away are ann, and bob for whom there is no hub until back is called.
func away(t *testing.T) (ann, bob *user, back func()) {
	addr, _ := startHub(t, "")
	var gone atomic.Bool
	far, cut := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		if gone.Load() {
			return nil // so it lets nobody in
		}
		return []*relay.Frame{f}
	})
	ann, bob = join(t, "ann", addr), join(t, "bob", far)
	ann.knows("bob")
	bob.knows("ann")
	gone.Store(true)
	cut()
	bob.await(func(e member.Event) bool { return e.Type == member.Away }, "to lose the hub")
	return ann, bob, func() { gone.Store(false); cut() }
}

// TestPartWhileAway: who leaves a room while there is no hub loses nothing that
// was said there, is told so, and may enter it again.
func TestPartWhileAway(t *testing.T) {
	t.Parallel()
	ann, bob, back := away(t)
	bob.say("one")
	bob.say("two")
	if err := bob.Part(testRoom); err != nil {
		t.Fatal(err)
	}
	out := bob.await(func(e member.Event) bool { return e.Type == member.Parted }, "to be out")
	bob.await(func(e member.Event) bool {
		return e.Type == member.Info && strings.HasPrefix(e.Text, "2 of your messages")
	}, "to be told")
	if err := bob.Say(t.Context(), testRoom, "three"); err == nil {
		t.Error("bob says something where he is not")
	}
	if err := bob.Join(testRoom); err != nil {
		t.Fatal(err)
	}
	back()
	ann.hears("two")
	ann.await(func(e member.Event) bool { return e.Type == room.Went && e.Person == bob.ID() }, "for bob to go")
	bob.await(func(e member.Event) bool { return e.Type == member.Entered && e.Time.After(out.Time) }, "to be in again")
	bob.say("three")
	ann.hears("three")
	if got, want := ann.seen(func(e member.Event) bool { return e.Type == room.Said }), []string{"message bob one", "message bob two", "message bob three"}; !slices.Equal(got, want) {
		t.Errorf("ann heard %q", got)
	}
	ann.noWarnings()
	bob.noWarnings()
}

// TestQuitAfterPart: who leaves the program, too, waits for what was said and
// for the goodbye.
func TestQuitAfterPart(t *testing.T) {
	t.Parallel()
	ann, bob, back := away(t)
	bob.say("one")
	if err := bob.Part(testRoom); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bob.Quit(ctx); err == nil {
		t.Error("bob leaves without a word, with something unsaid")
	}
	back()
	ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := bob.Quit(ctx); err != nil {
		t.Error(err)
	}
	bob.stop()
	ann.hears("one")
	ann.await(func(e member.Event) bool { return e.Type == room.Went && e.Person == bob.ID() }, "for bob to go")
}

// SPDX-License-Identifier: Apache-2.0

package room

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/suite/suitetest"
)

// comeBack has a member who has left enter again, as the same one.
func (w *world) comeBack(p *player) *player {
	w.t.Helper()
	r, err := New(w.key, "#room", p.self, suitetest.All, p.Nick(), w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { r.Close() })
	r.Continue(p.Position())
	again := &player{Room: r, w: w, at: len(w.log) - 1} // its goodbye comes after it has entered
	w.members = append(w.members, again)
	again.post(again.Here(true, true, w.now))
	return again
}

// TestComesBack: who leaves and enters again is heard as before.
func TestComesBack(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(time.Second)
	bob.say("I go")
	w.pass(time.Second)
	ann.seen()
	bob.post(bob.Leave(w.now))
	w.members = slices.DeleteFunc(w.members, func(p *player) bool { return p == bob })
	w.deliver()
	ann.saw("leave bob")
	bob = w.comeBack(bob)
	w.pass(time.Second)
	bob.say("I am back")
	ann.say("welcome")
	w.pass(time.Second)
	ann.saw("join bob", "message bob  I am back")
	bob.saw("join ann", "message ann  welcome")
	if n := len(bob.Pending()); n != 0 {
		t.Errorf("%d messages of bob did not come back", n)
	}
}

// TestReplaysChangeNothing: who is gone is gone, however often a hub repeats
// what they said, and the screen is not filled with it.
func TestReplaysChangeNothing(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(time.Second)
	old := bob.say("hello")
	w.pass(time.Second)
	ann.seen()
	w.members = slices.DeleteFunc(w.members, func(p *player) bool { return p == bob }) // without a word
	warned := 0
	for range 10 * 60 {
		for range 10 {
			ann.events = append(ann.events, ann.Receive(bytes.Clone(old), w.now)...)
		}
		w.pass(time.Second)
	}
	gone := false
	for _, s := range ann.seen() {
		switch s {
		case "! replayed":
			warned++
		case "silent bob":
			gone = true
		default:
			t.Errorf("ann saw %q", s)
		}
	}
	if !gone {
		t.Error("bob is shown to be here by what he said long ago")
	}
	if most := 10*60/int(missingAfter/time.Second) + 1; warned == 0 || warned > most {
		t.Errorf("ann was warned %d times in ten minutes, at most %d are of use", warned, most)
	}
}

// TestUnreadable: what cannot be checked is not said to be anybody's.
func TestUnreadable(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.joinWith("ann", suitetest.Library(suite.CBC)), w.join("bob")
	w.pass(time.Second)
	ann.seen()
	e := relay.Envelope{Room: ann.id, Sender: bob.self.ID, Seq: 77, Suite: suite.GCM}
	forged := append(e.Head(nil), make([]byte, suite.GCM.SealedSize(0))...)
	var events []Event
	for range 100 {
		events = append(events, ann.Receive(bytes.Clone(forged), w.now)...)
	}
	if len(events) != 1 || events[0].Kind != NoSuite || events[0].From != (ID{}) || strings.Contains(events[0].Text, "bob") {
		t.Errorf("ann was shown %d events, the last is %+v", len(events), events[len(events)-1:])
	}
}

// TestWaitingNick: who says something as somebody before it is shown to be
// here is not shown as the one who has that nick when it is.
func TestWaitingNick(t *testing.T) {
	w := newWorld(t)
	ann := w.join("ann")
	w.pass(time.Second)
	eve := w.join("bob") // she hears nothing yet, so nothing of hers is fresh
	eve.bend = func(int, []byte) [][]byte { return nil }
	eve.say("I am bob")
	eve.post(eve.SetTopic("bobs", w.now))
	w.deliver()
	ann.saw()
	bob := w.join("bob")
	bob.bend = func(n int, e []byte) [][]byte { // nor does he hear of her
		if p, _ := relay.ParseEnvelope(e); p.Sender == eve.self.ID {
			return nil
		}
		return [][]byte{e}
	}
	w.pass(time.Second)
	if got := ann.seen(); !slices.Contains(got, "join bob") {
		t.Fatalf("ann saw %q", got)
	}
	eve.bend, eve.at, eve.claimed = nil, 0, true
	w.pass(2 * time.Second)
	name := "bob~" + eve.self.ID.Short()
	got := ann.seen()
	if !slices.Contains(got, "message "+name+"  I am bob") || slices.Contains(got, "message bob  I am bob") {
		t.Errorf("ann saw %q", got)
	}
	if topic, by := ann.Topic(); topic != "bobs" || by != name {
		t.Errorf("the topic is %q, by %q", topic, by)
	}
}

// TestOldIsNotNew: what somebody who is here said long ago cannot be played to
// who has just come, though it is authentic and they are here.
func TestOldIsNotNew(t *testing.T) {
	for _, all := range []bool{true, false} { // with what came between, or without
		w := newWorld(t)
		w.join("ann")
		bob := w.join("bob")
		w.pass(time.Second)
		from := len(w.log)
		bob.say("attack at dawn")
		w.pass(time.Second)
		to := len(w.log)
		w.pass(staleAfter + time.Minute)
		if all {
			to = len(w.log)
		}
		cat := w.join("cat")
		for _, old := range w.log[from:to] {
			cat.events = append(cat.events, cat.Receive(bytes.Clone(old), w.now)...)
		}
		bob.say("good morning")
		w.pass(2 * missingAfter)
		got := cat.seen()
		if !slices.Contains(got, "message bob  good morning") || !slices.Contains(got, "! stale") || slices.Contains(got, "message bob  attack at dawn") {
			t.Errorf("cat saw %q", got)
		}
	}
}

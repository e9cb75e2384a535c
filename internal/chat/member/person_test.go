// SPDX-License-Identifier: Apache-2.0

package member_test

import (
	"strings"
	"testing"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/room"
)

// twoBobs are ann, and in each of two rooms that she is in somebody called bob.
func twoBobs(t *testing.T) (ann, one, two *user) {
	addr, _ := startHub(t, "")
	ann = joinIn(t, "#one", "ann", addr)
	ann.enter("#two")
	one, two = joinIn(t, "#one", "bob", addr), joinIn(t, "#two", "bob", addr)
	if ann.met("#one", "bob") != one.ID() || ann.met("#two", "bob") != two.ID() {
		t.Fatal("the bobs are not who they are")
	}
	one.met("#one", "ann")
	two.met("#two", "ann")
	return ann, one, two
}

// TestOneNickTwoPersons: what is told one goes to that one, whoever else has
// the nick, and a nick alone is not enough where it is not clear whose it is.
func TestOneNickTwoPersons(t *testing.T) {
	t.Parallel()
	ann, one, two := twoBobs(t)
	for in, bob := range map[string]*user{"#one": one, "#two": two} {
		if id, err := ann.Find(in, "Bob"); id != bob.ID() || err != nil {
			t.Errorf("bob in %s is %s, %v", in, id, err)
		}
		if id, err := ann.Find(member.Alone(bob.ID()), "bob"); id != bob.ID() || err != nil {
			t.Errorf("bob, in a conversation with the one in %s, is %s, %v", in, id, err)
		}
		if id, err := ann.Find("", "bob~"+bob.ID().Fingerprint()); id != bob.ID() || err != nil {
			t.Errorf("bob with the fingerprint of the one in %s is %s, %v", in, id, err)
		}
	}
	if id, err := ann.Find("", "bob"); err == nil || !strings.Contains(err.Error(), "bob~"+one.ID().Short()+" in #one") || !strings.Contains(err.Error(), "bob~"+two.ID().Short()+" in #two") {
		t.Errorf("bob is %s, %v", id, err)
	}
	if id, err := ann.Find("#one", "bob~00"); err == nil && !strings.HasPrefix(id.String(), "00") {
		t.Errorf("a fingerprint of nobody's is %s", id)
	}

	for _, bob := range []*user{one, two} { // whatever room it is said in
		if err := ann.Tell(t.Context(), "#one", bob.ID(), "for "+bob.ID().Short(), false); err != nil {
			t.Fatal(err)
		}
		told := func(e member.Event) bool { return e.Type == room.Told }
		if e := bob.await(told, "to be told"); e.Text != "for "+bob.ID().Short() || e.Person != ann.ID() {
			t.Errorf("bob was told %+v", e)
		}
		if all := bob.seen(told); len(all) != 1 {
			t.Errorf("bob was told %q", all)
		}
		if err := bob.Tell(t.Context(), "", ann.ID(), "from "+bob.ID().Short(), false); err != nil {
			t.Fatal(err)
		}
		if e := ann.await(func(e member.Event) bool { return e.Text == "from "+bob.ID().Short() }, "to be told"); e.Person != bob.ID() || e.ID != bob.ID().Fingerprint() {
			t.Errorf("ann was told %+v", e)
		}
	}
	if _, err := ann.Who(member.Alone(one.ID())); err == nil || !strings.Contains(err.Error(), "name a room") {
		t.Errorf("who is in a conversation: %v", err)
	}
	if err := ann.Tell(t.Context(), "", room.ID{1}, "anybody?", false); err == nil {
		t.Error("told nobody")
	}
}

// TestIgnorePerson: who is ignored stays so under another nick; who has the
// nick then is heard, and is not taken for the other.
func TestIgnorePerson(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	ann, bob := join(t, "ann", addr), join(t, "bob", addr)
	ann.knows("bob")
	bob.knows("ann")
	toggle := func(nick string, whom *user, want bool) {
		t.Helper()
		if who, ignored, err := ann.Ignore(testRoom, nick); err != nil || ignored != want || who.ID != whom.ID() {
			t.Errorf("/ignore %s: %+v, %v, %v; expected %v for %s", nick, who, ignored, err, want, whom.ID())
		}
	}
	renamed := func(nick string) {
		t.Helper()
		ann.await(func(e member.Event) bool { return e.Type == room.Renamed && e.Nick == nick }, "for "+nick)
	}
	toggle("bob", bob, true)
	if err := bob.SetNick("robert"); err != nil {
		t.Fatal(err)
	}
	renamed("robert")
	cat := join(t, "bob", addr) // somebody else
	ann.await(func(e member.Event) bool { return e.Type == room.Came && e.Person == cat.ID() }, "for the other bob")
	bob.await(func(e member.Event) bool { return e.Type == room.Came && e.Person == cat.ID() }, "for the other bob")
	bob.say("it is still me")
	cat.say("it is me")
	ann.hears("it is me")

	toggle("bob", cat, true) // and not the former one
	toggle("bob", cat, false)
	cat.say("do you hear me again?")
	ann.hears("do you hear me again?")
	if all, err := ann.Ignored(); err != nil || len(all) != 1 || all[0].ID != bob.ID() || all[0].Nick != "robert" {
		t.Errorf("ann ignores %+v, %v", all, err)
	}
	if err := bob.Part(testRoom); err != nil { // who has left goes by the last nick, or by who it was
		t.Fatal(err)
	}
	ann.await(func(e member.Event) bool { return e.Type == room.Went && e.Person == bob.ID() }, "for robert to go")
	toggle("robert", bob, false)
	if who, _, err := ann.Ignore(testRoom, "robert"); err == nil {
		t.Errorf("ann ignores %+v, who is not here", who)
	}
	if _, heard := ann.find(func(e member.Event) bool { return e.Text == "it is still me" }); heard {
		t.Error("ann heard whom she ignores")
	}
}

// SPDX-License-Identifier: Apache-2.0

package room

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/suite/suitetest"
)

// world is a room with an honest hub in it: all that is posted comes to all, in
// one order. Tests bend what comes to whom.
type world struct {
	t       testing.TB
	key     *Key
	now     time.Time
	members []*player
	log     [][]byte
}

// player is a member in the world.
type player struct {
	*Room
	w      *world
	at     int // how much of the log came to it
	events []Event
	bend   func(n int, envelope []byte) [][]byte // what comes instead
}

func newWorld(t testing.TB) *world {
	t.Helper()
	key, err := NewKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, key: key, now: time.Unix(1e9, 0)}
}

func (w *world) join(nick string) *player { return w.joinWith(nick, suitetest.All) }

func (w *world) joinWith(nick string, place suite.Place) *player {
	w.t.Helper()
	self, err := NewIdentity()
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := New(w.key, "#room", self, place, nick, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { r.Close() })
	p := &player{Room: r, w: w, at: len(w.log)}
	w.members = append(w.members, p)
	p.post(p.Here(true, true, w.now))
	return p
}

// post puts what was sealed into the log.
func (p *player) post(sealed Pending, err error) []byte {
	p.w.t.Helper()
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.w.log = append(p.w.log, sealed.Envelope)
	return sealed.Envelope
}

func (p *player) say(text string) []byte { p.w.t.Helper(); return p.post(p.Say(text, p.w.now)) }

// deliver brings everybody what is in the log.
func (w *world) deliver() {
	for _, p := range w.members {
		for ; p.at < len(w.log); p.at++ {
			come := [][]byte{w.log[p.at]}
			if p.bend != nil {
				come = p.bend(p.at, w.log[p.at])
			}
			for _, e := range come {
				p.events = append(p.events, p.Receive(bytes.Clone(e), w.now)...)
			}
		}
	}
}

// pass lets time go by, in steps, with all that it brings.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); ; {
		w.deliver()
		for _, p := range w.members {
			events, greet, claims := p.Tick(w.now)
			p.events = append(p.events, events...)
			if greet {
				p.post(p.Here(false, claims, w.now))
			}
		}
		w.deliver()
		if !w.now.Before(end) {
			return
		}
		w.now = w.now.Add(min(50*time.Millisecond, end.Sub(w.now)))
	}
}

// seen returns what p was shown, and forgets it.
func (p *player) seen() []string {
	var all []string
	for _, e := range p.events {
		switch e.Type {
		case Sent:
		case Warning:
			all = append(all, "! "+string(e.Kind))
		default:
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Type, e.Nick, e.Old, e.Text)))
		}
	}
	p.events = nil
	return all
}

func (p *player) saw(want ...string) {
	p.w.t.Helper()
	if got := p.seen(); !slices.Equal(got, want) {
		p.w.t.Errorf("%s saw %q, expected %q", p.Nick(), got, want)
	}
}

func TestTalk(t *testing.T) {
	w := newWorld(t)
	ann := w.join("ann")
	w.pass(time.Second)
	ann.saw()
	bob := w.join("bob")
	w.pass(time.Second)
	ann.saw("join bob")
	bob.saw("join ann")
	cat := w.join("cat")
	cat.say("hello, all") // before anybody can know that she is here
	w.pass(time.Second)
	if got := cat.seen(); len(got) != 2 || !slices.Contains(got, "join ann") || !slices.Contains(got, "join bob") {
		t.Errorf("cat saw %q", got)
	}
	for _, p := range []*player{ann, bob} {
		got := p.seen()
		if !slices.Equal(got, []string{"join cat", "message cat  hello, all"}) {
			t.Errorf("%s saw %q", p.Nick(), got)
		}
	}
	ann.say("hello")
	bob.post(bob.Act("waves", w.now))
	cat.post(cat.SetTopic("cats", w.now))
	w.pass(time.Second)
	ann.saw("action bob  waves", "topic cat  cats")
	bob.saw("message ann  hello", "topic cat  cats")
	if len(ann.Pending()) != 0 {
		t.Errorf("%d messages of ann did not come back", len(ann.Pending()))
	}
	if topic, by := bob.Topic(); topic != "cats" || by != "cat" {
		t.Errorf("the topic is %q, by %q", topic, by)
	}
	cat.seen()
	cat.post(cat.Leave(w.now))
	w.members = slices.DeleteFunc(w.members, func(p *player) bool { return p == cat })
	w.pass(time.Second)
	ann.saw("leave cat")
	if n := len(ann.Members()); n != 2 {
		t.Errorf("%d members", n)
	}
}

// TestSilence: who goes without a word is missed, and who says nothing is not.
func TestSilence(t *testing.T) {
	w := newWorld(t)
	ann, bob, cat := w.join("ann"), w.join("bob"), w.join("cat")
	w.pass(time.Second)
	ann.seen()
	bob.seen()
	w.members = slices.DeleteFunc(w.members, func(p *player) bool { return p == cat })
	w.pass(5 * time.Minute)
	ann.saw("silent cat")
	bob.saw("silent cat")
}

// TestPrivate: what is for one is read by one, though all get it.
func TestPrivate(t *testing.T) {
	w := newWorld(t)
	ann, bob, cat := w.join("ann"), w.join("bob"), w.join("cat")
	w.pass(time.Second)
	for _, p := range w.members {
		p.seen()
	}
	ann.post(ann.Tell(bob.self.ID, "for you", false, w.now))
	ann.post(ann.Tell(bob.self.ID, "winks", true, w.now))
	w.pass(time.Second)
	bob.saw("private ann  for you", "private-action ann  winks")
	cat.saw()
	if _, err := ann.Tell(ID{1}, "anybody?", false, w.now); err == nil {
		t.Error("told somebody who is not here")
	}

	// cat has the room's key; her own key does not open what is bob's.
	e, err := relay.ParseEnvelope(w.log[len(w.log)-1])
	if err != nil {
		t.Fatal(err)
	}
	m := cat.Room.members[ann.self.ID]
	plain, err := cat.Room.open(m, &e)
	if err != nil || !bytes.Contains(plain, bob.self.ID[:]) {
		t.Fatalf("cat cannot open the outer layer: %v", err)
	}
	at := bytes.Index(plain, bob.self.ID[:]) + relay.IDSize
	if inner, err := cat.openFrom(m, forMessages, &e, bytes.Clone(plain[at:])); err == nil {
		t.Errorf("cat reads %q", inner)
	}
}

func TestDirect(t *testing.T) {
	w := newWorld(t)
	ann, bob, cat := w.join("ann"), w.join("bob"), w.join("cat")
	w.pass(time.Second)
	b, err := ann.SealDirect(bob.self.ID, []byte("a block"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := relay.ParseEnvelope(b)
	if err != nil {
		t.Fatal(err)
	}
	if from, p, err := bob.OpenDirect(e); err != nil || string(p) != "a block" || from != ann.self.ID {
		t.Errorf("bob got %q from %s, %v", p, from, err)
	}
	if _, p, err := cat.OpenDirect(e); err == nil {
		t.Errorf("cat got %q", p)
	}
	e.Sender = cat.self.ID
	if _, p, err := bob.OpenDirect(e); err == nil {
		t.Errorf("bob got %q from cat", p)
	}
}

// TestNicks: no two are shown by one name, whatever they call themselves.
func TestNicks(t *testing.T) {
	w := newWorld(t)
	ann := w.join("ann")
	w.pass(time.Second)
	other := w.join("Ann") // a newcomer with a nick that is taken yields
	w.pass(2 * time.Second)
	if ann.Nick() != "ann" || !strings.HasPrefix(other.Nick(), "Ann-") {
		t.Errorf("nicks are %q and %q", ann.Nick(), other.Nick())
	}
	got := other.seen()
	if len(got) != 2 || !strings.HasPrefix(got[0], "nick-taken Ann-") || got[1] != "join ann" {
		t.Errorf("the newcomer saw %q", got)
	}
	ann.seen()
	if _, err := other.SetNick("ANN", w.now); err == nil {
		t.Error("took a nick that is taken")
	}
	other.post(other.SetNick("bob", w.now))
	w.pass(time.Second)
	if got := ann.seen(); len(got) != 1 || !strings.HasPrefix(got[0], "nick bob Ann-") {
		t.Errorf("ann saw %q", got)
	}
	// Two at once: the first in the room's order has it.
	a, b := w.join("eve"), w.join("eve")
	w.pass(2 * time.Second)
	if a.Nick() != "eve" || b.Nick() == "eve" {
		t.Errorf("nicks are %q and %q", a.Nick(), b.Nick())
	}
	// One that insists is shown under another name.
	other.nick = "ann"
	other.say("I am ann")
	w.pass(time.Second)
	want := "ann~" + other.self.ID.Short()
	if got := ann.seen(); !slices.Contains(got, "message "+want+"  I am ann") {
		t.Errorf("ann saw %q", got)
	}
	// And gives everybody no more than one name.
	names := map[string]bool{}
	for _, m := range b.Members() {
		if names[m.Nick] {
			t.Errorf("two are %q", m.Nick)
		}
		names[m.Nick] = true
	}
}

// TestSuites: GCM as long as all have it.
func TestSuites(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(time.Second)
	if e, _ := relay.ParseEnvelope(ann.say("one")); e.Suite != suite.GCM {
		t.Errorf("sealed in %s", e.Suite)
	}
	cat := w.joinWith("cat", suitetest.Library(suite.CBC))
	ann.say("before she was noticed")
	w.pass(time.Second)
	if e, _ := relay.ParseEnvelope(bob.say("two")); e.Suite != suite.CBC {
		t.Errorf("sealed in %s", e.Suite)
	}
	w.pass(time.Second)
	if got := cat.seen(); !slices.Contains(got, "message bob  two") || slices.ContainsFunc(got, func(s string) bool { return s[0] == '!' }) {
		t.Errorf("cat saw %q", got)
	}
	for _, p := range []*player{ann, bob} {
		if got := p.seen(); slices.ContainsFunc(got, func(s string) bool { return s[0] == '!' }) {
			t.Errorf("%s saw %q", p.Nick(), got)
		}
	}
}

// TestRekey: keys change on the way, and nobody notices.
func TestRekey(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(time.Second)
	bob.seen()
	before := ann.salt
	ann.begun = ann.begun.Add(-2 * rekeyTime)
	ann.say("with new keys")
	w.pass(time.Second)
	bob.saw("message ann  with new keys")
	if ann.salt == before {
		t.Error("the keys are the old ones")
	}
}

func TestOtherKeys(t *testing.T) {
	w := newWorld(t)
	ann := w.join("ann")
	w.pass(time.Second)
	w.key, _ = NewKey([]byte("another key, of another circle"))
	eve := w.join("eve")
	if eve.ID() == ann.ID() {
		t.Error("two keys give one room")
	}
	eve.say("hello?")
	w.pass(time.Second)
	ann.say("who is there?")
	w.pass(time.Second)
	ann.saw("! forged")
	eve.saw("! forged")
}

func TestLabels(t *testing.T) {
	w := newWorld(t)
	l, err := w.key.SealName(suitetest.All, "#cats")
	if err != nil {
		t.Fatal(err)
	}
	listed := relay.Listed{Room: w.key.RoomID("#cats"), Label: l}
	if name, err := w.key.OpenName(suitetest.All, listed); name != "#cats" || err != nil {
		t.Errorf("the label says %q, %v", name, err)
	}
	other, _ := NewKey([]byte("another key"))
	if name, err := other.OpenName(suitetest.All, listed); !errors.Is(err, suite.ErrForged) {
		t.Errorf("with another key the label says %q, %v", name, err)
	}
	listed.Room = w.key.RoomID("#dogs")
	if name, err := w.key.OpenName(suitetest.All, listed); err == nil {
		t.Errorf("the label of another room says %q", name)
	}
}

func TestNames(t *testing.T) {
	for _, s := range []string{"", "#", "room", "# a", "#a b", "#\x1b[1m", "#" + strings.Repeat("x", MaxName), "#\xff"} {
		if err := CheckName(s); !errors.Is(err, ErrName) {
			t.Errorf("room %q: %v", s, err)
		}
	}
	for _, s := range []string{"", "#ann", "/ann", "a b", "a\u202eb", "~x", "a~b", strings.Repeat("x", MaxNick+1), "\xff"} {
		if err := CheckNick(s); !errors.Is(err, ErrName) {
			t.Errorf("nick %q: %v", s, err)
		}
	}
	if err := errors.Join(CheckName("#küche"), CheckNick("Zoë")); err != nil {
		t.Error(err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package room

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/chat/relay"
)

// A hub does what it likes with what comes to bob. He notices, and is shown
// nothing that was not said as it is shown.
func TestMaliciousHub(t *testing.T) {
	const (
		one, two, three = "message ann  one", "message ann  two", "message ann  three"
		missing         = "! missing"
	)
	for name, c := range map[string]struct {
		// bend gets the three messages of ann, and two of cat.
		bend func(ann, cat [][]byte) [][]byte
		want []string
	}{
		"honest": {func(a, _ [][]byte) [][]byte { return a }, []string{one, two, three}},
		"reorders": {func(a, _ [][]byte) [][]byte { return [][]byte{a[0], a[2], a[1]} },
			[]string{one, two, three, "! reordered"}},
		"drops one": {func(a, _ [][]byte) [][]byte { return [][]byte{a[0], a[2]} },
			[]string{one, missing, three}},
		"drops the last": {func(a, _ [][]byte) [][]byte { return a[:2] },
			[]string{one, two, missing}}, // with the next greeting
		"replays": {func(a, _ [][]byte) [][]byte { return append(a, a[1]) },
			[]string{one, two, three, "! replayed"}},
		"replays at once": {func(a, _ [][]byte) [][]byte { return slices.Insert(a, 0, a[0]) },
			[]string{one, "! replayed", two, three}},
		"swaps senders": {func(a, c [][]byte) [][]byte {
			return append(a, withSender(a[2], c[0]))
		}, []string{one, two, three, "! forged"}},
		"swaps senders and numbers": {func(a, c [][]byte) [][]byte {
			return append(a, append(bytes.Clone(c[0][:58]), a[2][58:]...)) // all but the suite and what is sealed
		}, []string{one, two, three, "! forged"}},
		"changes a bit": {func(a, _ [][]byte) [][]byte {
			a[2] = bytes.Clone(a[2])
			a[2][len(a[2])-1] ^= 1
			return a
		}, []string{one, two, "! forged", missing}},
		"makes something up": {func(a, _ [][]byte) [][]byte { return append(a, []byte("hello"), make([]byte, 200)) },
			[]string{one, two, three, "! forged"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ann, bob, cat := w.join("ann"), w.join("bob"), w.join("cat")
			w.pass(5 * time.Second)
			bob.seen()
			fromAnn := [][]byte{ann.say("one"), ann.say("two"), ann.say("three")}
			fromCat := [][]byte{cat.say("meow"), cat.say("purr")}
			all := c.bend(slices.Clone(fromAnn), slices.Clone(fromCat))
			first, last := len(w.log)-5, len(w.log)
			bob.bend = func(n int, e []byte) [][]byte {
				switch {
				case n == first:
					return all
				case n > first && n < last:
					return nil // cat's, too
				}
				return [][]byte{e}
			}
			w.pass(2 * time.Minute)
			// What cat said is missed, and what others answered to it.
			got := slices.DeleteFunc(bob.seen(), func(s string) bool { return s == "! unseen" })
			fromHere := 0
			for _, s := range got {
				if s == missing {
					fromHere++
				}
			}
			if fromHere == 0 {
				t.Error("bob does not notice that cat's words are missing")
			}
			slices.Reverse(got)
			if i := slices.Index(got, missing); i >= 0 {
				got = slices.Delete(got, i, i+1)
			}
			slices.Reverse(got)
			if name == "drops the last" || name == "changes a bit" { // either one may be noticed first
				slices.Sort(got)
				slices.Sort(c.want)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("bob saw %q, expected %q", got, c.want)
			}
		})
	}
}

// withSender gives an envelope another sender.
func withSender(e, other []byte) []byte {
	e = bytes.Clone(e)
	copy(e[relay.IDSize:], other[relay.IDSize:2*relay.IDSize])
	return e
}

// TestSplicedRooms: what was said in one room does not come out in another.
func TestSplicedRooms(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(5 * time.Second)
	bob.seen()
	other, err := New(w.key, "#other", ann.self, ann.place, "ann", w.now)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	p, err := other.Say("elsewhere", w.now)
	if err != nil {
		t.Fatal(err)
	}
	spliced := bytes.Clone(p.Envelope)
	roomID := bob.ID()
	copy(spliced, roomID[:])
	for _, e := range [][]byte{p.Envelope, spliced} {
		bob.warned = time.Time{}
		bob.events = bob.Receive(e, w.now)
		bob.saw("! forged")
	}
}

// TestOldConversation: a hub plays what was said yesterday to a newcomer, all
// of it, in order, with nobody there.
func TestOldConversation(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(time.Second)
	ann.say("attack at dawn")
	bob.say("agreed")
	w.pass(time.Minute)
	old := slices.Clone(w.log)

	w.members, w.now = nil, w.now.Add(24*time.Hour)
	cat := w.join("cat")
	w.log = append(w.log, old...)
	w.pass(2 * staleAfter)
	cat.saw("! stale", "! stale")
	if n := len(cat.Members()); n != 1 {
		t.Errorf("%d members seem to be there", n)
	}
}

// TestHubKeepsOneSenderBack: somebody answers what bob was not given.
func TestHubKeepsOneSenderBack(t *testing.T) {
	w := newWorld(t)
	ann, bob, cat := w.join("ann"), w.join("bob"), w.join("cat")
	w.pass(5 * time.Second)
	bob.seen()
	cat.say("shall we?")
	hidden := len(w.log) - 1
	bob.bend = func(n int, e []byte) [][]byte {
		if n == hidden {
			return nil
		}
		return [][]byte{e}
	}
	w.deliver()
	ann.say("yes")
	w.deliver()
	bob.saw("! unseen", "message ann  yes")
}

// TestMemberForges: somebody with the room's key writes in ann's name. It can
// be done (docs/chat.md says so), and is noticed when ann writes.
func TestMemberForges(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(5 * time.Second)
	bob.seen()
	forger, err := New(w.key, "#room", &Identity{ann.self.key, ann.self.ID}, ann.place, "ann", w.now)
	if err != nil {
		t.Fatal(err)
	}
	defer forger.Close()
	forger.seq, forger.prev, forger.after = ann.seq, ann.prev, ann.after
	p, err := forger.Say("send money", w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.log = append(w.log, p.Envelope)
	w.deliver()
	ann.say("hello")
	ann.say("is anybody there?")
	w.deliver()
	bob.saw("message ann  send money", "! replayed", "! broken", "message ann  is anybody there?")
	if got := ann.seen(); !slices.Contains(got, "! forged") {
		t.Errorf("ann saw %q", got)
	}
}

// TestBounds: members with the key cannot make us keep without end.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(time.Second)
	bob.seen()
	m := bob.members[ann.self.ID]
	ann.seq += 10 // never sent
	for range 3 * maxHeld {
		ann.say("flood")
	}
	w.deliver()
	if len(m.held) > maxHeld {
		t.Errorf("%d messages are held", len(m.held))
	}
	if n := len(bob.events); n < 2*maxHeld {
		t.Errorf("%d of %d messages were shown", n, 3*maxHeld)
	}
	for range 3 * maxKnown {
		bob.anyHash()
	}
	if len(bob.Room.seen.ring) > maxKnown || len(bob.Room.seen.set) > maxKnown {
		t.Errorf("%d hashes are kept", len(bob.Room.seen.set))
	}
}

// anyHash adds a hash.
func (p *player) anyHash() {
	var h hash
	rand.Read(h[:])
	p.Room.seen.add(h)
}

// TestNonsense: who has the key may still send what means nothing.
func TestNonsense(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann"), w.join("bob")
	w.pass(time.Second)
	bob.seen()
	for _, k := range []kind{0, 99, kindHere, kindOffer} {
		p, err := ann.seal(k, ann.Suite(), w.now, func(*relay.Envelope) ([]byte, error) { return []byte("x"), nil })
		if err != nil {
			t.Fatal(err)
		}
		bob.warned = time.Time{}
		bob.events = bob.Receive(p.Envelope, w.now)
		if got := bob.seen(); len(got) != 1 || !strings.HasPrefix(got[0], "! forged") {
			t.Errorf("kind %d: bob saw %q", k, got)
		}
	}
}

// FuzzMessage: what is sealed by somebody with the key may be anything.
func FuzzMessage(f *testing.F) {
	f.Add((&message{kind: kindSay, nick: "ann", body: []byte("hello")}).marshal())
	f.Add((&message{kind: kindHere, nick: "ann", body: (&here{joining: true, answers: []hash{{1}}}).marshal()}).marshal())
	f.Add((&message{kind: kindOffer, nick: "ann", body: (&Offer{Size: 1, Name: "../x"}).Marshal()}).marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		if !bytes.Equal(m.marshal(), b) {
			t.Errorf("%x became %x", b, m.marshal())
		}
	})
}

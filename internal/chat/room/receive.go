// SPDX-License-Identifier: Apache-2.0

package room

import (
	"errors"
	"math"
	"slices"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/suite"
)

// Receive takes what the hub sent for this room and returns what is to be
// shown. Nothing of it is believed that the room's key does not vouch for.
func (r *Room) Receive(envelope []byte, now time.Time) []Event {
	e, err := relay.ParseEnvelope(envelope)
	if err != nil || e.Room != r.id {
		return r.notAuthentic(now)
	}
	h := hashOf(envelope)
	if e.Sender == r.self.ID {
		return r.echo(&e, h, now)
	}
	m := r.members[e.Sender]
	if r.place.Suites()&e.Suite == 0 {
		if m == nil || !m.fresh || !r.unreadable.IsZero() && now.Sub(r.unreadable) < missingAfter {
			return nil // those who are here do not know yet what we can open
		}
		r.unreadable = now
		// It cannot be checked, so it says nothing of whom it claims to be.
		return []Event{warning(NoSuite, ID{}, "something came in %s, which the place that computes our AES does not have: who sent it cannot be told, and it was dropped", e.Suite)}
	}
	if m == nil && len(r.members) >= maxMembers && !r.forget(now) {
		return r.once(now, warning(Crowded, e.Sender, "there are more than %d members: some are not shown", maxMembers))
	}
	known := m != nil
	if !known {
		m = &member{id: e.Sender, next: e.Seq, lenient: true, openers: map[suite.ID]*suite.Opener{}, held: map[uint64]*heldMessage{}}
	}
	plain, err := r.open(m, &e)
	if err != nil {
		if errors.Is(err, suite.ErrCipher) {
			return append(r.notAuthentic(now), warning(NoSuite, m.id, "the cipher failed: something was not opened"))
		}
		return r.notAuthentic(now)
	}
	msg, err := parseMessage(plain)
	clear(plain)
	if err != nil {
		return r.notAuthentic(now) // somebody with the key sends nonsense
	}
	if !known {
		m.waitFrom = now
		g, err := parseHere(msg.body)
		m.later = msg.kind == kindHere && err == nil && g.joining && r.claimed
		r.members[m.id] = m
	}
	if r.seen.has(h) || e.Seq < m.next {
		return r.again(m, now)
	}
	m.heard = now // not by what came again: anybody on the hub can send that
	var events []Event
	if m.resync {
		if events = r.goOn(m, e.Seq, now); e.Seq < m.next { // what waited had that number
			return append(events, r.again(m, now)...)
		}
	}
	r.seen.add(h)
	r.after = h
	if e.Seq > m.next {
		return append(events, r.hold(m, &heldMessage{msg, e, h}, now)...)
	}
	events = append(events, r.take(m, &heldMessage{msg, e, h}, now)...)
	return append(events, r.release(m, now)...)
}

// goOn has a member's numbers go on with that of the first message after a
// loss (see Lost). Members say again first what has no place yet, so what is
// missing before that number will not come: what waited for it is taken.
func (r *Room) goOn(m *member, seq uint64, now time.Time) []Event {
	m.resync = false
	var events []Event
	for first, ok := m.firstHeld(); ok && first <= seq && m.next < seq; first, ok = m.firstHeld() {
		events = append(events, r.skip(m, now)...)
	}
	if m.next < seq { // something of this member is lost, so it has to be shown to be there anew
		m.next, m.linked, m.fresh = seq, false, false
	}
	return events
}

// open opens an envelope with the keys of its sender.
func (r *Room) open(m *member, e *relay.Envelope) ([]byte, error) {
	if e.Salt == m.salt {
		if o := m.openers[e.Suite]; o != nil {
			return o.Open(e.Seq, e.Head(nil), e.Sealed)
		}
	}
	secret := senderSecret(r.secret, e)
	defer clear(secret)
	o, err := suite.NewOpener(r.place, e.Suite, secret)
	if err != nil {
		return nil, err
	}
	plain, err := o.Open(e.Seq, e.Head(nil), e.Sealed)
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	if e.Salt != m.salt { // it has gone on to its next keys
		m.close() // all that could fail is to forget
		m.salt, m.openers = e.Salt, map[suite.ID]*suite.Opener{}
	}
	m.openers[e.Suite] = o
	return plain, nil
}

// echo is a message of our own.
func (r *Room) echo(e *relay.Envelope, h hash, now time.Time) []Event {
	for i, p := range r.pending {
		if p.hash != h {
			continue
		}
		var events []Event
		if i > 0 {
			events = append(events, warning(Disorder, r.self.ID, "messages of ours came back in another order"))
		}
		r.pending = append(r.pending[:i:i], r.pending[i+1:]...)
		r.after = h
		r.claimed = true
		return append(events, Event{Type: Sent, From: r.self.ID, Nick: r.nick, Own: true, Seq: p.Seq})
	}
	if r.seen.has(h) || e.Seq < r.start {
		return nil // ours, and it came before, or is of when we were here before
	}
	return r.notAuthentic(now)
}

// hold keeps a message whose predecessors have not come.
func (r *Room) hold(m *member, h *heldMessage, now time.Time) []Event {
	var events []Event
	if len(m.held) == 0 {
		m.gapSince = now
	}
	if len(m.held) >= maxHeld {
		events = r.skip(m, now)
	}
	m.held[h.e.Seq] = h
	return append(events, r.release(m, now)...)
}

// release takes held messages whose turn has come.
func (r *Room) release(m *member, now time.Time) []Event {
	var events []Event
	took := false
	for {
		h := m.held[m.next]
		if h == nil {
			break
		}
		delete(m.held, h.e.Seq)
		events = append(events, r.take(m, h, now)...)
		took = true
	}
	if took && len(m.held) == 0 {
		m.gapSince = time.Time{}
		if m.linked && m.fresh {
			events = append(events, warning(Disorder, m.id, "messages of %s came in another order than they were sent: put right", r.display(m)))
		}
	} else if took {
		m.gapSince = now
	}
	return events
}

// firstHeld is the lowest number of a message that waits for one before it.
func (m *member) firstHeld() (first uint64, ok bool) {
	first = math.MaxUint64
	for seq := range m.held {
		first = min(first, seq)
	}
	return first, len(m.held) > 0
}

// skip gives up on messages that have not come.
func (r *Room) skip(m *member, now time.Time) []Event {
	first, ok := m.firstHeld()
	if !ok {
		return nil
	}
	events := []Event{warning(Missing, m.id, "%d messages of %s did not come", first-m.next, r.display(m))}
	m.next, m.linked = first, false
	h := m.held[first]
	delete(m.held, first)
	events = append(events, r.take(m, h, now)...)
	for h := m.held[m.next]; h != nil; h = m.held[m.next] {
		delete(m.held, m.next)
		events = append(events, r.take(m, h, now)...)
	}
	m.gapSince = time.Time{}
	if len(m.held) > 0 {
		m.gapSince = now
	}
	return events
}

// take takes the next message of a member.
func (r *Room) take(m *member, h *heldMessage, now time.Time) []Event {
	var events []Event
	if m.linked && h.m.prev != m.chain {
		events = append(events, warning(Broken, m.id, "the messages of %s do not follow from each other: somebody with the room's key may write in that name", r.display(m)))
	}
	m.next, m.chain, m.linked = h.e.Seq+1, h.h, true

	if r.fresh.has(h.m.after) || r.answered(h.m) {
		m.lenient = false
		if !m.fresh {
			m.fresh, r.heard = true, true
			events = append(append(events, r.arrive(m, h.m)...), r.waited(m, h)...)
		}
	} else if m.fresh && !m.lenient && h.m.after != (hash{}) && !r.seen.has(h.m.after) {
		events = append(events, warning(Unseen, m.id, "%s answers a message that did not come to us", r.display(m)))
	}
	if m.fresh {
		r.fresh.add(h.h)
		events = append(events, r.arrive(m, h.m)...)
		return append(events, r.act(m, h, now)...)
	}
	if len(m.waiting) == 0 {
		m.waitFrom = now
	}
	for _, e := range r.act(m, h, now) {
		m.waiting = append(m.waiting, waiting{e, h.m.nick, h.e.Seq})
	}
	if len(m.waiting) > maxWaiting {
		m.waiting = m.waiting[len(m.waiting)-maxWaiting:]
	}
	return events
}

// waited returns what a member said before it was shown to be there, by h. Who
// is called what may have changed since. What is older than h says that it can
// be is dropped: a hub could play us what was said before we came.
func (r *Room) waited(m *member, h *heldMessage) []Event {
	var events []Event
	stale := false
	for _, w := range m.waiting {
		if h.e.Seq-w.seq > uint64(h.m.recent) {
			stale = true
			continue
		}
		if w.Type != Warning {
			w.Nick = r.nameFor(m, w.nick)
		}
		if w.Type == Topic {
			r.topic, r.topicBy = w.Text, w.Nick
		}
		events = append(events, w.Event)
	}
	m.waiting = nil
	if stale {
		events = append([]Event{warning(Stale, m.id, "messages of %s were dropped: they are old", r.display(m))}, events...)
	}
	return events
}

// answered says whether a message answers a greeting that is known to be fresh.
func (r *Room) answered(m *message) bool {
	if m.kind != kindHere {
		return false
	}
	g, err := parseHere(m.body)
	return err == nil && slices.ContainsFunc(g.answers, r.fresh.has)
}

// greetSoon says that we are here within a time that grows with the room.
func (r *Room) greetSoon(now time.Time, others int) {
	at := now.Add(answerEach + jitter(min(time.Duration(others)*answerEach, maxAnswer)))
	if r.greetAt.IsZero() || at.Before(r.greetAt) {
		r.greetAt = at
	}
}

// act does what a message says, and returns what is to be shown of it.
func (r *Room) act(m *member, h *heldMessage, now time.Time) []Event {
	event := Event{From: m.id, Nick: r.nameFor(m, h.m.nick), Text: string(h.m.body), Seq: h.e.Seq}
	switch h.m.kind {
	case kindSay:
		event.Type = Said
	case kindAct:
		event.Type = Acted
	case kindTopic:
		event.Type = Topic
		if m.fresh {
			r.topic, r.topicBy = event.Text, event.Nick
		}
	case kindOffer:
		o, err := parseOffer(h.m.body)
		if err != nil {
			return nil
		}
		event.Type, event.Text, event.Offer = Offered, "", &o
	case kindPrivate:
		return r.told(m, h, event)
	case kindHere:
		r.met(m, h, now)
		return nil
	case kindLeave:
		if !m.present {
			return nil
		}
		m.present = false
		r.vacate(m)
		event.Type, event.Text = Went, ""
	}
	return []Event{event}
}

// met takes a greeting.
func (r *Room) met(m *member, h *heldMessage, now time.Time) {
	g, err := parseHere(h.m.body)
	if err != nil || memberID(g.public[:]) != m.id {
		return // somebody with the key, under another's ID: it stays without effect
	}
	m.told, m.suites, m.public = true, g.suites, g.public
	if g.joining || !m.greeted {
		m.greeted = true
		r.greeted = append(r.greeted, h.h)
		r.greetSoon(now, r.present())
	}
}

// told is a message for one member alone.
func (r *Room) told(m *member, h *heldMessage, event Event) []Event {
	if len(h.m.body) < relay.IDSize || ID(h.m.body) != r.self.ID {
		return nil
	}
	plain, err := r.openFrom(m, forMessages, &h.e, h.m.body[relay.IDSize:])
	if err != nil || len(plain) == 0 {
		return []Event{warning(Forged, m.id, "a private message in the name of %s is not authentic: dropped", r.display(m))}
	}
	event.Text = string(plain[1:])
	switch kind(plain[0]) {
	case kindSay:
		event.Type = Told
	case kindAct:
		event.Type = ToldAct
	case kindOffer:
		o, err := parseOffer(plain[1:])
		if err != nil {
			return nil
		}
		event.Type, event.Text, event.Offer = Offered, "", &o
	default:
		return nil
	}
	return []Event{event}
}

// notAuthentic counts what was dropped, and says so now and then: whoever is
// between us and the others could fill the screen with it.
func (r *Room) notAuthentic(now time.Time) []Event {
	r.forged++
	if !r.warned.IsZero() && now.Sub(r.warned) < missingAfter {
		return nil
	}
	n := r.forged
	r.forged = 0
	return r.once(now, warning(Forged, ID{}, "%d messages are not authentic and were dropped: the hub, or who is between, or somebody with another key sends them", n))
}

func (r *Room) once(now time.Time, e Event) []Event {
	if !r.warned.IsZero() && now.Sub(r.warned) < missingAfter {
		return nil
	}
	r.warned = now
	return []Event{e}
}

// again counts what was dropped because it came before, and says so now and
// then, as notAuthentic.
func (r *Room) again(m *member, now time.Time) []Event {
	r.replayed++
	if !r.replayedAt.IsZero() && now.Sub(r.replayedAt) < missingAfter {
		return nil
	}
	n := r.replayed
	r.replayed, r.replayedAt = 0, now
	if n > 1 {
		return []Event{warning(Replayed, m.id, "%d messages came again, or with the number of another, the last one of %s: dropped", n, r.display(m))}
	}
	return []Event{warning(Replayed, m.id, "a message of %s came again, or one with the number of another: dropped", r.display(m))}
}

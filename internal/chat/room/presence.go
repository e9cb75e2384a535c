// SPDX-License-Identifier: Apache-2.0

package room

import (
	"time"

	"vcrypto/internal/chat/safetext"
)

// arrive notes that a member is here, under the nick that its message has.
func (r *Room) arrive(m *member, msg *message) []Event {
	var events []Event
	came, old := !m.present, m.shown
	if came || m.nick != msg.nick {
		events = append(events, r.yield(m, msg, came)...)
		r.vacate(m)
		m.nick = msg.nick
		m.shown = r.claim(m)
	}
	switch {
	case came:
		m.present = true
		events = append(events, Event{Type: Came, From: m.id, Nick: m.shown})
	case old != m.shown:
		events = append(events, Event{Type: Renamed, From: m.id, Nick: m.shown, Old: old})
	}
	return events
}

// claim gives a member its nick, or, where another one has it, a name of its
// own.
func (r *Room) claim(m *member) string {
	folded := safetext.Fold(m.nick)
	holder, taken := r.nicks[folded]
	if folded == safetext.Fold(r.nick) || taken && holder != m.id {
		return unique(m.nick, m.id)
	}
	r.nicks[folded] = m.id
	return m.nick
}

// vacate gives a member's nick free.
func (r *Room) vacate(m *member) {
	if folded := safetext.Fold(m.nick); r.nicks[folded] == m.id {
		delete(r.nicks, folded)
	}
}

// nameFor is how the sender of a message is shown.
func (r *Room) nameFor(m *member, nick string) string {
	if m.present && m.nick == nick {
		return m.shown
	}
	if folded := safetext.Fold(nick); folded == safetext.Fold(r.nick) || r.nicks[folded] != (ID{}) && r.nicks[folded] != m.id {
		return unique(nick, m.id)
	}
	return nick
}

// yield gives our nick up to a member who had it first: one who claims it
// before our own claim has come back, or who has it, was not known to us, and
// did not come after that. All members see claims in the same order.
func (r *Room) yield(m *member, msg *message, came bool) []Event {
	if safetext.Fold(msg.nick) != safetext.Fold(r.nick) {
		return nil
	}
	claims := false
	if msg.kind == kindHere {
		h, err := parseHere(msg.body)
		claims = err == nil && h.claims
	}
	if claims && r.claimed || !claims && (!came || m.later) {
		return nil // it is ours: they are to find another one
	}
	old := r.nick
	r.nick = r.freeNick(old)
	r.claimed = false
	r.greetAt = time.Unix(0, 1) // at once
	return []Event{{Type: Taken, From: r.self.ID, Own: true, Nick: r.nick, Old: old}}
}

// freeNick finds a nick like one that is taken.
func (r *Room) freeNick(nick string) string {
	if len(nick) > MaxNick-9 {
		nick = nick[:MaxNick-9]
	}
	for len(nick) > 0 && CheckNick(nick) != nil {
		nick = nick[:len(nick)-1]
	}
	return nick + "-" + r.self.ID.Short()
}

// forget drops somebody who is gone, to make place.
func (r *Room) forget(now time.Time) bool {
	for id, m := range r.members {
		if !m.present && now.Sub(m.heard) > staleAfter {
			m.close()
			delete(r.members, id)
			return true
		}
	}
	return false
}

// Tick is called about every second, and when Next says. It returns what is to
// be shown, and whether it is time to send what Here returns.
func (r *Room) Tick(now time.Time) (events []Event, greet, claims bool) {
	for _, m := range r.members {
		if !m.gapSince.IsZero() && now.Sub(m.gapSince) > missingAfter {
			events = append(events, r.skip(m, now)...)
		}
		if len(m.waiting) > 0 && now.Sub(m.waitFrom) > staleAfter {
			m.waiting = nil
			events = append(events, warning(Stale, m.id, "messages that may be old were dropped: their sender, %s, does not show to be here", r.display(m)))
		}
		if m.present && now.Sub(m.heard) > silentAfter*r.every() {
			m.present = false
			r.vacate(m)
			events = append(events, Event{Type: Silent, From: m.id, Nick: m.shown})
		}
	}
	greet = !r.greetAt.IsZero() && !now.Before(r.greetAt) || now.Sub(r.saidAt) > r.every()
	return events, greet, !r.claimed
}

// Next is when Tick has something to do, if that is before long.
func (r *Room) Next() (time.Time, bool) { return r.greetAt, !r.greetAt.IsZero() }

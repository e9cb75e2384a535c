// SPDX-License-Identifier: Apache-2.0

package room

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/safetext"
	"vcrypto/internal/chat/suite"
)

// rekey goes on to fresh keys. Numbers go on.
func (r *Room) rekey(now time.Time) error {
	var errs []error
	for _, s := range r.sealers {
		errs = append(errs, s.Close())
	}
	r.sealers = map[suite.ID]*suite.Sealer{}
	rand.Read(r.salt[:]) // never fails (crypto/rand)
	r.begun, r.first = now, r.seq
	return errors.Join(errs...)
}

// seal makes the next message, and notes that it is to come back. body may
// depend on the envelope's header.
func (r *Room) seal(k kind, id suite.ID, now time.Time, body func(*relay.Envelope) ([]byte, error)) (Pending, error) {
	if r.seq-r.first >= rekeyMessages || now.Sub(r.begun) >= rekeyTime {
		if err := r.rekey(now); err != nil {
			return Pending{}, err
		}
	}
	e := relay.Envelope{Room: r.id, Sender: r.self.ID, Salt: r.salt, Seq: r.seq, Suite: id}
	b, err := body(&e)
	if err != nil {
		return Pending{}, err
	}
	s := r.sealers[id]
	if s == nil {
		secret := senderSecret(r.secret, &e)
		defer clear(secret)
		if s, err = suite.NewSealer(r.place, id, secret); err != nil {
			return Pending{}, err
		}
		r.sealers[id] = s
	}
	m := message{prev: r.prev, after: r.after, kind: k, recent: r.recent(now), nick: r.nick, body: b}
	head := e.Head(nil)
	envelope, err := s.Seal(head, e.Seq, head, m.marshal())
	if err != nil {
		return Pending{}, err
	}
	p := Pending{Seq: e.Seq, Envelope: envelope, hash: hashOf(envelope), said: k != kindHere && k != kindLeave}
	r.seq++
	r.prev, r.saidAt = p.hash, now
	r.sealedAt = append(r.sealedAt, now)
	r.seen.add(p.hash)
	r.fresh.add(p.hash)
	r.pending = append(r.pending, p)
	return p, nil
}

// recent counts what we sealed in the last staleAfter.
func (r *Room) recent(now time.Time) uint8 {
	old := max(0, len(r.sealedAt)-math.MaxUint8)
	for old < len(r.sealedAt) && now.Sub(r.sealedAt[old]) > staleAfter {
		old++
	}
	r.sealedAt = r.sealedAt[old:]
	return uint8(len(r.sealedAt))
}

func (r *Room) sealText(k kind, text string, now time.Time) (Pending, error) {
	if len(text) > MaxText {
		return Pending{}, fmt.Errorf("%d bytes of text, at most %d go in one message", len(text), MaxText)
	}
	if !utf8.ValidString(text) {
		return Pending{}, errors.New("the text is not UTF-8")
	}
	return r.seal(k, r.Suite(), now, func(*relay.Envelope) ([]byte, error) { return []byte(text), nil })
}

// Say, Act and SetTopic seal what they say.
func (r *Room) Say(text string, now time.Time) (Pending, error) {
	return r.sealText(kindSay, text, now)
}

// Act seals what we do.
func (r *Room) Act(text string, now time.Time) (Pending, error) {
	return r.sealText(kindAct, text, now)
}

// SetTopic seals a topic.
func (r *Room) SetTopic(text string, now time.Time) (Pending, error) {
	return r.sealText(kindTopic, text, now)
}

// Leave seals our goodbye.
func (r *Room) Leave(now time.Time) (Pending, error) { return r.sealText(kindLeave, "", now) }

// Here seals our greeting, which all can open. joining asks others for theirs.
func (r *Room) Here(joining, claims bool, now time.Time) (Pending, error) {
	r.greetAt = time.Time{}
	h := here{joining: joining, claims: claims, suites: r.place.Suites(), public: [32]byte(r.self.key.PublicKey().Bytes())}
	n := min(len(r.greeted), maxAnswers)
	h.answers, r.greeted = r.greeted[:n:n], r.greeted[n:]
	if len(r.greeted) > 0 {
		r.greetSoon(now, r.present())
	}
	return r.seal(kindHere, suite.CBC, now, func(*relay.Envelope) ([]byte, error) { return h.marshal(), nil })
}

// SetNick seals our new nick. It is an error if somebody has it.
func (r *Room) SetNick(nick string, now time.Time) (Pending, error) {
	if err := CheckNick(nick); err != nil {
		return Pending{}, err
	}
	if m := r.members[r.nicks[safetext.Fold(nick)]]; m != nil && m.present {
		return Pending{}, fmt.Errorf("%s has that nick", nick)
	}
	r.nick, r.claimed = nick, false
	return r.Here(false, true, now)
}

// Tell seals text for one member.
func (r *Room) Tell(to ID, text string, act bool, now time.Time) (Pending, error) {
	k := kindSay
	if act {
		k = kindAct
	}
	if len(text) > MaxText || !utf8.ValidString(text) {
		return Pending{}, fmt.Errorf("%d bytes of text: at most %d of UTF-8 go in one message", len(text), MaxText)
	}
	return r.tell(to, k, []byte(text), now)
}

func (r *Room) tell(to ID, k kind, body []byte, now time.Time) (Pending, error) {
	m := r.members[to]
	if m == nil || !m.present {
		return Pending{}, ErrAbsent
	}
	return r.seal(kindPrivate, r.Suite(), now, func(e *relay.Envelope) ([]byte, error) {
		sealed, err := r.sealFor(m, forMessages, e, append([]byte{byte(k)}, body...))
		return append(m.id[:], sealed...), err
	})
}

// Offer seals the offer of a file, for all or, if to is not zero, for one.
func (r *Room) Offer(o *Offer, to ID, now time.Time) (Pending, error) {
	if to != (ID{}) {
		return r.tell(to, kindOffer, o.Marshal(), now)
	}
	return r.seal(kindOffer, r.Suite(), now, func(*relay.Envelope) ([]byte, error) { return o.Marshal(), nil })
}

// Pending are the messages that have not come back, in order: to be sent again
// when there is another hub.
func (r *Room) Pending() []Pending { return r.pending }

// Unsaid counts those of them that are more than a greeting or goodbye.
func (r *Room) Unsaid() int {
	n := 0
	for _, p := range r.pending {
		if p.said {
			n++
		}
	}
	return n
}

// Lost notes that messages may have been missed which nobody keeps: numbers
// may go on anywhere, and what others answer may not have come to us. What
// came already and waits for something before it goes on waiting, since its
// sender may say that again. What Here(true, false) returns is to be sent: who
// is there has to be shown anew.
func (r *Room) Lost() {
	for _, m := range r.members {
		m.lenient, m.resync = true, true
	}
}

// Resumed notes that we were away until now: nobody else was silent.
func (r *Room) Resumed(now time.Time) {
	for _, m := range r.members {
		m.heard = now
		if !m.gapSince.IsZero() {
			m.gapSince = now
		}
	}
}

// Heard says whether somebody else showed to be here since we came. What was
// said before that is shown to others only with the next message, which is
// the first that can show them that we are.
func (r *Room) Heard() bool { return r.heard }

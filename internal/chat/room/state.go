// SPDX-License-Identifier: Apache-2.0

package room

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/safetext"
	"vcrypto/internal/chat/suite"
)

// Bounds of what is kept for others.
const (
	maxMembers = 4096 // of a room
	maxHeld    = 128  // messages of a member that wait for one before them
	maxWaiting = 64   // events of a member that was not shown to be there
	maxKnown   = 8192 // hashes of messages
)

// Times.
const (
	missingAfter = 10 * time.Second // a gap in somebody's numbers is taken to stay
	staleAfter   = 5 * time.Minute  // what was not shown to be fresh is dropped
	hereEvery    = 20 * time.Second // somebody who says nothing says so; more with many members
	hereEach     = 500 * time.Millisecond
	silentAfter  = 4                     // times that
	answerEach   = 40 * time.Millisecond // a member: greetings are spread over as long
	maxAnswer    = 30 * time.Second
)

// When a member goes on to its next keys.
const (
	rekeyMessages = 1 << 20
	rekeyTime     = time.Hour
)

// Room is a room that we are in. One goroutine uses it at a time.
type Room struct {
	name   string
	id     ID
	secret []byte
	self   *Identity
	place  suite.Place

	nick    string
	claimed bool // our claim of the nick has come back
	joined  time.Time

	// What we send.
	salt    [relay.IDSize]byte
	begun   time.Time // when this salt came into use
	first   uint64    // the first number under it
	start   uint64    // the first number since we entered
	seq     uint64    // of the next message
	sealers map[suite.ID]*suite.Sealer
	prev    hash
	pending []Pending
	saidAt  time.Time // when we last sent anything

	sealedAt []time.Time // our last messages, for recent

	blockSalt [relay.IDSize]byte
	blocks    uint64

	// What we know of others.
	members map[ID]*member
	nicks   map[string]ID // folded, of who is here
	after   hash          // the last message that we saw
	seen    *hashes       // authentic ones
	fresh   *hashes       // those that were sent since we came
	topic   string
	topicBy string

	heard   bool      // somebody else shows to be here
	greetAt time.Time // when to say that we are here; zero if nobody asked
	greeted []hash    // greetings to answer then
	forged  int       // since the last warning
	warned  time.Time

	replayed   int // since the last warning
	replayedAt time.Time
	unreadable time.Time // when we last warned of a suite that we lack
}

// Pending is a message of ours that has not come back yet.
type Pending struct {
	Seq      uint64
	Envelope []byte
	hash     hash
	said     bool // by the user: it is no greeting or goodbye
}

// member is another member.
type member struct {
	id      ID
	nick    string
	shown   string // the nick, made unique
	told    bool   // suites and public are known
	greeted bool   // we have answered, or are about to
	suites  suite.ID
	public  [32]byte
	later   bool // it came after our claim of our nick
	present bool
	heard   time.Time // when an authentic message came last

	salt    [relay.IDSize]byte
	openers map[suite.ID]*suite.Opener

	next     uint64 // number of the next message
	chain    hash   // of the one before
	linked   bool   // chain is that of number next-1
	fresh    bool   // is there, and not only played to us
	lenient  bool   // what it answers may have come before us
	resync   bool   // we were away: numbers go on anywhere
	held     map[uint64]*heldMessage
	gapSince time.Time
	waiting  []waiting
	waitFrom time.Time
}

// waiting is an event of a member that was not shown to be there yet.
type waiting struct {
	Event
	nick string // that its message had
	seq  uint64
}

type heldMessage struct {
	m *message
	e relay.Envelope
	h hash
}

// New enters a room: what Join returns is to be sent.
func New(k *Key, name string, self *Identity, p suite.Place, nick string, now time.Time) (*Room, error) {
	if err := errors.Join(CheckName(name), CheckNick(nick)); err != nil {
		return nil, err
	}
	r := &Room{
		name: name, id: k.RoomID(name), secret: k.expand("room", name, suite.SecretSize),
		self: self, place: p, nick: nick, joined: now,
		members: map[ID]*member{}, nicks: map[string]ID{},
		seen: newHashes(), fresh: newHashes(),
	}
	rand.Read(r.blockSalt[:]) // never fails (crypto/rand)
	return r, r.rekey(now)
}

// Position is how far a member is in what it sends in a room.
type Position struct {
	seq  uint64
	prev hash
}

// Position is where we are. Numbers never begin anew, so who leaves a room and
// enters it again, with the same identity, goes on from there.
func (r *Room) Position() Position { return Position{r.seq, r.prev} }

// Continue goes on from where we were when we left. It comes before all that
// is sent.
func (r *Room) Continue(p Position) {
	r.start, r.first, r.seq, r.prev = p.seq, p.seq, p.seq, p.prev
}

// Close gives all keys back.
func (r *Room) Close() error {
	var errs []error
	for _, s := range r.sealers {
		errs = append(errs, s.Close())
	}
	for _, m := range r.members {
		errs = append(errs, m.close())
	}
	r.sealers, r.members = nil, nil
	clear(r.secret)
	return errors.Join(errs...)
}

func (m *member) close() error {
	var errs []error
	for _, o := range m.openers {
		errs = append(errs, o.Close())
	}
	m.openers = nil
	return errors.Join(errs...)
}

// Name, ID, Nick and Topic are what they say.
func (r *Room) Name() string { return r.name }

// ID is what the hub knows the room by.
func (r *Room) ID() ID { return r.id }

// Nick is ours.
func (r *Room) Nick() string { return r.nick }

// Topic is the last one set since we came, and by whom.
func (r *Room) Topic() (text, by string) { return r.topic, r.topicBy }

// Member is somebody who is in the room, as shown.
type Member struct {
	Nick string
	ID   ID
	Own  bool
}

// Members are all that are here, as far as we heard.
func (r *Room) Members() []Member {
	all := []Member{{r.nick, r.self.ID, true}}
	for _, m := range r.members {
		if m.present {
			all = append(all, Member{m.shown, m.id, false})
		}
	}
	return all
}

func (r *Room) display(m *member) string {
	if m.shown != "" {
		return m.shown
	}
	return unique(m.nick, m.id)
}

// unique is how somebody is shown whose nick another one has. A nick has no
// "~" of its own.
func unique(nick string, id ID) string { return nick + "~" + id.Short() }

func (r *Room) byNick(nick string) *member {
	if m := r.members[r.nicks[safetext.Fold(nick)]]; m != nil && m.present {
		return m
	}
	for _, m := range r.members {
		if m.present && m.shown == nick {
			return m
		}
	}
	return nil
}

// Has says whether somebody of that nick is here.
func (r *Room) Has(nick string) bool { return r.byNick(nick) != nil }

// NickOf is how somebody is shown who is here.
func (r *Room) NickOf(id ID) (nick string, here bool) {
	if m := r.members[id]; m != nil && m.present {
		return m.shown, true
	}
	return "", false
}

// present counts those who are here, ourselves too.
func (r *Room) present() int {
	n := 1
	for _, m := range r.members {
		if m.present {
			n++
		}
	}
	return n
}

// common is the set of suites that all who are here have.
func (r *Room) common() suite.ID {
	set := r.place.Suites()
	for _, m := range r.members {
		if m.present && !m.told {
			set &= suite.CBC
		} else if m.present {
			set &= m.suites | suite.CBC
		}
	}
	return set
}

func (r *Room) withSuites(theirs suite.ID) suite.ID {
	return (r.place.Suites() & (theirs | suite.CBC)).Best()
}

// Suite is what messages are sealed in just now.
func (r *Room) Suite() suite.ID { return r.common().Best() }

func (r *Room) every() time.Duration {
	return hereEvery + time.Duration(r.present())*hereEach
}

// hashes is a set of the last maxKnown hashes.
type hashes struct {
	set  map[hash]struct{}
	ring []hash
	at   int
}

func newHashes() *hashes { return &hashes{set: map[hash]struct{}{}} }

func (s *hashes) has(h hash) bool { _, ok := s.set[h]; return ok }

func (s *hashes) add(h hash) {
	if s.has(h) {
		return
	}
	s.set[h] = struct{}{}
	if len(s.ring) < maxKnown {
		s.ring = append(s.ring, h)
		return
	}
	delete(s.set, s.ring[s.at])
	s.ring[s.at] = h
	s.at = (s.at + 1) % maxKnown
}

// jitter is a random time below d.
func jitter(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(max(d, 1))))
	if err != nil {
		return d
	}
	return time.Duration(n.Int64())
}

func warning(k Problem, from ID, format string, args ...any) Event {
	return Event{Type: Warning, Kind: k, From: from, Text: fmt.Sprintf(format, args...)}
}

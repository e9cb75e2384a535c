// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"vcrypto/engine"
	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
)

// tracer is a data queue's worker that follows one request at a time on its
// way, and logs where it was when: times, lengths, session and status, never a
// key or data. A queue that is not traced has a dataWorker instead, which knows
// nothing of this.
type tracer struct {
	*dataWorker
	engine engine.Worker // the real one
	log    *slog.Logger
	pause  time.Duration // between two requests that are followed
	next   time.Time     // when the next one may be

	kicked time.Time // the newest kick; zero if it was used
	on     bool      // a request is followed
	r      *request
	chain  *virtq.Chain
	place  []byte // of its status; nil without room
	status string
	batch  int // chains that were taken with it
	tag    int // its index in the available ring; negative: none

	kick, taken, submitted, done, answered time.Time
	session                                uint64
	what                                   string
	source                                 int // bytes
}

var _ virtio.Observer = (*tracer)(nil)

// newTracer wraps a worker so that at most perSecond requests a second are
// followed.
func newTracer(w *dataWorker, perSecond int) *tracer {
	t := &tracer{
		dataWorker: w, engine: w.engine,
		log:   w.d.log.With("queue", w.q.Index),
		pause: time.Second / time.Duration(perSecond),
	}
	w.engine = tracedEngine{w.engine, t}
	return t
}

// Kicked notes a kick.
func (t *tracer) Kicked() {
	if t.kicked.IsZero() {
		t.kicked = time.Now()
	}
}

// Handle follows the batch's first request, if it is time for one.
func (t *tracer) Handle(chains []*virtq.Chain) {
	if now := time.Now(); !t.on && !now.Before(t.next) {
		t.begin(now, chains)
	}
	t.kicked = time.Time{}
	t.dataWorker.Handle(chains)
	t.look()
}

func (t *tracer) begin(now time.Time, chains []*virtq.Chain) {
	t.on, t.next = true, now.Add(t.pause)
	t.chain, t.batch, t.tag = chains[0], len(chains), -1
	if next, ok := t.q.NextIndex(); ok {
		t.tag = int(next - uint16(len(chains)))
	}
	t.r = &t.all[t.chain.Index()] // that Handle will take for it
	t.place, t.status = nil, "none"
	if t.chain.WriteLen >= statusSize {
		readable, writable := t.chain.Segments()
		last := t.chain.Segment(readable + writable - 1)
		t.place = last[len(last)-1:]
	}
	t.kick, t.taken = t.kicked, now
	t.submitted, t.done, t.answered = time.Time{}, time.Time{}, time.Time{}
	t.session, t.what, t.source = 0, "refused", 0
}

// Poll sees whether the request is answered.
func (t *tracer) Poll(flush bool) bool {
	if !t.on || !t.answered.IsZero() {
		return t.dataWorker.Poll(flush)
	}
	// A flush makes unused requests forget their chains: look before it.
	pushed := t.dataWorker.Poll(false)
	t.look()
	if flush {
		pushed = t.dataWorker.Poll(true) || pushed
		t.look()
	}
	return pushed
}

// look notes when the request is answered.
func (t *tracer) look() {
	if !t.on || !t.answered.IsZero() {
		return
	}
	// What the engine gave back was answered at once, and what it does not get
	// was refused.
	if !t.done.IsZero() || t.submitted.IsZero() && !slices.Contains(t.ready, &t.r.Request) {
		t.answered = time.Now()
		if t.place != nil {
			t.status = Status(t.place[0]).String() // the driver has not seen it yet
		}
	}
}

// Published ends a trace: the driver sees the answer now.
func (t *tracer) Published(notified bool) {
	if !t.on || t.answered.IsZero() {
		return
	}
	now := time.Now()
	t.on = false
	start := t.taken
	attrs := []slog.Attr{
		slog.Int("tag", t.tag),
		slog.String("what", t.what),
		slog.Uint64("session", t.session),
		slog.Int("source", t.source),
		slog.Uint64("readable", t.chain.ReadLen),
		slog.Uint64("writable", t.chain.WriteLen),
		slog.Int("batch", t.batch),
		slog.Bool("kick", !t.kick.IsZero()),
	}
	if !t.kick.IsZero() {
		start = t.kick
	}
	for _, step := range []struct {
		name string
		at   time.Time
	}{{"taken", t.taken}, {"submitted", t.submitted}, {"done", t.done}, {"answered", t.answered}, {"used", now}} {
		if !step.at.IsZero() {
			attrs = append(attrs, slog.Duration(step.name, step.at.Sub(start)))
		}
	}
	attrs = append(attrs, slog.Bool("interrupt", notified), slog.String("status", t.status))
	t.log.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs...)
	t.chain, t.r, t.place = nil, nil, nil
}

// tracedEngine notes when the engine gets the request and gives it back.
type tracedEngine struct {
	engine.Worker
	t *tracer
}

// Submit passes requests on.
func (e tracedEngine) Submit(reqs []*engine.Request) int {
	t := e.t
	if t.on && t.submitted.IsZero() {
		for _, er := range reqs {
			if er.Owner == any(t.r) && t.r.chain == t.chain {
				t.submitted = time.Now()
				t.source = len(er.Src)
				t.describe()
			}
		}
	}
	return e.Worker.Submit(reqs)
}

// describe names what the request does, and its session.
func (t *tracer) describe() {
	kind := kindCipher
	if t.r.special {
		kind = t.r.extra.kind
	}
	t.what = kindNames[kind]
	if t.r.slot < 0 {
		t.what += ", no session"
		return
	}
	h := &t.held[t.r.slot]
	t.session = h.id
	if kind != kindHash && kind != kindMAC && kind != kindAKCipher {
		t.what += ", " + h.session.direction.String()
	}
}

// Reap passes requests back.
func (e tracedEngine) Reap(done []*engine.Request, m engine.ReapMode) int {
	n := e.Worker.Reap(done, m)
	if t := e.t; t.on && t.done.IsZero() {
		for _, er := range done[:n] {
			if er.Owner == any(t.r) {
				t.done = time.Now()
			}
		}
	}
	return n
}

var kindNames = [...]string{
	kindCipher: "cipher", kindChain: "chain", kindHash: "hash", kindMAC: "mac", kindAEAD: "aead", kindAKCipher: "akcipher",
}

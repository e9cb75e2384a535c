// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// composite is several engines as one: its members, best first.
//
// Its sessions are the members' own, so a batch that the first member can do
// passes through untouched. A session with limits has a second one, of the
// next member that can open it and is no last resort. It is opened with the
// first, so that no key is kept, and closed with it.
type composite struct {
	name    string
	members []Engine
	support []Support
	last    []bool // by member: it is a last resort

	// first are the members that an algorithm goes to before all others,
	// where that is not for their order to say.
	first map[Algorithm][]int

	// others: a session was opened that is not the first member's. limited is
	// how many sessions have a second. While these are false and 0, workers
	// need not look at requests.
	others  atomic.Bool
	limited atomic.Int64

	mu      sync.RWMutex
	types   map[reflect.Type]int // the member that sessions of a type are of
	seconds map[Session]second
}

// second is the session that requests go to that the first cannot take.
type second struct {
	member  int
	session Session
}

// newComposite takes the engines over. support is what it lets them do.
func newComposite(name string, members []Engine, support []Support) *composite {
	c := &composite{
		name:    name,
		members: members,
		support: support,
		types:   make(map[reflect.Type]int),
		seconds: make(map[Session]second),
	}
	for _, m := range members {
		c.last = append(c.last, lastResort(m))
	}
	return c
}

func (c *composite) Name() string { return c.name }

func (c *composite) Algorithms() []Support { return c.support }

// NewSession opens a session of the first member that can.
func (c *composite) NewSession(p Params) (Session, error) {
	order := c.order(p.Algorithm)
	s, at, err := c.open(p, order)
	if err != nil {
		return nil, &Error{c.name, "new session", err}
	}
	member := order[at]
	var two second
	limited, ok := s.(LimitedSession)
	if have, _ := find(c.members[member].Algorithms(), p.Algorithm, len(p.Key)); ok && have.Limits {
		// Without a second its requests end NotSupported, as they must.
		rest := slices.DeleteFunc(order[at+1:], func(m int) bool { return c.last[m] })
		var next int
		if two.session, next, _ = c.open(p, rest); two.session != nil {
			two.member = rest[next]
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.types[reflect.TypeOf(s)] = member
	if member > 0 {
		c.others.Store(true)
	}
	if two.session != nil {
		c.seconds[s] = two
		c.limited.Add(1)
		limited.AtClose(func() { c.closed(s) })
	}
	return s, nil
}

// order lists the members that an algorithm is tried with, best first.
func (c *composite) order(a Algorithm) []int {
	order := append(make([]int, 0, len(c.members)), c.first[a]...)
	for i := range c.members {
		if !slices.Contains(order, i) {
			order = append(order, i)
		}
	}
	return order
}

// open opens a session of the first of the members that can, and says which
// of them that was.
func (c *composite) open(p Params, members []int) (Session, int, error) {
	err := fmt.Errorf("%s: %w", p.Algorithm, ErrNotSupported)
	if _, ok := find(c.support, p.Algorithm, -1); !ok {
		return nil, 0, err
	}
	for i, m := range members {
		if _, ok := find(c.members[m].Algorithms(), p.Algorithm, -1); !ok {
			continue
		}
		s, e := c.members[m].NewSession(p)
		if e == nil {
			return s, i, nil
		}
		err = e
		if !errors.Is(e, ErrNotSupported) {
			break
		}
	}
	return nil, 0, err
}

// closed ends the second session of a first that was closed.
func (c *composite) closed(s Session) {
	c.mu.Lock()
	two := c.seconds[s]
	delete(c.seconds, s)
	c.mu.Unlock()
	c.limited.Add(-1)
	two.session.Close()
}

func (c *composite) second(s Session) (second, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	two, ok := c.seconds[s]
	return two, ok
}

// member finds whose session it is. Somebody else's is the first member's to
// refuse.
func (c *composite) member(t reflect.Type) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.types[t]
}

func (c *composite) Close() error {
	var errs []error
	for _, m := range c.members {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// NewWorker makes a worker of each member.
func (c *composite) NewWorker(cfg WorkerConfig) (Worker, error) {
	w := &compositeWorker{
		c:      c,
		wake:   make(chan struct{}, 1),
		queues: make([][]*Request, len(c.members)),
		moved:  make([]moved, 0, cfg.Depth),
	}
	wake := cfg.Wake
	cfg.Wake = func() {
		select {
		case w.wake <- struct{}{}:
		default: // it will look anyhow
		}
		if wake != nil {
			wake()
		}
	}
	for i, m := range c.members {
		mw, err := m.NewWorker(cfg)
		if err != nil {
			w.Close()
			return nil, err
		}
		w.workers = append(w.workers, mw)
		w.queues[i] = make([]*Request, 0, cfg.Depth)
	}
	return w, nil
}

// compositeWorker is a worker of each member. A request that the first cannot
// take is moved to the second when it is reaped.
type compositeWorker struct {
	c       *composite
	workers []Worker

	// queues holds, for each member, requests that it did not take yet.
	queues [][]*Request
	moved  []moved

	// at is the member that is being reaped; back says that a request was
	// moved to one that had its turn already.
	at   int
	back bool

	// What the last request's session was, and whose: most are alike.
	lastType   reflect.Type
	lastMember int

	wake chan struct{}
}

// moved is a request that is another member's for now, and the session that
// its owner knows.
type moved struct {
	request *Request
	session Session
}

// Submit deals requests out to the members they belong to.
func (w *compositeWorker) Submit(reqs []*Request) int {
	if !w.c.others.Load() {
		return w.workers[0].Submit(reqs)
	}
	for i := 0; i < len(reqs); {
		m := w.memberOf(reqs[i])
		n := i + 1
		for n < len(reqs) && w.memberOf(reqs[n]) == m {
			n++
		}
		w.give(m, reqs[i:n])
		i = n
	}
	return len(reqs)
}

func (w *compositeWorker) memberOf(r *Request) int {
	if t := reflect.TypeOf(r.Session); t != w.lastType {
		w.lastType, w.lastMember = t, w.c.member(t)
	}
	return w.lastMember
}

// give submits requests to a member, behind those it has not taken yet, and
// keeps what it does not take now.
func (w *compositeWorker) give(m int, reqs []*Request) {
	if len(w.queues[m]) == 0 {
		reqs = reqs[w.workers[m].Submit(reqs):]
	}
	w.queues[m] = append(w.queues[m], reqs...)
}

// push submits to a member what it did not take before.
func (w *compositeWorker) push(m int) {
	if q := w.queues[m]; len(q) > 0 {
		w.queues[m] = slices.Delete(q, 0, w.workers[m].Submit(q))
	}
}

// Reap reaps the members' workers, best first, so that what one cannot take
// goes to the next at once. What goes to one before it has another round.
func (w *compositeWorker) Reap(done []*Request, mode ReapMode) int {
	each := mode
	if mode == Wait {
		each = Flush
	}
	for {
		n := 0
		w.back = false
		for m, mw := range w.workers {
			w.at = m
			for len(w.queues[m]) > 0 || mw.Held() > 0 {
				w.push(m)
				k := mw.Reap(done[n:], each)
				k = w.settle(done[n : n+k])
				n += k
				// More only if it now has room for what it did not take.
				if k == 0 || n == len(done) || len(w.queues[m]) == 0 {
					break
				}
			}
		}
		if w.back && n == 0 {
			continue
		}
		if n > 0 || mode != Wait || w.Held() == 0 || len(done) == 0 {
			return n
		}
		w.wait()
	}
}

// wait returns when a member may have finished a request. All that only needs
// a flush had one; a member that still holds requests works elsewhere, and
// calls Wake.
func (w *compositeWorker) wait() { <-w.wake }

// settle takes out of reaped requests those that another member is to do, and
// gives it to them. It returns the number of the others, in front.
func (w *compositeWorker) settle(reaped []*Request) int {
	if len(w.moved) == 0 && w.c.limited.Load() == 0 {
		return len(reaped)
	}
	kept := 0
	for _, r := range reaped {
		if !w.restore(r) && r.Status == NotSupported && w.move(r) {
			continue
		}
		reaped[kept] = r
		kept++
	}
	return kept
}

// restore gives a request that had been moved its session back, and reports
// whether it had.
func (w *compositeWorker) restore(r *Request) bool {
	if len(w.moved) == 0 {
		return false
	}
	i := slices.IndexFunc(w.moved, func(m moved) bool { return m.request == r })
	if i < 0 {
		return false
	}
	r.Session = w.moved[i].session
	w.moved = slices.Delete(w.moved, i, i+1)
	return true
}

// move gives a request to the second member of its session, if it has one.
func (w *compositeWorker) move(r *Request) bool {
	two, ok := w.c.second(r.Session)
	if !ok {
		return false
	}
	w.moved = append(w.moved, moved{r, r.Session})
	w.back = w.back || two.member < w.at
	r.Session, r.Status = two.session, Pending
	w.queues[two.member] = append(w.queues[two.member], r) // Reap comes to it
	return true
}

// Held counts what the members hold, and what they have not taken.
func (w *compositeWorker) Held() int {
	n := 0
	for m, mw := range w.workers {
		n += mw.Held() + len(w.queues[m])
	}
	return n
}

// Abandon passes it on to the members that know it.
func (w *compositeWorker) Abandon() {
	for _, mw := range w.workers {
		if a, ok := mw.(Abandoner); ok {
			a.Abandon()
		}
	}
}

func (w *compositeWorker) Close() error {
	var errs []error
	for _, mw := range w.workers {
		errs = append(errs, mw.Close())
	}
	return errors.Join(errs...)
}

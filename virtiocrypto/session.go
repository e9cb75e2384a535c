// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"errors"
	"sync"
	"sync/atomic"

	"vcrypto/engine"
)

// A session's ID is its slot in the table and, above it, how often the slot
// was used, so that an old ID does not soon name a new session. IDs are
// positive in 32 bits: some front-ends keep them so.
const (
	slotBits = 16
	useBits  = 15
)

// Errors of sessions. Test with errors.Is.
var (
	ErrNoSession   = errors.New("no such session")
	ErrTooMany     = errors.New("all sessions of the device are in use")
	ErrUnsupported = errors.New("not supported by the device")
	ErrParams      = errors.New("session parameters do not hold together")
)

// kind is what requests a session takes, and what a request is.
type kind uint8

const (
	kindCipher kind = iota
	kindChain
	kindHash
	kindMAC
	kindAEAD
	kindAKCipher
)

// session is an open session of the device.
type session struct {
	id        uint64
	direction engine.Direction
	engine    engine.Session

	// What each request is checked against, in the form that is quickest.
	kind      kind
	ivSize    uint8  // bytes, of a cipher
	partBlock uint32 // the bits of a length that are 0 in whole blocks
	quickOp   uint32 // the opcode of requests that quick knows
	result    uint32 // bytes: a hash's or MAC's result, an AEAD's tag

	hash      engine.Session   // of a chain
	hashFirst bool             // of a chain
	aead      engine.Algorithm // of an AEAD
	ops       uint8            // bits 1<<engine.Op, of a public-key session

	dead atomic.Bool
	// refs counts the table's own reference and one for each worker that has
	// requests of the session in flight. At 0 the engine's session is closed.
	refs atomic.Int32
	gone chan struct{} // closed then
}

// close zeroes the keys.
func (s *session) close() {
	s.engine.Close()
	if s.hash != nil {
		s.hash.Close()
	}
}

// ref takes a reference unless the session is being destroyed.
func (s *session) ref() bool {
	for {
		n := s.refs.Load()
		if n == 0 || s.dead.Load() {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *session) unref() {
	if s.refs.Add(-1) == 0 {
		s.close()
		close(s.gone)
	}
}

// sessionTable holds a device's sessions. Looking one up takes no lock.
type sessionTable struct {
	slots []atomic.Pointer[session]

	mu   sync.Mutex
	uses []uint16 // by slot
	free []uint16 // slots, the one unused for longest first
}

func newSessionTable(n int) *sessionTable {
	t := &sessionTable{
		slots: make([]atomic.Pointer[session], n),
		uses:  make([]uint16, n),
		free:  make([]uint16, n),
	}
	for i := range t.free {
		t.free[i] = uint16(i)
	}
	return t
}

func slotOf(id uint64) int { return int(id & (1<<slotBits - 1)) }

// add gives s an ID and makes it known.
func (t *sessionTable) add(s *session) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) == 0 {
		return ErrTooMany
	}
	slot := t.free[0]
	t.free = t.free[1:]
	t.uses[slot] = t.uses[slot]%(1<<useBits-1) + 1
	s.id = uint64(t.uses[slot])<<slotBits | uint64(slot)
	s.quickOp = quickOpOf(s)
	s.refs.Store(1)
	s.gone = make(chan struct{})
	t.slots[slot].Store(s)
	return nil
}

// get returns the session with an ID, with a reference, or nil.
func (t *sessionTable) get(id uint64) *session {
	slot := slotOf(id)
	if slot >= len(t.slots) {
		return nil
	}
	s := t.slots[slot].Load()
	if s == nil || s.id != id || !s.ref() {
		return nil
	}
	return s
}

// destroy takes a session out of the table and returns when its last request
// is done and its key is gone.
func (t *sessionTable) destroy(id uint64) error {
	s := t.remove(id)
	if s == nil {
		return ErrNoSession
	}
	s.dead.Store(true)
	s.unref()
	<-s.gone
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = append(t.free, uint16(slotOf(id)))
	return nil
}

// remove takes a session out of the table, or returns nil.
func (t *sessionTable) remove(id uint64) *session {
	slot := slotOf(id)
	if slot >= len(t.slots) {
		return nil
	}
	s := t.slots[slot].Load()
	if s == nil || s.id != id || !t.slots[slot].CompareAndSwap(s, nil) {
		return nil
	}
	return s
}

// destroyAll destroys every session.
func (t *sessionTable) destroyAll() {
	for i := range t.slots {
		if s := t.slots[i].Load(); s != nil {
			t.destroy(s.id)
		}
	}
}

// CreateSession opens a session and returns its ID. Errors wrap ErrTooMany,
// ErrUnsupported or ErrParams, or come from the engine; [StatusOf] gives the
// status that says the same.
func (d *Device) CreateSession(p SessionParams) (id uint64, err error) {
	if id, err = d.createSession(p); err != nil {
		d.counters.Errors.Add(1)
	}
	return id, err
}

// createSession does not count errors.
func (d *Device) createSession(p SessionParams) (id uint64, err error) {
	s, err := p.open(d)
	if err != nil {
		return 0, err
	}
	if err := d.sessions.add(s); err != nil {
		s.close()
		return 0, err
	}
	d.counters.Sessions.Add(1)
	if d.trace > 0 {
		d.log.Info("session opened", "session", s.id, "what", kindNames[s.kind])
	}
	return s.id, nil
}

// DestroySession closes a session: it returns when the last request that uses
// it is done and its key is gone. The error is ErrNoSession if there is none.
func (d *Device) DestroySession(id uint64) error { return d.sessions.destroy(id) }

// StatusOf returns the status that stands for an error of CreateSession.
func StatusOf(err error) Status {
	switch {
	case err == nil:
		return StatusOK
	case errors.Is(err, ErrUnsupported), errors.Is(err, engine.ErrNotSupported):
		return StatusNotSupp
	case errors.Is(err, ErrTooMany):
		return StatusNoSpc
	case errors.Is(err, ErrNoSession):
		return StatusInvSess
	}
	return StatusErr
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"fmt"

	"vcrypto/engine"
	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
)

// dataWorker serves a data queue: it makes engine requests of the chains of a
// batch, submits them together, and answers them as the engine returns them.
// It allocates nothing once it runs.
type dataWorker struct {
	d      *Device
	q      *virtio.Queue
	engine engine.Worker

	all []request // by the index of their chain

	// ready are parsed and not yet taken by the engine; done is where the
	// engine puts what it finished.
	ready []*engine.Request
	done  []*engine.Request

	hdr     [dataSize]byte // a copy of a header that is in pieces
	layout  layout         // what was negotiated
	service serviceParser  // for what is not a plain cipher request
	held    []heldSession  // by slot
	scratch scratch
	tally   tally

	throttle *throttle // nil without limits

	// abandoner is the engine's worker, if it knows how to; nil otherwise.
	abandoner engine.Abandoner

	// all[:dirty] may still lead to guest memory, which forget changes.
	dirty int
}

// request is a chain on its way through the engine. What a plain cipher
// request needs is in its first two cache lines.
type request struct {
	chain *virtq.Chain
	slot  int32 // of its session, or -1

	// special: anything but a plain cipher request; extra is its state.
	special bool

	// Where the result was made in scratch memory: what to give back there,
	// and where the result goes.
	scratch int

	engine.Request

	dst   virtq.Cursor
	extra *extra

	_ [40]byte // so that no two share a line
}

// heldSession is a session of which the queue has n requests in flight. Only
// the first and the last touch the session's shared count.
type heldSession struct {
	id      uint64 // of session
	n       int
	session *session
}

func newDataWorker(d *Device, q *virtio.Queue) (*dataWorker, error) {
	n := q.Size()
	ew, err := d.engine.NewWorker(engine.WorkerConfig{Depth: n, Wake: q.Wake})
	if err != nil {
		return nil, fmt.Errorf("data queue %d: %w", q.Index, err)
	}
	w := &dataWorker{
		d:        d,
		q:        q,
		engine:   ew,
		layout:   d.layout,
		throttle: d.newThrottle(),
		all:      make([]request, n),
		ready:    make([]*engine.Request, 0, n),
		done:     make([]*engine.Request, n),
		held:     make([]heldSession, len(d.sessions.slots)),
	}
	w.abandoner, _ = ew.(engine.Abandoner)
	if w.throttle != nil {
		q.SetLimiter(w.throttle)
	}
	extras := make([]extra, n)
	for i := range w.all {
		r := &w.all[i]
		r.Owner = r
		r.extra = &extras[i]
	}
	return w, nil
}

// Handle parses a batch and submits it.
func (w *dataWorker) Handle(chains []*virtq.Chain) {
	if w.throttle != nil {
		w.throttle.charge(chains)
	}
	dirty := w.dirty
	for _, c := range chains {
		i := c.Index()
		r := &w.all[i]
		dirty = max(dirty, i+1)
		if w.quick(r, c) {
			w.ready = append(w.ready, &r.Request)
			continue
		}
		r.chain = c
		r.slot = -1
		r.scratch = 0
		if status := w.parse(r); status != StatusOK {
			w.answer(r, status)
			continue
		}
		w.ready = append(w.ready, &r.Request)
	}
	w.dirty = dirty
	w.submit()
}

// submit hands ready requests to the engine, as many as it takes.
func (w *dataWorker) submit() {
	n := w.engine.Submit(w.ready)
	w.ready = w.ready[:copy(w.ready, w.ready[n:])]
}

// Poll answers what the engine finished.
func (w *dataWorker) Poll(flush bool) (pushed bool) {
	mode := engine.Poll
	// What the engine did not take waits for room in it, which a flush makes.
	if flush || len(w.ready) > 0 {
		mode = engine.Flush
	}
	if w.reap(mode) {
		pushed = true
	}
	w.tally.add(&w.d.counters)
	if len(w.ready) > 0 {
		w.submit()
	}
	if flush {
		w.forget()
	}
	return pushed
}

// Hurry gives up public-key requests that wait for others of their kind.
func (w *dataWorker) Hurry() {
	if w.abandoner != nil {
		w.abandoner.Abandon()
	}
}

// forget drops what requests still know of guest memory, which may be unmapped
// when the queue is idle.
func (w *dataWorker) forget() {
	if w.engine.Held() > 0 || len(w.ready) > 0 {
		return
	}
	for i := range w.all[:w.dirty] {
		r := &w.all[i]
		r.chain, r.Session, r.Src, r.Dst, r.dst = nil, nil, nil, nil, virtq.Cursor{}
	}
	w.dirty = 0
}

// reap answers what the engine finished and reports whether that was
// anything.
func (w *dataWorker) reap(mode engine.ReapMode) bool {
	if w.engine.Held() == 0 {
		return false
	}
	n := w.engine.Reap(w.done, mode)
	quick, bytes := 0, 0
	for _, er := range w.done[:n] {
		r := er.Owner.(*request)
		if r.Status != engine.OK || r.special || r.scratch > 0 {
			w.finish(r)
			continue
		}
		// What finish and answer do for the commonest request.
		if h := &w.held[r.slot]; h.n > 1 {
			h.n--
		} else {
			w.release(int(r.slot))
		}
		quick++
		bytes += len(r.Src)
		c := r.chain
		c.SetLast(byte(StatusOK))
		w.q.Push(c, uint32(c.WriteLen))
	}
	w.tally.operations += uint64(quick)
	w.tally.bytes += uint64(bytes)
	return n > 0
}

// finish answers a request that comes back from the engine.
func (w *dataWorker) finish(r *request) {
	if r.special {
		w.finishSpecial(r)
		return
	}
	status := StatusErr
	switch r.Status {
	case engine.OK:
		status = StatusOK
		if r.scratch > 0 {
			r.dst.Write(r.Dst)
		}
		w.tally.operations++
		w.tally.bytes += uint64(len(r.Src))
	case engine.NotSupported:
		status = StatusNotSupp
	}
	w.answer(r, status)
}

// answer gives a request back to the driver. The status is the last byte of
// the writable part, so all of it counts as written.
func (w *dataWorker) answer(r *request, s Status) {
	if s != StatusOK {
		w.tally.errors++
	}
	if r.slot >= 0 {
		w.release(int(r.slot))
	}
	if r.scratch > 0 {
		w.scratch.give(r.scratch)
	}
	c := r.chain
	written := uint32(c.WriteLen)
	if r.special {
		written = r.endSpecial(s, written)
	}
	if c.WriteLen >= statusSize {
		c.SetLast(byte(s))
	}
	w.q.Push(c, written)
}

// parse makes an engine request of r.chain. Any status but OK is the answer.
func (w *dataWorker) parse(r *request) Status {
	c := r.chain
	if c.WriteLen < statusSize {
		w.d.log.Debug("data request without room for a status", "queue", w.q.Index)
		return StatusErr
	}
	if w.layout.revision1 {
		return w.parseRevision1(r, c.Reader())
	}
	hdr, in := c.Reader().Take(dataSize)
	if hdr == nil { // it is in pieces, as few are
		if in.Read(w.hdr[:]) != len(w.hdr) {
			return StatusErr
		}
		hdr = w.hdr[:]
	}
	// Guest memory may change at any time: each field is read once, here.
	h := dataHeader{
		op:        le.Uint32(hdr[dataOpcode:]),
		sessionID: le.Uint64(hdr[dataSessionID:]),
		opType:    le.Uint32(hdr[reqOpType:]),
		ivLen:     le.Uint32(hdr[reqIVLen:]),
		srcLen:    le.Uint32(hdr[reqSrcLen:]),
		dstLen:    le.Uint32(hdr[reqDstLen:]),
	}
	if h.op > opCipherDecrypt || h.opType != SymOpCipher {
		copy(w.hdr[:], hdr)
		return w.parseLegacy(r, &w.hdr, in)
	}
	s := w.acquire(r, h.sessionID)
	if s == nil {
		return StatusInvSess
	}
	if s.kind != kindCipher {
		return StatusInvSess
	}
	r.Session = s.engine
	return w.parseCipher(r, s, h, dataSize, in)
}

// dataHeader is the copy of a data request's header that is checked and used.
type dataHeader struct {
	sessionID             uint64
	op, opType            uint32
	ivLen, srcLen, dstLen uint32
}

// acquire finds the session of a request and holds it until release.
func (w *dataWorker) acquire(r *request, id uint64) *session {
	slot := slotOf(id)
	if slot >= len(w.held) {
		return nil
	}
	h := &w.held[slot]
	if h.n == 0 {
		s := w.d.sessions.get(id)
		if s == nil {
			return nil
		}
		h.id, h.session = id, s
	} else if h.id != id || h.session.dead.Load() {
		return nil
	}
	h.n++
	r.slot = int32(slot)
	return h.session
}

func (w *dataWorker) release(slot int) {
	h := &w.held[slot]
	if h.n--; h.n == 0 {
		h.session.unref()
		h.session = nil
	}
}

// Close gives the engine's worker back.
func (w *dataWorker) Close() {
	if err := w.engine.Close(); err != nil {
		w.d.log.Error("closing an engine's worker", "queue", w.q.Index, "err", err)
	}
	w.scratch.erase()
	w.service.close()
}

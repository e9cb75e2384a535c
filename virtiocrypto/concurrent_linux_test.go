// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// watchedEngine sees to it that sessions are not used after they are closed,
// nor closed while they are used.
type watchedEngine struct {
	engine.Engine
	*watch
}

// watch is what was seen.
type watch struct{ open, errors atomic.Int64 }

type watchedSession struct {
	engine.Session
	*watch
	used   atomic.Int64
	closed atomic.Bool
}

func (s *watchedSession) Close() {
	if s.used.Load() != 0 || s.closed.Swap(true) {
		s.errors.Add(1)
	}
	s.open.Add(-1)
	s.Session.Close()
}

func (e watchedEngine) NewSession(p engine.Params) (engine.Session, error) {
	s, err := e.Engine.NewSession(p)
	if err != nil {
		return nil, err
	}
	e.open.Add(1)
	return &watchedSession{Session: s, watch: e.watch}, nil
}

func (e watchedEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	return &watchedWorker{Worker: w, sessions: make(map[*engine.Request]*watchedSession)}, err
}

type watchedWorker struct {
	engine.Worker
	sessions map[*engine.Request]*watchedSession
}

func (w *watchedWorker) Submit(reqs []*engine.Request) int {
	for _, r := range reqs {
		s, ok := r.Session.(*watchedSession)
		if !ok {
			continue // not taken the last time
		}
		s.used.Add(1)
		if s.closed.Load() {
			s.errors.Add(1)
		}
		w.sessions[r] = s
		r.Session = s.Session
	}
	return w.Worker.Submit(reqs)
}

func (w *watchedWorker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	n := w.Worker.Reap(done, mode)
	for _, r := range done[:n] {
		w.sessions[r].used.Add(-1)
		delete(w.sessions, r)
	}
	return n
}

// TestDestroyWhileInUse destroys sessions that two data queues are using. A
// request is either done with the right key or answered INVSESS; no session
// is closed under a request; after the destroy was answered all is INVSESS.
func TestDestroyWhileInUse(t *testing.T) {
	for _, h := range []habits{{}, {late: true}, {lazy: true}, {lanes: 8, late: true, room: 12, shuffled: true}} {
		t.Run(fmt.Sprintf("%+v", h), func(t *testing.T) {
			var watch watch
			o := options{
				engine: watchedEngine{newOddEngine(h), &watch},
				device: virtiocrypto.Options{DataQueues: 2, MaxSessions: 2},
			}
			onEachLink(t, o, func(m *machine) {
				const n = 16
				r := newRand(5)
				iv, src := random(r, 16), random(r, 512)
				var requests [2][n]*cryptodrv.Request
				for q := range requests {
					for i := range requests[q] {
						requests[q][i] = m.request(cryptodrv.Shape{IV: 16, Size: len(src), WriteCuts: []int{i * 32}})
					}
				}
				ok, invalid := 0, 0
				for range 60 {
					p := engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: random(r, 16)}
					want := reference(m, p, iv, src)
					id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, p.Key)
					var started, destroyed atomic.Bool
					var counts [2]struct{ ok, invalid int }
					var wg sync.WaitGroup
					for q := range requests {
						wg.Go(func() {
							for last := false; !last; {
								last = destroyed.Load()
								okBefore := counts[q].ok
								for _, req := range requests[q] {
									req.Fill(id, cryptodrv.OpCipherEncrypt, iv, src)
								}
								if err := sendAll(m.queues[q], requests[q][:]); err != nil {
									m.Error(err)
									return
								}
								for _, req := range requests[q] {
									switch s := req.Status(); {
									case s == virtiocrypto.StatusOK && bytes.Equal(req.Result(), want):
										counts[q].ok++
									case s == virtiocrypto.StatusInvSess:
										counts[q].invalid++
									default:
										m.Errorf("status %s, result right: %t", s, bytes.Equal(req.Result(), want))
									}
								}
								if last && counts[q].ok != okBefore {
									m.Error("a session was used after it was destroyed")
								}
								started.Store(true)
							}
						})
					}
					for !started.Load() && !m.Failed() {
						runtime.Gosched() // the queues are at work when the session goes
					}
					if err := m.control.Destroy(id); err != nil {
						m.Error(err)
					}
					if watch.open.Load() != 0 {
						m.Error("the destroy was answered while the session was in use")
					}
					destroyed.Store(true)
					wg.Wait()
					if m.Failed() {
						return
					}
					for _, c := range counts {
						ok += c.ok
						invalid += c.invalid
					}
				}
				if ok == 0 || invalid == 0 {
					m.Errorf("%d requests done, %d answered INVSESS: the test did not test", ok, invalid)
				}
				if n := watch.errors.Load(); n > 0 {
					m.Errorf("%d sessions were closed too early or used too late", n)
				}
			})
		})
	}
}

// TestDestroyUnderLoad: a queue that always has requests of a session in
// flight, and always brings more, does not keep the session alive.
func TestDestroyUnderLoad(t *testing.T) {
	// A request takes longer than the driver needs to bring the next.
	var watch watch
	o := options{engine: watchedEngine{newOddEngine(habits{slow: 200 * time.Microsecond}), &watch}}
	onEachLink(t, o, func(m *machine) {
		const n = 32
		for range 5 {
			id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
			requests := make([]*cryptodrv.Request, n)
			for i := range requests {
				requests[i] = m.request(cryptodrv.Shape{IV: 16, Size: 1024})
				requests[i].Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
			}
			var wg sync.WaitGroup
			started, done := make(chan bool), make(chan bool)
			wg.Go(func() {
				used := make([]virtqdrv.Used, n)
				add := func(i uint64) {
					if err := requests[i].Add(m.data.Queue, i); err != nil {
						m.Error(err)
					}
				}
				for i := range uint64(n) {
					add(i)
				}
				stop := false
				for rounds := 0; m.data.InFlight() > 0; rounds++ {
					m.data.Show()
					k, err := m.data.Await(used)
					if err != nil {
						m.Error(err)
						return
					}
					select {
					case <-done:
						stop = true
					default:
					}
					for _, u := range used[:k] {
						if !stop {
							add(u.Cookie)
						}
					}
					if rounds == n {
						close(started)
					}
				}
			})
			<-started
			if err := m.control.Destroy(id); err != nil {
				m.Error(err)
			}
			if watch.open.Load() != 0 || watch.errors.Load() != 0 {
				m.Error("the destroy was answered while the session was in use")
			}
			close(done)
			wg.Wait()
		}
	})
}

// sendAll sends requests at once and waits for all of them.
func sendAll(q *cryptodrv.Queue, requests []*cryptodrv.Request) error {
	for i, r := range requests {
		r.Forget()
		if err := r.Add(q.Queue, uint64(i)); err != nil {
			return err
		}
	}
	q.Show()
	used := make([]virtqdrv.Used, len(requests))
	for done := 0; done < len(requests); {
		n, err := q.Await(used)
		if err != nil {
			return err
		}
		done += n
	}
	return nil
}

// TestHeaderChangesMeanwhile: time of check, time of use. A thread of the
// guest writes to headers and IVs while their requests run. Nothing but the
// destinations and the statuses changes, and each request is answered.
func TestHeaderChangesMeanwhile(t *testing.T) {
	o := options{device: virtiocrypto.Options{MaxSize: 64 << 10}}
	onEachLink(t, o, func(m *machine) {
		ids := []uint64{
			m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128),
			m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionDecrypt, key128),
			m.session(virtiocrypto.CipherAESECB, virtiocrypto.DirectionEncrypt, key128),
		}
		const n, size = 24, 512
		requests := make([]*cryptodrv.Request, n)
		for i := range requests {
			requests[i] = m.request(cryptodrv.Shape{IV: 16, Size: size, ReadCuts: []int{i * 3, 90 + i}, WriteCuts: []int{i}})
		}
		fence := m.fence()
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			r := newRand(6)
			lengths := []uint32{0, 1, 15, 16, 17, size - 16, size, size + 1, 64 << 10, 1 << 31, 1<<32 - 1}
			for !stop.Load() {
				req := requests[r.IntN(n)]
				h := req.Header(ids[r.IntN(len(ids))], uint32(r.IntN(3)))
				switch r.IntN(6) {
				case 0:
					h.IVLen = lengths[r.IntN(len(lengths))]
				case 1:
					h.SrcLen = lengths[r.IntN(len(lengths))]
				case 2:
					h.DstLen = lengths[r.IntN(len(lengths))]
				case 3:
					h.SrcLen = lengths[r.IntN(len(lengths))]
					h.DstLen = h.SrcLen
				case 4:
					h.SessionID ^= 1 << r.IntN(64)
				}
				req.SetHeader(h)
			}
		})
		statuses := make(map[virtiocrypto.Status]int)
		for range 400 {
			m.batch(m.data, n, func(i int) *cryptodrv.Request { return requests[i] })
			for _, r := range requests {
				statuses[r.Status()]++
			}
		}
		stop.Store(true)
		wg.Wait()
		fence.check()
		if len(statuses) < 3 {
			m.Errorf("statuses were %v: the test did not test", statuses)
		}
		m.works(0)
	})
}

// TestDescriptorsChangeMeanwhile: the same with the descriptors of a table. A
// queue that stops is started again.
func TestDescriptorsChangeMeanwhile(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		const size = 512
		id := m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionEncrypt, key128)
		r := m.request(cryptodrv.Shape{IV: 16, Size: size})
		r.Fill(id, cryptodrv.OpCipherEncrypt, key128, nil)
		where, err := m.mem.Alloc(8*virtqdrv.DescSize, 16)
		if err != nil {
			m.Fatal(err)
		}
		table := m.mem.Bytes(where)
		bufs := append(append([]virtqdrv.Buf{}, r.Readable...), r.Writable...)
		good := make([]virtqdrv.Desc, len(bufs))
		for i, b := range bufs {
			good[i] = virtqdrv.Desc{Addr: b.Addr, Len: b.Len, Flags: virtqdrv.FlagNext, Next: uint16(i + 1)}
			if i >= len(r.Readable) {
				good[i].Flags |= virtqdrv.FlagWrite
			}
			virtqdrv.PutDesc(table, i, good[i])
		}
		good[len(good)-1].Flags &^= virtqdrv.FlagNext
		virtqdrv.PutDesc(table, len(good)-1, good[len(good)-1])
		fence := m.fence()

		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			rnd := newRand(7)
			for !stop.Load() {
				i := rnd.IntN(len(good))
				d := good[i]
				switch rnd.IntN(8) {
				case 0:
					d.Len = rnd.Uint32() | 1<<31 // beyond memory
				case 1:
					d.Len = uint32(rnd.IntN(int(d.Len) + 1))
				case 2:
					d.Addr = rnd.Uint64() | guestAddr + guestSize // never in memory
				case 3:
					d.Next = uint16(rnd.IntN(8))
				case 4:
					d.Flags ^= virtqdrv.FlagNext
				case 5:
					if d.Flags&virtqdrv.FlagWrite == 0 {
						break // what is only read must stay so: the fence is around it
					}
					d.Flags ^= virtqdrv.FlagWrite
				case 6:
					d.Flags ^= virtqdrv.FlagIndirect
				}
				virtqdrv.PutDesc(table, i, d)
				for range rnd.IntN(1000) {
					if stop.Load() {
						break
					}
				}
				virtqdrv.PutDesc(table, i, good[i])
			}
		})
		answered, stopped := 0, 0
		q := m.data
		for range 2000 {
			used := q.RawUsedIdx()
			q.RawDesc(0, virtqdrv.Desc{Addr: where.Addr, Len: uint32(len(good) * virtqdrv.DescSize), Flags: virtqdrv.FlagIndirect})
			q.RawUsedEvent(used)
			q.RawSend(0)
			q.Kick()
			for q.RawUsedIdx() == used {
				if !m.link.gaveUp(0) {
					continue
				}
				stopped++
				m.resume(0, m.link.stop(0))
			}
			answered++
		}
		stop.Store(true)
		wg.Wait()
		fence.check()
		m.Logf("%d requests answered, the queue stopped %d times", answered, stopped)
		m.reset()
		m.works(0)
	})
}

// fence is guest memory that nobody may write to.
type fence struct {
	m        *machine
	from, to int
	pattern  []byte
}

// fence makes one of all memory that was not given out yet.
func (m *machine) fence() fence {
	m.Helper()
	b, err := m.mem.Alloc(0, 1)
	if err != nil {
		m.Fatal(err)
	}
	f := fence{m: m, from: int(b.Addr-guestAddr) + 1, to: int(b.Addr-guestAddr) + 2<<20}
	for i := f.from; i+8 <= f.to; i += 8 {
		binary.NativeEndian.PutUint64(m.all[i:], uint64(i)*0x9e37_79b9_7f4a_7c15)
	}
	f.pattern = bytes.Clone(m.all[f.from:f.to])
	return f
}

func (f fence) check() {
	f.m.Helper()
	if !bytes.Equal(f.m.all[f.from:f.to], f.pattern) {
		f.m.Error("memory outside all requests was written to")
	}
}

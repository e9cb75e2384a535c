// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/rand"
	"fmt"
	"slices"

	"vcrypto/engine"
)

// second is another implementation of what is measured: it says what the
// device should answer.
type second struct {
	c        Case
	keys     [][]byte
	engine   engine.Engine
	worker   engine.Worker
	sessions []engine.Session
	sealers  []engine.Session // of an AEAD that decrypts: what makes its input
}

// newSecond opens an engine other than the one that is measured.
func newSecond(not string, c Case, keys [][]byte) (_ *second, err error) {
	s := &second{c: c, keys: keys}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.engine, err = openOther(not, c.Algorithm); err != nil {
		return nil, err
	}
	for _, key := range keys {
		p := c.params(key)
		session, err := s.engine.NewSession(p)
		if err != nil {
			return nil, err
		}
		s.sessions = append(s.sessions, session)
		if c.Algorithm.Kind() != engine.AEAD || c.Direction != engine.Decrypt {
			continue
		}
		p.Direction = engine.Encrypt
		if session, err = s.engine.NewSession(p); err != nil {
			return nil, err
		}
		s.sealers = append(s.sealers, session)
	}
	s.worker, err = s.engine.NewWorker(engine.WorkerConfig{Depth: 1, Wake: func() {}})
	return s, err
}

// openOther opens the simplest engine that has an algorithm, and is not the
// named one if there is a choice. A last resort is none, if another has it.
func openOther(not string, a engine.Algorithm) (engine.Engine, error) {
	var fallback string
	drivers := engine.Drivers()
	slices.Reverse(drivers)
	// To look what a last resort has is to open it.
	slices.SortStableFunc(drivers, func(a, b engine.Driver) int {
		return min(len(a.May), 1) - min(len(b.May), 1)
	})
	for _, d := range drivers {
		if d.Rank == 0 || d.May != nil && fallback != "" || d.Probe(engine.Options{}) != nil {
			continue
		}
		e, err := engine.Open(d.Name, engine.Options{})
		if err != nil {
			continue
		}
		has := slices.ContainsFunc(e.Algorithms(), func(s engine.Support) bool { return s.Algorithm == a })
		if has && d.Name != not {
			return e, nil
		}
		if has {
			fallback = d.Name
		}
		e.Close()
	}
	return engine.Open(fallback, engine.Options{})
}

// inputs makes what requests work on, the keys in turn.
func (s *second) inputs(n int) ([]input, error) {
	all := make([]input, n)
	for i := range all {
		in := &all[i]
		*in = input{key: i % len(s.sessions), iv: make([]byte, s.c.Algorithm.IVSize()), src: make([]byte, s.c.Size)}
		rand.Read(in.iv) // never fails
		if err := s.c.fill(in.src, s.keys[in.key]); err != nil {
			return nil, err
		}
		var err error
		if s.sealers != nil {
			in.want = in.src
			in.src, err = s.answer(s.sealers[in.key], in.iv, in.src)
		} else {
			in.want, err = s.answer(s.sessions[in.key], in.iv, in.src)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// answer computes a result, with the tag behind it.
func (s *second) answer(session engine.Session, iv, src []byte) ([]byte, error) {
	r := engine.Request{
		Session: session, Src: src, Dst: make([]byte, s.c.resultSize()),
		IVLen: uint8(len(iv)), TagLen: uint8(s.c.tagSize()), Op: s.c.Op,
	}
	copy(r.IV[:], iv)
	s.worker.Submit([]*engine.Request{&r})
	s.worker.Reap(make([]*engine.Request, 1), engine.Wait)
	if r.Status != engine.OK {
		return nil, fmt.Errorf("the second implementation, %s, failed with status %d", s.engine.Name(), r.Status)
	}
	if s.c.Algorithm.Kind() == engine.PublicKey {
		return r.Dst[:r.N], nil
	}
	return append(r.Dst, r.Tag[:r.TagLen]...), nil
}

func (s *second) close() {
	if s.worker != nil {
		s.worker.Close()
	}
	for _, session := range append(s.sessions, s.sealers...) {
		session.Close()
	}
	if s.engine != nil {
		s.engine.Close()
	}
}

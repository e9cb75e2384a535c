// SPDX-License-Identifier: Apache-2.0

package place

import (
	"errors"
	"fmt"

	"vcrypto/engine"
	"vcrypto/internal/chat/suite"
)

// engineModes computes in an engine.
type engineModes struct{ e engine.Engine }

// Encrypter opens a session and a worker for it.
func (c engineModes) Encrypter(key []byte) (suite.BlockMode, error) {
	return c.cbc(key, engine.Encrypt)
}

// Decrypter opens a session and a worker for it.
func (c engineModes) Decrypter(key []byte) (suite.BlockMode, error) {
	return c.cbc(key, engine.Decrypt)
}

func (c engineModes) cbc(key []byte, d engine.Direction) (suite.BlockMode, error) {
	o, err := c.open(engine.Params{Algorithm: engine.AESCBC, Direction: d, Key: key})
	if err != nil {
		return nil, err
	}
	return &engineCBC{*o}, nil
}

// GCMSealer opens a session and a worker for it.
func (c engineModes) GCMSealer(key []byte) (suite.AEAD, error) { return c.gcm(key, engine.Encrypt) }

// GCMOpener opens a session and a worker for it.
func (c engineModes) GCMOpener(key []byte) (suite.AEAD, error) { return c.gcm(key, engine.Decrypt) }

func (c engineModes) gcm(key []byte, d engine.Direction) (suite.AEAD, error) {
	o, err := c.open(engine.Params{Algorithm: engine.AESGCM, Direction: d, Key: key, TagSize: suite.TagSize})
	if err != nil {
		return nil, err
	}
	return &engineGCM{*o, d}, nil
}

func (c engineModes) open(p engine.Params) (*engineSession, error) {
	s, err := c.e.NewSession(p)
	if err != nil {
		return nil, err
	}
	w, err := c.e.NewWorker(engine.WorkerConfig{Depth: 1})
	if err != nil {
		s.Close()
		return nil, err
	}
	return &engineSession{session: s, worker: w, what: fmt.Sprintf("engine %s: %s", c.e.Name(), p.Direction)}, nil
}

// engineSession is a session with a worker of its own: a chat has one message
// in the works at a time.
type engineSession struct {
	session engine.Session
	worker  engine.Worker
	what    string
	request engine.Request
}

// do does the request that m holds.
func (m *engineSession) do() error {
	n := len(m.request.Src)
	defer func() { m.request.Src, m.request.Dst, m.request.AAD = nil, nil, nil }()
	if m.worker.Submit([]*engine.Request{&m.request}) != 1 {
		return errors.New(m.what + ": the engine did not take the request")
	}
	var done [1]*engine.Request
	for m.worker.Held() > 0 {
		m.worker.Reap(done[:], engine.Wait) // sleeps until something is done
	}
	switch m.request.Status {
	case engine.OK:
		return nil
	case engine.BadTag:
		return suite.ErrForged
	case engine.NotSupported:
		return fmt.Errorf("%s of %d bytes: %w", m.what, n, engine.ErrNotSupported)
	}
	return fmt.Errorf("%s of %d bytes: the engine failed (status %d)", m.what, n, m.request.Status)
}

func (m *engineSession) Close() error {
	err := m.worker.Close()
	m.session.Close()
	return err
}

type engineCBC struct{ engineSession }

func (m *engineCBC) Crypt(dst, src, iv []byte) error {
	m.request = engine.Request{Session: m.session, Src: src, Dst: dst, IVLen: uint8(len(iv))}
	copy(m.request.IV[:], iv)
	return m.do()
}

type engineGCM struct {
	engineSession
	direction engine.Direction
}

func (m *engineGCM) Crypt(dst, src, aad, nonce []byte) error {
	m.request = engine.Request{Session: m.session, AAD: aad, IVLen: uint8(len(nonce)), TagLen: suite.TagSize}
	copy(m.request.IV[:], nonce)
	text := min(len(src), len(dst))
	m.request.Src, m.request.Dst = src[:text], dst[:text]
	if m.direction == engine.Decrypt {
		copy(m.request.Tag[:], src[text:])
		return m.do()
	}
	if err := m.do(); err != nil {
		return err
	}
	copy(dst[text:], m.request.Tag[:])
	return nil
}

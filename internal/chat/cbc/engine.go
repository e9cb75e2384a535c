// SPDX-License-Identifier: Apache-2.0

package cbc

import (
	"errors"
	"fmt"

	"vcrypto/engine"
	"vcrypto/internal/chat/wire"
)

// engineCBC computes in an engine.
type engineCBC struct{ e engine.Engine }

// Encrypter opens a session and a worker for it.
func (c engineCBC) Encrypter(key []byte) (wire.BlockMode, error) { return c.open(key, engine.Encrypt) }

// Decrypter opens a session and a worker for it.
func (c engineCBC) Decrypter(key []byte) (wire.BlockMode, error) { return c.open(key, engine.Decrypt) }

func (c engineCBC) open(key []byte, d engine.Direction) (wire.BlockMode, error) {
	s, err := c.e.NewSession(engine.Params{Algorithm: engine.AESCBC, Direction: d, Key: key})
	if err != nil {
		return nil, err
	}
	w, err := c.e.NewWorker(engine.WorkerConfig{Depth: 1})
	if err != nil {
		s.Close()
		return nil, err
	}
	return &engineMode{session: s, worker: w, what: fmt.Sprintf("engine %s: %s", c.e.Name(), d)}, nil
}

// engineMode is a session with a worker of its own: a chat has one message in
// the works at a time.
type engineMode struct {
	session engine.Session
	worker  engine.Worker
	what    string
	request engine.Request
}

func (m *engineMode) Crypt(dst, src, iv []byte) error {
	m.request = engine.Request{Session: m.session, Src: src, Dst: dst, IVLen: uint8(len(iv))}
	copy(m.request.IV[:], iv)
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
	case engine.NotSupported:
		return fmt.Errorf("%s of %d bytes: %w", m.what, len(src), engine.ErrNotSupported)
	}
	return fmt.Errorf("%s of %d bytes: the engine failed (status %d)", m.what, len(src), m.request.Status)
}

func (m *engineMode) Close() error {
	err := m.worker.Close()
	m.session.Close()
	return err
}

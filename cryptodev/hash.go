// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"fmt"
	"math"
	"syscall"
)

// Sum hashes a message in one call. sum has the hash's size; for a session
// with a cipher there is [Session.CryptSum].
func (s *Session) Sum(sum, message []byte) error {
	if err := s.checkHash(sum, message); err != nil {
		return &Error{opHash, s.dev.path, err}
	}
	return s.do(opHash, func() error { return s.crypt(Encrypt, nil, message, nil, sum, 0) })
}

func (s *Session) checkHash(sum, message []byte) error {
	if s.cipher != 0 {
		return fmt.Errorf("the session is for %s too: %w", s.cipher, syscall.EINVAL)
	}
	if err := s.checkSum(sum); err != nil {
		return err
	}
	return checkLen(message)
}

// checkSum checks the place of a result.
func (s *Session) checkSum(sum []byte) error {
	switch {
	case s.hash == 0:
		return fmt.Errorf("the session is for %s alone: %w", s.cipher, syscall.EINVAL)
	case len(sum) != s.hash.Size():
		return fmt.Errorf("%d bytes for the result, %s has %d: %w", len(sum), s.hash, s.hash.Size(), syscall.EINVAL)
	}
	return nil
}

// checkLen refuses what the API's structs have no room for.
func checkLen(b []byte) error {
	if uint64(len(b)) > math.MaxUint32 {
		return fmt.Errorf("%d bytes, at most %d in one request: %w", len(b), uint32(math.MaxUint32), syscall.EINVAL)
	}
	return nil
}

// Message is a message that comes in parts. It is an io.Writer. A session has
// one at a time, and it is not safe for concurrent use.
//
// A part costs a call. Drivers of devices keep the running hash in the kernel,
// since their wires have no form for it: parts are not faster than the kernel.
type Message struct {
	s     *Session
	begun bool
}

// Message begins a message on a session for a hash alone.
func (s *Session) Message() (*Message, error) {
	if s.hash == 0 || s.cipher != 0 {
		return nil, &Error{opHash, s.dev.path, fmt.Errorf("the session is not for a hash alone: %w", syscall.EINVAL)}
	}
	return &Message{s: s}, nil
}

// Reset begins anew.
func (m *Message) Reset() { m.begun = false }

// Write adds a part.
func (m *Message) Write(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil // to the API a part of nothing is the last
	}
	if err := checkLen(p); err != nil {
		return 0, &Error{opHash, m.s.dev.path, err}
	}
	flags := update
	if !m.begun {
		flags |= reset
	}
	if err := m.s.do(opHash, func() error { return m.s.crypt(Encrypt, nil, p, nil, nil, flags) }); err != nil {
		return 0, err
	}
	m.begun = true
	return len(p), nil
}

// Sum ends the message. sum has the hash's size. The next part written begins
// another message.
func (m *Message) Sum(sum []byte) error {
	if err := m.s.checkSum(sum); err != nil {
		return &Error{opHash, m.s.dev.path, err}
	}
	flags := final
	if !m.begun {
		flags |= reset
	}
	m.begun = false
	return m.s.do(opHash, func() error { return m.s.crypt(Encrypt, nil, nil, nil, sum, flags) })
}

// CopyTo makes another message of what was written to this one, by the call
// CIOCCPHASH. It is of another session of the same device and the same hash,
// which takes over the key too; what was written to it is forgotten.
func (m *Message) CopyTo(to *Message) error {
	if m.s.dev != to.s.dev || m.s.hash != to.s.hash || m.s == to.s {
		return &Error{opCopyHash, m.s.dev.path, fmt.Errorf("it takes two sessions of one device and one hash: %w", syscall.EINVAL)}
	}
	if !m.begun {
		to.begun = false
		return nil
	}
	err := m.s.do(opCopyHash, func() error {
		return to.s.do(opCopyHash, func() error { return m.s.copyHash(to.s) })
	})
	to.begun = to.begun || err == nil
	return err
}

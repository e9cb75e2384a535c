// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"vcrypto/internal/chat/suite"
)

// Conn is a connection to a peer that has proved to have our key.
//
// One goroutine sends and one receives; they may be two. It does not close
// the connection it runs over.
type Conn struct {
	suite       suite.ID
	fingerprint string
	out         sender
	in          receiver
}

// newConn opens the ciphers for r's end. It copies from k what it keeps.
func newConn(rw io.ReadWriter, r Role, id suite.ID, k *keys, p suite.Place) (*Conn, error) {
	mine, theirs := bytes.Clone(k.of(r).secret), bytes.Clone(k.of(r.peer()).secret)
	seal, err := suite.NewSealer(p, id, mine)
	if err != nil {
		return nil, fmt.Errorf("open the cipher for sending: %w", err)
	}
	open, err := suite.NewOpener(p, id, theirs)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the cipher for receiving: %w", err), seal.Close())
	}
	return &Conn{
		suite: id, fingerprint: printFingerprint(k.fingerprint),
		out: sender{
			w: rw, seal: seal, place: p, secret: mine, direction: r,
			rekeyRecords: rekeyRecords, rekeyTime: rekeyTime, begun: time.Now(),
		},
		in: receiver{
			r:    bufio.NewReaderSize(rw, headerSize+id.SealedSize(MaxPayload)),
			open: open, place: p, secret: theirs, direction: r.peer(),
		},
	}, nil
}

// Suite is what the two ends agreed on.
func (c *Conn) Suite() suite.ID { return c.suite }

// Fingerprint is 16 digits that are the same at both ends, and nowhere else.
func (c *Conn) Fingerprint() string { return c.fingerprint }

// Send sends one record. The payload, at most MaxPayload bytes, is borrowed
// for the call. An error is final: later calls return it again.
func (c *Conn) Send(k Kind, payload []byte) error { return c.out.send(k, payload) }

// Receive waits for the peer's next record. The payload is valid until the
// next call. All of it is authentic. An error is final: later calls return it
// again.
func (c *Conn) Receive() (Kind, []byte, error) { return c.in.receive() }

// Close gives the ciphers back and zeroes what was read and written. Calls
// that are under way finish first: close the connection underneath before.
func (c *Conn) Close() error {
	return errors.Join(c.out.close(), c.in.close())
}

var errClosed = errors.New("the connection is closed")

// sender seals records.
type sender struct {
	mu        sync.Mutex // held for a whole call, so that close waits
	w         io.Writer
	seal      *suite.Sealer
	place     suite.Place
	secret    []byte // of the keys in use
	direction Role
	next      uint64 // counter of the next record
	ended     bool   // End was sent
	frame     []byte
	err       error

	rekeyRecords uint64
	rekeyTime    time.Duration
	first        uint64    // counter of the first record of these keys
	begun        time.Time // when these keys came into use
}

func (s *sender) send(k Kind, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.sendLocked(k, payload)
	}
	return s.err
}

func (s *sender) sendLocked(k Kind, payload []byte) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("payload of %d bytes, at most %d: %w", len(payload), MaxPayload, ErrFrame)
	}
	if err := checkKind(k, len(payload)); err != nil {
		return err
	}
	if s.ended && (k == Data || k == Act || k == End) || k == rekey {
		return fmt.Errorf("record of kind %d here: %w", k, ErrFrame)
	}
	if s.next-s.first >= s.rekeyRecords || time.Since(s.begun) >= s.rekeyTime {
		if err := s.rekey(); err != nil {
			return err
		}
	}
	if err := s.write(k, payload); err != nil {
		return err
	}
	s.ended = s.ended || k == End
	return nil
}

func (s *sender) write(k Kind, payload []byte) error {
	frame, err := s.sealed(k, payload)
	if err != nil {
		return err
	}
	if _, err := s.w.Write(frame); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// rekey tells the peer, and goes on to the next keys.
func (s *sender) rekey() error {
	if err := s.write(rekey, nil); err != nil {
		return err
	}
	if err := next(s.secret); err != nil {
		return err
	}
	seal, err := suite.NewSealer(s.place, s.seal.Suite(), s.secret)
	if err != nil {
		return fmt.Errorf("open the cipher for sending anew: %w", err)
	}
	old := s.seal
	s.seal, s.first, s.begun = seal, s.next, time.Now()
	return old.Close()
}

// sealed makes the frame of the next record.
func (s *sender) sealed(k Kind, payload []byte) ([]byte, error) {
	var head [headerSize]byte
	header{
		length:    uint32(s.seal.Suite().SealedSize(len(payload))),
		counter:   s.next,
		direction: s.direction,
		kind:      k,
	}.put(head[:])
	frame, err := s.seal.Seal(append(s.frame[:0], head[:]...), s.next, head[:], payload)
	if err != nil {
		return nil, err
	}
	s.frame = frame
	s.next++
	return frame, nil
}

func (s *sender) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, errClosed) {
		return nil
	}
	s.err = errClosed
	clear(s.secret)
	return s.seal.Close()
}

// receiver opens records.
type receiver struct {
	mu        sync.Mutex // held for a whole call, so that close waits
	r         *bufio.Reader
	open      *suite.Opener
	place     suite.Place
	secret    []byte // of the keys in use
	direction Role
	next      uint64 // counter the next record must have
	ended     bool   // End was received
	frame     []byte
	err       error
}

func (r *receiver) receive() (Kind, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, nil, r.err
	}
	k, payload, err := r.receiveLocked()
	if err != nil {
		r.err = err
		return 0, nil, err
	}
	return k, payload, nil
}

func (r *receiver) receiveLocked() (Kind, []byte, error) {
	for {
		var head [headerSize]byte
		if _, err := io.ReadFull(r.r, head[:]); err != nil {
			return 0, nil, receiveFailed(err)
		}
		h, err := parseHeader(&head, r.open.Suite())
		if err != nil {
			return 0, nil, fmt.Errorf("receive: %w", err)
		}
		if cap(r.frame) < int(h.length) {
			r.frame = make([]byte, h.length)
		}
		sealed := r.frame[:h.length]
		if _, err := io.ReadFull(r.r, sealed); err != nil {
			return 0, nil, receiveFailed(err)
		}
		payload, err := r.opened(h, head[:], sealed)
		if err != nil {
			return 0, nil, fmt.Errorf("receive: %w", err)
		}
		if h.kind != rekey {
			return h.kind, payload, nil
		}
		if err := r.rekey(); err != nil {
			return 0, nil, err
		}
	}
}

// opened checks a record and decrypts it. h is the record's own header:
// nothing of it is believed before it is verified. A record with another
// number than the next is authentic under its own, or not at all: the error
// tells which.
func (r *receiver) opened(h header, head, sealed []byte) ([]byte, error) {
	payload, err := r.open.Open(h.counter, head, sealed)
	switch {
	case errors.Is(err, suite.ErrForged):
		return nil, fmt.Errorf("frame %d: %w: it was changed on the way, or is not the peer's", r.next, ErrForged)
	case errors.Is(err, suite.ErrSize):
		return nil, fmt.Errorf("frame %d: %w: %w", r.next, ErrFrame, err)
	case err != nil:
		return nil, err
	}
	if h.direction != r.direction {
		return nil, fmt.Errorf("frame %d has direction %d: %w", r.next, h.direction, ErrFrame)
	}
	if h.counter != r.next {
		return nil, fmt.Errorf("frame %d came where %d belongs: %w", h.counter, r.next, ErrOrder)
	}
	if err := checkKind(h.kind, len(payload)); err != nil {
		return nil, err
	}
	if r.ended && (h.kind == Data || h.kind == Act || h.kind == End) {
		return nil, fmt.Errorf("record of kind %d after the end: %w", h.kind, ErrFrame)
	}
	r.ended = r.ended || h.kind == End
	r.next++
	return payload, nil
}

// rekey follows the peer to its next keys.
func (r *receiver) rekey() error {
	if err := next(r.secret); err != nil {
		return err
	}
	open, err := suite.NewOpener(r.place, r.open.Suite(), r.secret)
	if err != nil {
		return fmt.Errorf("open the cipher for receiving anew: %w", err)
	}
	old := r.open
	r.open = open
	return old.Close()
}

func receiveFailed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return fmt.Errorf("receive: %w", err)
}

func (r *receiver) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(r.err, errClosed) {
		return nil
	}
	r.err = errClosed
	clear(r.secret)
	return r.open.Close()
}

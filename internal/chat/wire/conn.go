// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
)

// Conn is a connection to a peer that has proved to have our key.
//
// One goroutine sends and one receives; they may be two. It does not close
// the connection it runs over.
type Conn struct {
	out sender
	in  receiver
}

// newConn opens the ciphers for r's end. It copies from k what it keeps.
func newConn(rw io.ReadWriter, r Role, k *keys, c CBC) (*Conn, error) {
	mine, theirs := k.of(r), k.of(r.peer())
	enc, err := c.Encrypter(mine.cipher)
	if err != nil {
		return nil, fmt.Errorf("open the cipher for sending: %w: %w", ErrCipher, err)
	}
	dec, err := c.Decrypter(theirs.cipher)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the cipher for receiving: %w: %w", ErrCipher, err), enc.Close())
	}
	return &Conn{
		out: sender{
			w: rw, cbc: enc, mac: hmac.New(sha256.New, mine.mac), direction: r,
			plain: make([]byte, 0, maxPadded),
			frame: make([]byte, headerSize+maxBody),
		},
		in: receiver{
			r: bufio.NewReaderSize(rw, headerSize+maxBody), cbc: dec, mac: hmac.New(sha256.New, theirs.mac), direction: r.peer(),
			plain: make([]byte, maxPadded),
			frame: make([]byte, headerSize+maxBody),
		},
	}, nil
}

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
	cbc       BlockMode
	mac       hash.Hash
	direction Role
	next      uint64 // counter of the next record
	ended     bool   // End was sent
	plain     []byte
	frame     []byte
	err       error
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
	if s.ended && (k == Data || k == End) {
		return fmt.Errorf("record of kind %d after the end: %w", k, ErrFrame)
	}
	if s.next >= maxCount {
		return ErrTooLong
	}
	frame, err := s.seal(k, payload)
	if err != nil {
		return err
	}
	if _, err := s.w.Write(frame); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	s.ended = s.ended || k == End
	return nil
}

// seal makes the frame of the next record.
func (s *sender) seal(k Kind, payload []byte) ([]byte, error) {
	plain := pad(append(s.plain[:0], payload...))
	defer clear(plain)
	macAt := offCiphertext + len(plain)
	frame := s.frame[:macAt+macSize]
	header{
		length:    uint32(len(frame) - headerSize),
		counter:   s.next,
		direction: s.direction,
		kind:      k,
	}.put(frame)
	iv := frame[offIV:offCiphertext]
	rand.Read(iv) // never fails (crypto/rand)
	if err := s.cbc.Crypt(frame[offCiphertext:macAt], plain, iv); err != nil {
		return nil, fmt.Errorf("encrypt: %w, nothing was sent: %w", ErrCipher, err)
	}
	s.mac.Reset()
	s.mac.Write(frame[:macAt])
	s.mac.Sum(frame[macAt:macAt])
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
	clear(s.plain[:cap(s.plain)])
	return s.cbc.Close()
}

// receiver opens records.
type receiver struct {
	mu        sync.Mutex // held for a whole call, so that close waits
	r         *bufio.Reader
	cbc       BlockMode
	mac       hash.Hash
	direction Role
	next      uint64 // counter the next record must have
	ended     bool   // End was received
	plain     []byte
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
	if _, err := io.ReadFull(r.r, r.frame[:headerSize]); err != nil {
		return 0, nil, receiveFailed(err)
	}
	h, err := parseHeader((*[headerSize]byte)(r.frame))
	if err != nil {
		return 0, nil, fmt.Errorf("receive: %w", err)
	}
	frame := r.frame[:headerSize+int(h.length)]
	if _, err := io.ReadFull(r.r, frame[headerSize:]); err != nil {
		return 0, nil, receiveFailed(err)
	}
	payload, err := r.open(h, frame)
	if err != nil {
		return 0, nil, fmt.Errorf("receive: %w", err)
	}
	return h.kind, payload, nil
}

// open checks a frame and decrypts it. h is the frame's own header: nothing
// of it is believed before the MAC is verified.
func (r *receiver) open(h header, frame []byte) ([]byte, error) {
	macAt := len(frame) - macSize
	var want [macSize]byte
	r.mac.Reset()
	r.mac.Write(frame[:macAt])
	r.mac.Sum(want[:0])
	if !hmac.Equal(want[:], frame[macAt:]) {
		return nil, fmt.Errorf("frame %d: %w: it was changed on the way, or is not the peer's", r.next, ErrForged)
	}
	if h.direction != r.direction {
		return nil, fmt.Errorf("frame %d has direction %d: %w", r.next, h.direction, ErrFrame)
	}
	if h.counter != r.next {
		return nil, fmt.Errorf("frame %d came where %d belongs: %w", h.counter, r.next, ErrOrder)
	}
	if r.next >= maxCount {
		return nil, ErrTooLong
	}
	padded := r.plain[:macAt-offCiphertext]
	if err := r.cbc.Crypt(padded, frame[offCiphertext:macAt], frame[offIV:offCiphertext]); err != nil {
		return nil, fmt.Errorf("decrypt: %w: %w", ErrCipher, err)
	}
	payload, err := unpad(padded)
	if err != nil {
		return nil, err
	}
	if err := checkKind(h.kind, len(payload)); err != nil {
		return nil, err
	}
	if r.ended && (h.kind == Data || h.kind == End) {
		return nil, fmt.Errorf("record of kind %d after the end: %w", h.kind, ErrFrame)
	}
	r.ended = r.ended || h.kind == End
	r.next++
	return payload, nil
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
	clear(r.plain)
	return r.cbc.Close()
}

// SPDX-License-Identifier: Apache-2.0

package cryptodrv

import (
	"fmt"
	"slices"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
)

// Control makes and destroys sessions on a control queue. It belongs to one
// goroutine at a time.
type Control struct {
	// Form is the form of its requests.
	Form Form

	q *Queue

	// Guest memory for a request and its answer, used again and again.
	request, answer virtqdrv.Buf
}

const (
	maxControlRequest = ControlSize + 16384 // bytes; room for keys that are too long
	maxControlAnswer  = 64                  // bytes
)

// NewControl takes guest memory for one request at a time.
func NewControl(q *Queue) (*Control, error) {
	const align = 8
	request, err := q.Mem.Alloc(maxControlRequest, align)
	if err != nil {
		return nil, fmt.Errorf("control request: %w", err)
	}
	answer, err := q.Mem.Alloc(maxControlAnswer, align)
	if err != nil {
		return nil, fmt.Errorf("control answer: %w", err)
	}
	return &Control{q: q, request: request, answer: answer}, nil
}

// Exchange sends any control request, with room for so many bytes of answer,
// and returns what the device wrote of it. The request is erased afterwards:
// it may hold a key.
func (c *Control) Exchange(request []byte, room int) (answer []byte, err error) {
	if len(request) > maxControlRequest || room > maxControlAnswer {
		return nil, fmt.Errorf("control request of %d bytes with %d for its answer: %w", len(request), room, ErrShape)
	}
	var readable, writable []virtqdrv.Buf
	if len(request) > 0 {
		readable = []virtqdrv.Buf{{Addr: c.request.Addr, Len: uint32(len(request))}}
		b := c.q.Mem.Bytes(readable[0])
		copy(b, request)
		defer clear(b)
	}
	if room > 0 {
		writable = []virtqdrv.Buf{{Addr: c.answer.Addr, Len: uint32(room)}}
		clear(c.q.Mem.Bytes(writable[0]))
	}
	written, err := c.q.Exchange(readable, writable)
	if err != nil {
		return nil, err
	}
	if written > uint32(room) {
		return nil, fmt.Errorf("%d bytes written to %d: %w", written, room, virtqdrv.ErrDevice)
	}
	return slices.Clone(c.q.Mem.Bytes(c.answer)[:written]), nil
}

// Create makes a session. The error is a *StatusError where the device
// refused.
func (c *Control) Create(p virtiocrypto.SessionParams) (id uint64, err error) {
	request := c.Form.Control(p)
	defer clear(request)
	answer, err := c.Exchange(request, InputSize)
	if err != nil {
		return 0, fmt.Errorf("create session: %w", err)
	}
	if len(answer) < InputSize {
		return 0, fmt.Errorf("create session: %d bytes: %w", len(answer), ErrAnswer)
	}
	id, status := Input(answer)
	if status != virtiocrypto.StatusOK {
		return 0, fmt.Errorf("create session: %w", &StatusError{status})
	}
	return id, nil
}

// Destroy destroys a session. The error is a *StatusError where the device
// refused.
func (c *Control) Destroy(id uint64) error {
	answer, err := c.Exchange(c.Form.Destroy(OpCipherDestroy, id), DestroyAnswerSize)
	if err != nil {
		return fmt.Errorf("destroy session %#x: %w", id, err)
	}
	if len(answer) < DestroyAnswerSize {
		return fmt.Errorf("destroy session %#x: %w", id, ErrAnswer)
	}
	if status := virtiocrypto.Status(answer[0]); status != virtiocrypto.StatusOK {
		return fmt.Errorf("destroy session %#x: %w", id, &StatusError{status})
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio"
)

// QueueSetup says where a ring is and how it is used.
type QueueSetup struct {
	Size              int
	Desc, Avail, Used uint64 // guest physical addresses
	Base              uint16 // index of the first chain

	// Polled: there is neither kick nor call. The back-end polls the ring,
	// and so does the front-end.
	Polled bool
}

// FrontQueue is a queue as a front-end has it.
type FrontQueue struct {
	Index int

	// Kick is to be signalled when chains were made available, Call is
	// signalled when chains were used, Err when the back-end gave the ring
	// up. They are the front-end's, which closes them.
	Kick, Call, Err *virtio.Event
}

func (q *FrontQueue) close() {
	for _, e := range []*virtio.Event{q.Kick, q.Call, q.Err} {
		e.Close()
	}
}

// WaitCall waits until Call is signalled, takes the signal and reports
// whether it came in time.
func (q *FrontQueue) WaitCall(timeout time.Duration) bool { return waitEvent(q.Call, timeout) }

// WaitErr does the same for Err.
func (q *FrontQueue) WaitErr(timeout time.Duration) bool { return waitEvent(q.Err, timeout) }

func waitEvent(e *virtio.Event, timeout time.Duration) bool {
	for end := time.Now().Add(timeout); ; {
		left := max(time.Until(end), 0)
		// Rounded up: a poll of 0 ms does not wait at all.
		ms := int((left + time.Millisecond - 1) / time.Millisecond)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(e.FD()), Events: unix.POLLIN}}, ms)
		if n > 0 {
			e.Drain()
			return true
		}
		if err != unix.EINTR || left == 0 {
			return false
		}
	}
}

// SetupQueue tells the back-end of a ring. It runs when it is enabled; where
// FeatureProtocolFeatures was not negotiated, at once. A queue that was set
// up before keeps its events.
func (fe *FrontEnd) SetupQueue(i int, s QueueSetup) (*FrontQueue, error) {
	q := fe.queues[i]
	if q == nil {
		events, err := newEvents(3)
		if err != nil {
			return nil, err
		}
		q = &FrontQueue{Index: i, Kick: events[0], Call: events[1], Err: events[2]}
		fe.queues[i] = q
	}
	index := uint32(i)
	addr := VringAddr{Index: index, Desc: fe.user(s.Desc), Used: fe.user(s.Used), Avail: fe.user(s.Avail)}
	err := fe.Do(ReqSetVringNum, VringState{index, uint32(s.Size)}.Append(nil))
	if err == nil {
		err = fe.Do(ReqSetVringBase, VringState{index, uint32(s.Base)}.Append(nil))
	}
	if err == nil {
		err = fe.Do(ReqSetVringAddr, addr.Append(nil))
	}
	if err == nil {
		err = fe.SetEvent(ReqSetVringErr, i, q.Err)
	}
	kick, call := q.Kick, q.Call
	if s.Polled {
		kick, call = nil, nil
	}
	if err == nil {
		err = fe.SetEvent(ReqSetVringCall, i, call)
	}
	if err == nil {
		err = fe.SetEvent(ReqSetVringKick, i, kick)
	}
	if err != nil {
		return nil, fmt.Errorf("set up queue %d: %w", i, err)
	}
	return q, nil
}

// SetEvent sends SET_VRING_KICK, CALL or ERR with an event, or, with nil, with
// none. The event stays the caller's.
func (fe *FrontEnd) SetEvent(r Request, i int, e *virtio.Event) error {
	if i < 0 || i > vringFDIndex {
		return errors.New("no such queue index in the protocol")
	}
	p := VringFD{Index: uint8(i), None: e == nil}.Append(nil)
	if e == nil {
		return fe.Do(r, p)
	}
	return fe.Do(r, p, e.FD())
}

// Enable enables or disables a queue.
func (fe *FrontEnd) Enable(i int, on bool) error {
	s := VringState{Index: uint32(i)}
	if on {
		s.Num = 1
	}
	return fe.Do(ReqSetVringEnable, s.Append(nil))
}

// StopQueue stops a queue and returns the index at which it goes on.
func (fe *FrontEnd) StopQueue(i int) (base uint16, err error) {
	b, err := fe.Call(ReqGetVringBase, VringState{Index: uint32(i)}.Append(nil))
	if err != nil {
		return 0, err
	}
	s, err := DecodeVringState(b)
	if err != nil {
		return 0, err
	}
	if s.Index != uint32(i) || s.Num > maxBase {
		return 0, violation("queue %d stopped at %d, but queue %d was to stop", s.Index, s.Num, i)
	}
	return uint16(s.Num), nil
}

// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// monitor speaks QMP, QEMU's control protocol: JSON values over a socket, a
// greeting first, then answers to numbered commands with events between them
// (QEMU's docs/interop/qmp-spec.rst).
type monitor struct {
	conn net.Conn

	mu      sync.Mutex
	lastID  uint64
	waiting map[uint64]chan qmpMessage
	events  []Event
	first   EventMark     // the mark of events[0]
	grown   chan struct{} // closed and renewed when an event comes
	err     error         // why the connection ended
}

// Event is something QEMU told of itself, such as DEVICE_DELETED.
type Event struct {
	Name string          `json:"event"`
	Data json.RawMessage `json:"data"`
}

// EventMark is a moment in the sequence of QEMU's events.
type EventMark uint64

// maxEvents bounds how many events are kept.
const maxEvents = 1000

// qmpMessage is anything that QEMU sends.
type qmpMessage struct {
	Event
	Greeting json.RawMessage `json:"QMP"`
	ID       uint64          `json:"id"`
	Return   json.RawMessage `json:"return"`
	Error    *QMPError       `json:"error"`
}

// QMPError is a command that QEMU refused.
type QMPError struct {
	Class string `json:"class"`
	Desc  string `json:"desc"`
}

func (e *QMPError) Error() string { return e.Desc }

// newMonitor reads the greeting, which QEMU sends once the machine is there, and
// starts the reader. The caller closes conn if it fails, and to end the monitor.
func newMonitor(conn net.Conn) (*monitor, error) {
	m := &monitor{conn: conn, waiting: make(map[uint64]chan qmpMessage), grown: make(chan struct{})}
	d := json.NewDecoder(conn)
	var hello qmpMessage
	if err := d.Decode(&hello); err != nil {
		return nil, fmt.Errorf("reading QEMU's greeting: %w", err)
	}
	if hello.Greeting == nil {
		return nil, errors.New("QEMU's monitor did not begin with a greeting")
	}
	go m.read(d)
	return m, nil
}

// read delivers answers and events until the connection ends.
func (m *monitor) read(d *json.Decoder) {
	for {
		var msg qmpMessage
		err := d.Decode(&msg)
		m.mu.Lock()
		switch {
		case err != nil:
			m.err = fmt.Errorf("QEMU's monitor: %w", err)
			for id, c := range m.waiting {
				close(c)
				delete(m.waiting, id)
			}
			close(m.grown)
			m.grown = make(chan struct{})
			m.mu.Unlock()
			return
		case msg.Name != "":
			m.events = append(m.events, msg.Event)
			if drop := len(m.events) - maxEvents; drop > 0 {
				m.events = append([]Event(nil), m.events[drop:]...)
				m.first += EventMark(drop)
			}
			close(m.grown)
			m.grown = make(chan struct{})
		default:
			if c, ok := m.waiting[msg.ID]; ok {
				c <- msg // one answer a channel of one: never blocks
				delete(m.waiting, msg.ID)
			}
		}
		m.mu.Unlock()
	}
}

// do runs one command. args may be nil.
func (m *monitor) do(ctx context.Context, execute string, args any) (json.RawMessage, error) {
	fail := func(err error) (json.RawMessage, error) {
		return nil, fmt.Errorf("QEMU command %s: %w", execute, err)
	}
	m.mu.Lock()
	if m.err != nil {
		defer m.mu.Unlock()
		return fail(m.err)
	}
	m.lastID++
	id, answer := m.lastID, make(chan qmpMessage, 1)
	m.waiting[id] = answer
	text, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
		ID        uint64 `json:"id"`
	}{execute, args, id})
	if err == nil {
		_, err = m.conn.Write(append(text, '\n'))
	}
	if err != nil {
		delete(m.waiting, id)
		m.mu.Unlock()
		return fail(err)
	}
	m.mu.Unlock()

	select {
	case msg, ok := <-answer:
		if !ok {
			m.mu.Lock()
			defer m.mu.Unlock()
			return fail(m.err)
		}
		if msg.Error != nil {
			return fail(msg.Error)
		}
		return msg.Return, nil
	case <-ctx.Done():
		m.mu.Lock()
		delete(m.waiting, id)
		m.mu.Unlock()
		return fail(context.Cause(ctx))
	}
}

// mark returns the moment after the last event so far.
func (m *monitor) mark() EventMark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.first + EventMark(len(m.events))
}

// wait returns the first event since a mark that match accepts.
func (m *monitor) wait(ctx context.Context, since EventMark, match func(Event) bool) (Event, error) {
	for {
		m.mu.Lock()
		since = max(since, m.first)
		events, grown, err := m.events[since-m.first:], m.grown, m.err
		m.mu.Unlock()
		for _, e := range events {
			since++
			if match(e) {
				return e, nil
			}
		}
		if err != nil {
			return Event{}, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("waiting for an event of QEMU: %w", context.Cause(ctx))
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"sync"
	"time"

	"vcrypto/internal/chat/relay"
)

// room is the clients of this hub that are in a room.
type room struct {
	id relay.ID

	mu      sync.Mutex
	label   []byte
	last    uint64 // number of the last message that went out
	clients map[*client]*cursor
	gone    bool // the last client has left; the room is out of the map
}

// cursor is how far a client has come in a room.
type cursor struct {
	seq  uint64
	live bool // it gets what comes; before that, what came is read for it
}

// How often, and after what pause, something is looked for that must be there.
const (
	maxTries = 50
	tryPause = 20 * time.Millisecond
)

// join puts a client into a room. One that was there before is given what came
// since.
func (c *client) join(ctx context.Context, f *relay.Frame) error {
	if c.rooms[f.Room] == nil && len(c.rooms) >= c.hub.limits.Rooms {
		c.reply(&relay.Frame{Type: relay.Refused, Room: f.Room, Code: relay.CodeFull})
		return nil
	}
	h := c.hub
	if !h.bus.conn.IsConnected() { // nothing that it says would get anywhere
		c.end(relay.CodeTrouble)
		return errAway
	}
	resumes := f.Stream != 0
	_, incarnation := h.bus.source()
	known := resumes && f.Stream == incarnation
	var first, last uint64
	if known {
		// Before the room is locked: whoever waits for the stream with it
		// would hold up all rooms.
		var err error
		if first, last, err = h.bus.ends(ctx); err != nil {
			c.end(relay.CodeTrouble)
			return err
		}
	}
	r := h.enter(c, f.Room, f.Data)
	c.rooms[f.Room] = r
	c.in.Store(int32(len(c.rooms)))

	joined := relay.Frame{Type: relay.Joined, Room: f.Room, Stream: incarnation}
	r.mu.Lock()
	cur := r.clients[c]
	now := max(h.position.Load(), r.last)
	if !known || f.Seq > now && f.Seq > last {
		joined.Lost = resumes
		cur.seq, cur.live = now, true
		r.mu.Unlock()
		joined.Seq = now
		c.reply(&joined)
		return nil
	}
	cur.seq, cur.live = f.Seq, false
	r.mu.Unlock()
	joined.Lost = f.Seq+1 < first

	for tries := 0; ; {
		if err := c.waitSpace(ctx); err != nil {
			return err
		}
		seq, envelope, err := h.bus.next(ctx, f.Room, cur.seq)
		if err != nil {
			c.end(relay.CodeTrouble)
			return err
		}
		if envelope == nil {
			r.mu.Lock()
			if r.last <= cur.seq { // nothing came meanwhile
				cur.live = true
				joined.Seq = cur.seq
				c.reply(&joined)
				r.mu.Unlock()
				return nil
			}
			last := r.last
			r.mu.Unlock()
			// It went out already: either the server that we asked is behind,
			// or the stream keeps it no longer.
			if tries++; tries < maxTries {
				time.Sleep(tryPause)
				continue
			}
			joined.Lost = true
			cur.seq = last
			continue
		}
		tries = 0
		cur.seq = seq
		c.reply(&relay.Frame{Type: relay.Message, Seq: seq, Data: envelope})
	}
}

// enter puts a client into a room, which is made if it is not there.
func (h *Hub) enter(c *client, id relay.ID, label []byte) *room {
	for {
		h.mu.Lock()
		r := h.rooms[id]
		if r == nil {
			r = &room{id: id, label: bytes.Clone(label), clients: map[*client]*cursor{}}
			h.rooms[id] = r
		}
		h.mu.Unlock()
		r.mu.Lock()
		if !r.gone {
			r.clients[c] = &cursor{}
			r.mu.Unlock()
			return r
		}
		r.mu.Unlock()
	}
}

// part takes a client out of a room.
func (h *Hub) part(c *client, id relay.ID) {
	r := c.rooms[id]
	if r == nil {
		return
	}
	delete(c.rooms, id)
	c.in.Store(int32(len(c.rooms)))
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clients, c)
	if len(r.clients) == 0 && !r.gone {
		r.gone = true
		h.mu.Lock()
		delete(h.rooms, id)
		h.mu.Unlock()
	}
}

// deliver gives a message of the stream to a room's clients. It is called for
// one message after the other.
func (h *Hub) deliver(id relay.ID, seq uint64, envelope []byte) {
	h.position.Store(seq)
	h.mu.RLock()
	r := h.rooms[id]
	h.mu.RUnlock()
	if r == nil {
		return
	}
	f := relay.Frame{Type: relay.Message, Seq: seq, Data: envelope}
	b := f.Append(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = seq
	for c, cur := range r.clients {
		if cur.live && seq > cur.seq {
			cur.seq = seq
			c.send(b, false)
		}
	}
}

// renumber begins with another stream: what clients have seen has other
// numbers. They are to come again.
func (h *Hub) renumber(last uint64) {
	h.mu.RLock()
	rooms := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	h.mu.RUnlock()
	for _, r := range rooms {
		r.mu.Lock()
		r.last = 0
		for _, cur := range r.clients {
			*cur = cursor{}
		}
		r.mu.Unlock()
	}
	h.position.Store(last)
}

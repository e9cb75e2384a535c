// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bufio"
	"bytes"
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"vcrypto/internal/chat/relay"
)

// A list of rooms has place for few, and anybody can make rooms: somebody who
// makes many must not have those of others left out. So each client has one
// voice, which is divided among the rooms that it is in, and rooms with more of
// them come first.

const (
	listTime = 300 * time.Millisecond // for other hubs to answer
	listAge  = 500 * time.Millisecond // how old an answer may be: it takes a look at all rooms
)

// listing is this hub's answer.
type listing struct {
	mu    sync.Mutex
	made  time.Time
	rooms []relay.Listed
	more  int
}

// listed is this hub's rooms, as many as a list has place for, and how many
// more there are. The caller does not change it.
func (h *Hub) listed() (rooms []relay.Listed, more int) {
	l := &h.listing
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.made.IsZero() && time.Since(l.made) < listAge {
		return l.rooms, l.more
	}
	h.mu.RLock()
	all := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		all = append(all, r)
	}
	h.mu.RUnlock()
	voices := make(map[*room]float64, len(all))
	for _, r := range all {
		voices[r] = r.voices()
	}
	slices.SortFunc(all, func(a, b *room) int {
		return cmp.Or(cmp.Compare(voices[b], voices[a]), bytes.Compare(a.id[:], b.id[:]))
	})
	l.rooms = nil
	for _, r := range all[:min(len(all), relay.MaxListed)] {
		l.rooms = append(l.rooms, relay.Listed{Room: r.id, Label: r.label})
	}
	l.made, l.more = time.Now(), len(all)-len(l.rooms)
	return l.rooms, l.more
}

// voices is how much those who are in a room are in it.
func (r *room) voices() (sum float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.clients {
		sum += 1 / float64(max(1, c.in.Load()))
	}
	return sum
}

// answerLists answers other hubs that ask for our rooms.
func (b *bus) answerLists() error {
	_, err := b.conn.Subscribe(listSubject, func(m *nats.Msg) {
		if _, own := b.questions.Load(m.Reply); own || m.Reply == "" {
			return
		}
		rooms, more := b.hub.listed()
		f := relay.Frame{Type: relay.Rooms, Rooms: rooms, More: capped(more)}
		m.Respond(f.Append(nil)) // who asked waits a moment only
	})
	return err
}

// list is the rooms of all hubs.
func (b *bus) list() *relay.Frame {
	rooms, more := b.hub.listed()
	lists := [][]relay.Listed{rooms}
	if b.own != nil { // nobody else is there
		return merged(lists, more)
	}
	inbox, err := b.conn.SubscribeSync(b.conn.NewRespInbox())
	if err != nil {
		return merged(lists, more)
	}
	defer inbox.Unsubscribe()
	b.questions.Store(inbox.Subject, nil)
	defer b.questions.Delete(inbox.Subject)
	if b.conn.PublishRequest(listSubject, inbox.Subject, nil) != nil {
		return merged(lists, more)
	}
	for end := time.Now().Add(listTime); ; {
		m, err := inbox.NextMsg(time.Until(end))
		if err != nil {
			return merged(lists, more)
		}
		f, err := relay.Read(bufio.NewReader(bytes.NewReader(m.Data)))
		if err == nil && f.Type == relay.Rooms && len(f.Rooms) <= relay.MaxListed {
			lists = append(lists, f.Rooms)
			more += int(f.More)
		}
	}
}

// merged makes one list of several: the first of each, then the second, so that
// none keeps out another.
func merged(lists [][]relay.Listed, more int) *relay.Frame {
	f := &relay.Frame{Type: relay.Rooms}
	have := map[relay.ID]bool{}
	for i := range relay.MaxListed {
		for _, l := range lists {
			if i >= len(l) || have[l[i].Room] || len(l[i].Label) > relay.MaxLabel {
				continue
			}
			have[l[i].Room] = true
			if len(f.Rooms) == relay.MaxListed {
				more++
				continue
			}
			f.Rooms = append(f.Rooms, l[i])
		}
	}
	f.More = capped(more)
	return f
}

func capped(n int) uint32 { return uint32(min(n, math.MaxUint32)) }

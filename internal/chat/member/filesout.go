// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
	"vcrypto/internal/chat/transfer"
)

// outgoing is a file that we offered.
type outgoing struct {
	*transfer.Outgoing
	number   int
	to       room.ID // the one that may have it; zero is all of the room
	where    *place
	sent     int64 // the farthest that somebody asked for
	requests requests
	ended    transfer.Reason // why nobody gets it any more; 0 while it is to be had
}

const maxOffered = 100 // files of ours

// request is one for blocks, as its sender numbers them.
type request struct {
	from room.ID
	salt [relay.IDSize]byte
	seq  uint64
}

// requests are the last that were served.
type requests struct {
	served map[request]bool
	order  []request
}

const maxRequests = 1024 // of a file: 256 MiB of it

// add notes a request, and says whether it is a new one.
func (r *requests) add(q request) bool {
	if r.served[q] {
		return false
	}
	if r.served == nil {
		r.served = map[request]bool{}
	}
	if len(r.order) == maxRequests {
		delete(r.served, r.order[0])
		r.order = r.order[1:]
	}
	r.served[q] = true
	r.order = append(r.order, q)
	return true
}

// Send offers a file to a room or, if to is not zero, to one who is in it, or
// in another with us.
func (c *Client) Send(ctx context.Context, where string, to room.ID, path string) error {
	nick := ""
	if to != (room.ID{}) {
		var err error
		if where, nick, err = c.meet(where, to); err != nil {
			return err
		}
	}
	f, err := transfer.Open(path)
	if err != nil {
		return err
	}
	err = c.say(ctx, where, func(p *place, now time.Time) (room.Pending, error) {
		return p.Offer(&f.Offer, to, now)
	}, func(p *place) {
		c.withdraw(maxOffered - 1)
		c.lastFile++
		c.offered[f.ID] = &outgoing{Outgoing: f, number: c.lastFile, to: to, where: p}
		c.show(Event{Type: room.Offered, Room: p.Name(), Nick: p.Nick(), Own: true, File: f.Name, Size: f.Size, Offer: c.lastFile, Text: nick})
	})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// withdraw lets the oldest of our offers go until so many are left.
func (c *Client) withdraw(left int) {
	for len(c.offered) > left {
		var oldest *outgoing
		for _, f := range c.offered {
			if oldest == nil || f.number < oldest.number {
				oldest = f
			}
		}
		oldest.Close()
		delete(c.offered, oldest.ID)
		c.info(oldest.where.Name(), "%s, file %d, is on offer no more: at most %d files are", safetext.Line(oldest.Name), oldest.number, maxOffered)
	}
}

// requested serves who asks for blocks of a file, or says that it is not to be
// had.
func (c *Client) requested(p *place, want transfer.Request, by request) {
	f := c.offered[want.ID]
	if f == nil {
		c.refuse(p, by.from, want.ID, transfer.Gone)
		return
	}
	if f.where != p || f.to != (room.ID{}) && f.to != by.from || want.Offset >= f.Size {
		return
	}
	if !f.requests.add(by) {
		return // the hub may repeat it as often as it likes
	}
	if f.ended != 0 {
		c.refuse(p, by.from, want.ID, f.ended)
		return
	}
	c.serve(f, by.from, want)
}

// refuse tells one that a file is not to be had.
func (c *Client) refuse(p *place, to room.ID, id [transfer.IDSize]byte, why transfer.Reason) {
	r := transfer.Refusal{ID: id, Reason: why}
	c.direct(p, to, r.Append([]byte{blockEnd}))
}

// serve sends blocks of a file. One that cannot be read ends for everybody: who
// asks later is told.
func (c *Client) serve(f *outgoing, to room.ID, want transfer.Request) {
	buf := make([]byte, 0, 1+transfer.BlockHead+transfer.BlockSize)
	for offset := want.Offset; want.Blocks > 0 && offset < f.Size; want.Blocks-- {
		block, next, err := f.AppendBlock(append(buf, blockData), offset)
		if err != nil {
			f.ended = transfer.WhyNot(err)
			f.Close()
			c.show(Event{Type: File, Room: f.where.Name(), Nick: f.where.Nick(), Own: true, Offer: f.number, File: f.Name, Size: f.Size, Done: f.sent, Text: fmt.Sprintf("read it: %v", err)})
			c.refuse(f.where, to, f.ID, f.ended)
			return
		}
		c.direct(f.where, to, block)
		if offset = next; offset > f.sent {
			f.sent = offset
			c.show(Event{Type: Progress, Room: f.where.Name(), Offer: f.number, File: f.Name, Size: f.Size, Done: offset, Own: true})
		}
	}
}

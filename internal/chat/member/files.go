// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
	"vcrypto/internal/chat/transfer"
)

// How a file goes is in package transfer. Blocks go directly from one to the
// other, sealed for that one, and may be lost: then they are asked for again.

// What a block says.
const (
	blockGet  = 1 // file's ID, offset, number of blocks
	blockData = 2 // file's ID, offset, bytes
)

const (
	askAgain    = 3 * time.Second
	giveUp      = 2 * time.Minute
	maxOffers   = 256 // that wait for an answer
	maxOffersOf = 32  // of one member, so that one cannot keep others' out
	maxOffered  = 100
)

// outgoing is a file that we offered.
type outgoing struct {
	*transfer.Outgoing
	number   int
	to       room.ID // the one that may have it; zero is all of the room
	where    *place
	sent     int64 // the farthest that somebody asked for
	requests requests
}

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

// incoming is a file that we were offered.
type incoming struct {
	transfer.Incoming
	number  int
	from    room.ID
	nick    string
	where   *place
	askedAt time.Time
	cameAt  time.Time
	done    bool
}

// Send offers a file to a room, or to one in it.
func (c *Client) Send(ctx context.Context, where, nick, path string) error {
	if nick != "" {
		in, err := c.roomOf(where, nick)
		if err != nil {
			return err
		}
		where = in
	}
	f, err := transfer.Open(path)
	if err != nil {
		return err
	}
	var to room.ID
	err = c.say(ctx, where, func(p *place, now time.Time) (room.Pending, error) {
		to, _ = p.Find(nick)
		return p.Offer(&f.Offer, nick, now)
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

// offer notes that we were offered a file. It says whether that is to be
// shown.
func (c *Client) offer(p *place, e room.Event, out *Event) bool {
	from := 0
	for _, f := range c.offers {
		if f.from == e.From {
			from++
		}
	}
	if from >= maxOffersOf || len(c.offers) >= maxOffers {
		c.info(p.Name(), "%s offers one more file, %s: too many wait for your answer, /decline some to be offered others", e.Nick, transfer.FileName(e.Offer.Name))
		return false
	}
	c.lastFile++
	f := &incoming{Incoming: transfer.Incoming{Offer: *e.Offer}, number: c.lastFile, from: e.From, nick: e.Nick, where: p}
	c.offers[f.number] = f
	out.Offer, out.File, out.Size = f.number, f.Name, f.Size
	return true
}

// Accept begins to take a file, or goes on.
func (c *Client) Accept(number int) error {
	return c.ask(func() error {
		f := c.offers[number]
		if f == nil {
			return fmt.Errorf("no file %d is on offer", number)
		}
		if f.Taken() {
			return fmt.Errorf("file %d is coming already", number)
		}
		if err := f.Take(c.Files); err != nil {
			return err
		}
		f.cameAt = time.Now()
		c.request(f, time.Now())
		return nil
	})
}

// Decline lets an offer go.
func (c *Client) Decline(number int) error {
	return c.ask(func() error {
		f := c.offers[number]
		if f == nil {
			return fmt.Errorf("no file %d is on offer", number)
		}
		f.Close()
		delete(c.offers, number)
		return nil
	})
}

// request asks for the next run of blocks, or ends the transfer.
func (c *Client) request(f *incoming, now time.Time) {
	if f.Complete() {
		c.complete(f)
		return
	}
	next := f.Next()
	b := next.Append([]byte{blockGet})
	f.askedAt = now
	c.direct(f.where, f.from, b)
}

// direct sends a block, which may be lost.
func (c *Client) direct(p *place, to room.ID, b []byte) {
	if c.link == nil || c.rooms[p.ID()] != p {
		return
	}
	id, envelope, err := p.SealDirectTo(to, b)
	if err == nil {
		c.link.send(&relay.Frame{Type: relay.Direct, To: id, Data: envelope})
	}
}

// block takes a block.
func (c *Client) block(p *place, e relay.Envelope) {
	from, _, b, err := p.OpenDirect(e)
	if err != nil || len(b) == 0 {
		return
	}
	switch b[0] {
	case blockGet:
		want, err := transfer.ParseRequest(b[1:])
		f := c.offered[want.ID]
		if err != nil || f == nil || f.where != p || f.to != (room.ID{}) && f.to != from || want.Offset >= f.Size {
			return
		}
		if again := (request{from, e.Salt, e.Seq}); !f.requests.add(again) {
			return // the hub may repeat it as often as it likes
		}
		c.serve(f, from, want)
	case blockData:
		id, offset, b, err := transfer.ParseBlock(b[1:])
		if err != nil {
			return
		}
		for _, f := range c.offers {
			if f.ID == id && f.from == from && f.Taken() && !f.done {
				c.arrived(f, offset, b)
				return
			}
		}
	}
}

// serve sends blocks of a file.
func (c *Client) serve(f *outgoing, to room.ID, want transfer.Request) {
	buf := make([]byte, 0, 1+transfer.BlockHead+transfer.BlockSize)
	for offset := want.Offset; want.Blocks > 0 && offset < f.Size; want.Blocks-- {
		block, next, err := f.AppendBlock(append(buf, blockData), offset)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.info(f.where.Name(), "read %s: %v", f.Name, err)
			}
			return
		}
		c.direct(f.where, to, block)
		if offset = next; offset > f.sent {
			f.sent = offset
			c.show(Event{Type: Progress, Room: f.where.Name(), Offer: f.number, File: f.Name, Size: f.Size, Done: offset, Own: true})
		}
	}
}

// arrived writes a block that is the next.
func (c *Client) arrived(f *incoming, offset int64, b []byte) {
	next, err := f.Arrived(offset, b)
	switch {
	case err != nil:
		c.failed(f, err)
		return
	case !next:
		return // it was asked for again
	}
	f.cameAt = time.Now()
	c.show(Event{Type: Progress, Room: f.where.Name(), Nick: f.nick, Offer: f.number, File: f.Name, Size: f.Size, Done: f.Have()})
	if f.Due() {
		c.request(f, f.cameAt)
	}
}

func (c *Client) failed(f *incoming, err error) {
	f.Close()
	c.show(Event{Type: File, Room: f.where.Name(), Nick: f.nick, Offer: f.number, File: f.Name, Size: f.Size, Done: f.Have(),
		Text: fmt.Sprintf("stopped: %v; /accept %d goes on", err, f.number)})
}

// complete checks the file, apart from everything else, and gives it its name.
func (c *Client) complete(f *incoming) {
	f.done = true
	finish := f.Finish(c.Files) // it fails, if meanwhile it is declined
	go func() {
		saved, err := finish()
		c.ask(func() error {
			e := Event{Type: File, Room: f.where.Name(), Nick: f.nick, Offer: f.number, File: f.Name, Size: f.Size, Done: f.Have(), Saved: saved, Text: "complete: its SHA-256 is right"}
			if err != nil {
				e.Text = err.Error()
			}
			f.Close()
			delete(c.offers, f.number)
			c.show(e)
			return nil
		})
	}()
}

// filesTick asks again for what did not come.
func (c *Client) filesTick(now time.Time) {
	for _, f := range c.offers {
		switch {
		case !f.Taken() || f.done:
		case now.Sub(f.cameAt) > giveUp:
			c.failed(f, errors.New("nothing comes any more"))
		case now.Sub(f.askedAt) > askAgain:
			c.request(f, now)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/transfer"
)

// How a file goes is in package transfer. Blocks go directly from one to the
// other, sealed for that one, and may be lost: then they are asked for again.

// What a block says.
const (
	blockGet  = 1 // file's ID, offset, number of blocks
	blockData = 2 // file's ID, offset, bytes
	blockEnd  = 3 // a transfer.Refusal: the file is not to be had
)

const (
	askAgain    = 3 * time.Second
	giveUp      = 2 * time.Minute
	maxOffers   = 256 // that wait for an answer
	maxOffersOf = 32  // of one member, so that one cannot keep others' out
)

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
	if c.link == nil || c.rooms[p.ID()] != p || p.leaving {
		return
	}
	envelope, err := p.SealDirect(to, b)
	if err == nil {
		c.link.send(&relay.Frame{Type: relay.Direct, To: to, Data: envelope})
	}
}

// block takes a block.
func (c *Client) block(p *place, e relay.Envelope) {
	from, b, err := p.OpenDirect(e)
	if err != nil || len(b) == 0 {
		return
	}
	switch b[0] {
	case blockGet:
		if want, err := transfer.ParseRequest(b[1:]); err == nil {
			c.requested(p, want, request{from, e.Salt, e.Seq})
		}
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
	case blockEnd:
		r, err := transfer.ParseRefusal(b[1:])
		if err != nil {
			return
		}
		for _, f := range c.offers {
			if f.ID == r.ID && f.from == from && f.Taken() && !f.done {
				c.ended(f, r.Reason.String()+"; what has come is kept, for the same file")
				return
			}
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

// ended lets an offer go that nothing comes of.
func (c *Client) ended(f *incoming, why string) {
	f.Close()
	delete(c.offers, f.number)
	c.show(Event{Type: File, Room: f.where.Name(), Nick: f.nick, Offer: f.number, File: f.Name, Size: f.Size, Done: f.Have(), Text: why})
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

// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
)

// A file goes like this. Who has it offers it: name, size and SHA-256. Who
// wants it asks for a run of blocks at an offset, and for the next when those
// have come; blocks go directly from one to the other, sealed for that one,
// and may be lost: then they are asked for again. What has come is in a hidden
// file named after the SHA-256, so that a transfer goes on where it stopped,
// in another session, too. The name is given when the SHA-256 is right.

// What a block says.
const (
	blockGet  = 1 // file's ID, offset, number of blocks
	blockData = 2 // file's ID, offset, bytes
)

const (
	blockSize   = 16 << 10 // bytes of a file in one block
	blockHead   = 1 + relay.IDSize + 8
	run         = 16 // blocks that are asked for at once
	askAgain    = 3 * time.Second
	giveUp      = 2 * time.Minute
	maxOffers   = 256 // that wait for an answer
	maxOffersOf = 32  // of one member, so that one cannot keep others' out
	maxOffered  = 100
)

// outgoing is a file that we offered.
type outgoing struct {
	room.Offer
	number   int
	file     *os.File
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
	room.Offer
	number  int
	from    room.ID
	nick    string
	where   *place
	part    *os.File // nil until it is accepted
	have    int64    // bytes that have come
	asked   int64    // up to where
	askedAt time.Time
	cameAt  time.Time
	done    bool
}

func (f *incoming) close() {
	if f.part != nil {
		f.part.Close()
		f.part = nil
	}
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
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	o := room.Offer{Name: filepath.Base(path)}
	if len(o.Name) > room.MaxFileName {
		o.Name = o.Name[:room.MaxFileName]
	}
	o.Name = strings.ToValidUTF8(o.Name, "_")
	rand.Read(o.ID[:]) // never fails (crypto/rand)
	if err == nil {
		h := sha256.New()
		o.Size, err = io.Copy(h, f)
		h.Sum(o.Sum[:0])
	}
	if err != nil {
		return errors.Join(fmt.Errorf("send %s: %w", path, err), f.Close())
	}
	var to room.ID
	err = c.say(ctx, where, func(p *place, now time.Time) (room.Pending, error) {
		to, _ = p.Find(nick)
		return p.Offer(&o, nick, now)
	}, func(p *place) {
		c.withdraw(maxOffered - 1)
		c.lastFile++
		c.offered[o.ID] = &outgoing{Offer: o, number: c.lastFile, file: f, to: to, where: p}
		c.show(Event{Type: room.Offered, Room: p.Name(), Nick: p.Nick(), Own: true, File: o.Name, Size: o.Size, Offer: c.lastFile, Text: nick})
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
		oldest.file.Close()
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
		c.info(p.Name(), "%s offers one more file, %s: too many wait for your answer, /decline some to be offered others", e.Nick, FileName(e.Offer.Name))
		return false
	}
	c.lastFile++
	f := &incoming{Offer: *e.Offer, number: c.lastFile, from: e.From, nick: e.Nick, where: p}
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
		if f.part != nil {
			return fmt.Errorf("file %d is coming already", number)
		}
		part, err := openPart(filepath.Join(c.Files, partName(&f.Offer)))
		if err != nil {
			return fmt.Errorf("take %s: %w", FileName(f.Name), err)
		}
		info, err := part.Stat()
		if err != nil {
			return errors.Join(fmt.Errorf("take %s: %w", FileName(f.Name), err), part.Close())
		}
		f.part, f.have, f.asked = part, 0, 0
		if info.Mode().IsRegular() && info.Size() <= f.Size {
			f.have = info.Size()
		} else if err := part.Truncate(0); err != nil {
			return errors.Join(fmt.Errorf("take %s: %w", FileName(f.Name), err), part.Close())
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
		f.close()
		delete(c.offers, number)
		return nil
	})
}

// openPart opens the hidden file of a transfer, for one transfer at a time: who
// offers the same file, too, must not write into it, least of all when it has
// been checked and has its name.
func openPart(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("the same file is coming already, from somebody else or into another program: try again when that has ended")
		}
		return nil, errors.Join(err, f.Close())
	}
	mine, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Lstat(path); err == nil && !os.SameFile(mine, there) {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the same file has just come, or was removed: %w; try again", err), f.Close())
	}
	return f, nil
}

func partName(o *room.Offer) string { return ".vchat-" + hex.EncodeToString(o.Sum[:16]) + ".part" }

// FileName makes the name of a file out of what somebody calls it: no folders,
// nothing hidden, nothing that a shell or terminal takes for something else.
func FileName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-+=@ ", r) {
			return r
		}
		return '_'
	}, safetext.Line(s))
	s = strings.Trim(strings.TrimLeft(s, ".-_ "), " ")
	const most = 120 // bytes; file systems take 255
	for len(s) > most {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	if s == "" {
		return "file"
	}
	return s
}

// request asks for the next run of blocks, or ends the transfer.
func (c *Client) request(f *incoming, now time.Time) {
	if f.have >= f.Size {
		c.complete(f)
		return
	}
	b := append([]byte{blockGet}, f.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(f.have))
	b = binary.BigEndian.AppendUint16(b, run)
	f.asked, f.askedAt = min(f.have+run*blockSize, f.Size), now
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
	if err != nil || len(b) < blockHead {
		return
	}
	id, offset := room.ID(b[1:]), int64(binary.BigEndian.Uint64(b[1+relay.IDSize:]))
	switch b[0] {
	case blockGet:
		f := c.offered[id]
		if f == nil || f.where != p || f.to != (room.ID{}) && f.to != from || len(b) != blockHead+2 || offset < 0 || offset >= f.Size {
			return
		}
		if again := (request{from, e.Salt, e.Seq}); !f.requests.add(again) {
			return // the hub may repeat it as often as it likes
		}
		c.serve(f, from, offset, min(int(binary.BigEndian.Uint16(b[blockHead:])), run))
	case blockData:
		for _, f := range c.offers {
			if f.ID == id && f.from == from && f.part != nil && !f.done {
				c.arrived(f, offset, b[blockHead:])
				return
			}
		}
	}
}

// serve sends blocks of a file.
func (c *Client) serve(f *outgoing, to room.ID, offset int64, blocks int) {
	buf := make([]byte, blockHead+blockSize)
	buf[0] = blockData
	copy(buf[1:], f.ID[:])
	for range blocks {
		n, err := f.file.ReadAt(buf[blockHead:], offset)
		if n == 0 {
			if !errors.Is(err, io.EOF) {
				c.info(f.where.Name(), "read %s: %v", f.Name, err)
			}
			return
		}
		binary.BigEndian.PutUint64(buf[1+relay.IDSize:], uint64(offset))
		c.direct(f.where, to, buf[:blockHead+n])
		offset += int64(n)
		if offset > f.sent {
			f.sent = offset
			c.show(Event{Type: Progress, Room: f.where.Name(), Offer: f.number, File: f.Name, Size: f.Size, Done: offset, Own: true})
		}
		if offset >= f.Size {
			return
		}
	}
}

// arrived writes a block that is the next.
func (c *Client) arrived(f *incoming, offset int64, b []byte) {
	if offset != f.have || len(b) == 0 || int64(len(b)) > f.Size-offset {
		return // it was asked for again
	}
	if _, err := f.part.WriteAt(b, offset); err != nil {
		c.failed(f, err)
		return
	}
	f.have += int64(len(b))
	f.cameAt = time.Now()
	c.show(Event{Type: Progress, Room: f.where.Name(), Nick: f.nick, Offer: f.number, File: f.Name, Size: f.Size, Done: f.have})
	if f.have >= f.asked {
		c.request(f, f.cameAt)
	}
}

func (c *Client) failed(f *incoming, err error) {
	f.close()
	c.show(Event{Type: File, Room: f.where.Name(), Nick: f.nick, Offer: f.number, File: f.Name, Size: f.Size, Done: f.have,
		Text: fmt.Sprintf("stopped: %v; /accept %d goes on", err, f.number)})
}

// complete checks the file, apart from everything else, and gives it its name.
func (c *Client) complete(f *incoming) {
	f.done = true
	part := f.part // closed, if meanwhile it is declined
	go func() {
		saved, err := finish(part, c.Files, &f.Offer)
		c.ask(func() error {
			e := Event{Type: File, Room: f.where.Name(), Nick: f.nick, Offer: f.number, File: f.Name, Size: f.Size, Done: f.have, Saved: saved, Text: "complete: its SHA-256 is right"}
			if err != nil {
				e.Text = err.Error()
			}
			f.close()
			delete(c.offers, f.number)
			c.show(e)
			return nil
		})
	}()
}

// finish checks what has come and gives it a name that no file had.
func finish(part *os.File, folder string, o *room.Offer) (saved string, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(part, 0, o.Size+1)); err != nil {
		return "", err
	}
	if [sha256.Size]byte(h.Sum(nil)) != o.Sum {
		return "", errors.Join(errors.New("what came is not the file that was offered: its SHA-256 is another; it was removed"), os.Remove(part.Name()))
	}
	if err := part.Sync(); err != nil {
		return "", err
	}
	name := FileName(o.Name)
	for n := 0; n < 1000; n++ {
		saved = filepath.Join(folder, name)
		if n > 0 {
			ext := filepath.Ext(name)
			saved = filepath.Join(folder, fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext))
		}
		f, err := os.OpenFile(saved, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if err := errors.Join(f.Close(), os.Rename(part.Name(), saved)); err != nil {
			return "", errors.Join(err, os.Remove(saved)) // it holds the place only
		}
		return saved, nil
	}
	return "", fmt.Errorf("there are 1000 files called %s", name)
}

// filesTick asks again for what did not come.
func (c *Client) filesTick(now time.Time) {
	for _, f := range c.offers {
		switch {
		case f.part == nil || f.done:
		case now.Sub(f.cameAt) > giveUp:
			c.failed(f, errors.New("nothing comes any more"))
		case now.Sub(f.askedAt) > askAgain:
			c.request(f, now)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"vcrypto/internal/chat/transfer"
	"vcrypto/internal/chat/wire"
)

// FileState says what a FileEvent tells.
type FileState int

const (
	FileOffered  FileState = iota // to us, or by us
	FileProgress                  // Done bytes have come or gone
	FileEnded                     // Text says how
)

// FileEvent is something that happened to a file.
type FileEvent struct {
	State      FileState
	Own        bool   // it is ours
	Number     int    // for Accept and Decline
	Name       string // as the sender has it: hostile
	Size, Done int64  // bytes
	Text       string // in words of ours
	Saved      string // the path of what has come
}

const (
	maxOffers  = 32  // of the peer's, that wait for an answer or are coming
	maxOffered = 100 // of ours
	maxRecords = 256 // offers and refusals that wait to be sent
)

// Files are those that go and come, in this conversation or the next: a file
// is known by its ID, which nobody guesses, so a transfer that was cut goes on
// when the two talk again. Should another come first, who has the key, too,
// that one is asked, and refuses; what else it may send is not the file.
//
// Nothing is sent from here: the conversation's sender takes record after
// record, and what the peer can make wait is bounded.
type Files struct {
	folder string // "": none are taken
	show   func(FileEvent)
	wake   chan struct{} // holds one wish to be asked for a record

	mu      sync.Mutex
	talking bool
	last    int // number of a file
	offered map[[transfer.IDSize]byte]*outgoing
	offers  map[int]*incoming
	records []record
	events  []FileEvent // to be shown when mu is free
}

type outgoing struct {
	*transfer.Outgoing
	number int
	want   transfer.Request // what is left of the last request
	sent   int64            // the farthest
}

type incoming struct {
	transfer.Incoming
	number int
	ask    bool // for what comes next
	done   bool // all has come, and is being checked
}

type record struct {
	kind wire.Kind
	p    []byte
}

// NewFiles returns files that come into a folder. show is given what happens,
// by several goroutines, one at a time for each file.
func NewFiles(folder string, show func(FileEvent)) *Files {
	return &Files{
		folder: folder, show: show, wake: make(chan struct{}, 1),
		offered: map[[transfer.IDSize]byte]*outgoing{}, offers: map[int]*incoming{},
	}
}

// noFiles refuses what is offered.
func noFiles(log func(format string, args ...any)) *Files {
	return NewFiles("", func(e FileEvent) {
		if e.State == FileOffered {
			log("the peer offers %s: files are taken in the interface, and with --json", transfer.FileName(e.Name))
		}
	})
}

// with does something under the lock, and shows what came of it.
func (f *Files) with(do func() error) error {
	f.mu.Lock()
	err := do()
	events := f.events
	f.events = nil
	f.mu.Unlock()
	for _, e := range events {
		f.show(e)
	}
	return err
}

// poke wakes the conversation's sender.
func (f *Files) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Close lets all files go. What has come stays, to be gone on with.
func (f *Files) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.offered {
		o.Close()
	}
	for _, i := range f.offers {
		i.Close()
	}
	clear(f.offered)
	clear(f.offers)
}

var errNobody = errors.New("nobody is connected")

// Send offers a file to the peer. It reads it once, for its SHA-256.
func (f *Files) Send(path string) error {
	file, err := transfer.Open(path)
	if err != nil {
		return err
	}
	err = f.with(func() error {
		switch {
		case !f.talking:
			return errNobody
		case len(f.records) >= maxRecords:
			return errors.New("the peer does not read")
		}
		f.withdraw(maxOffered - 1)
		f.last++
		f.offered[file.ID] = &outgoing{Outgoing: file, number: f.last}
		f.records = append(f.records, record{wire.Offer, file.Marshal()})
		f.events = append(f.events, FileEvent{State: FileOffered, Own: true, Number: f.last, Name: file.Name, Size: file.Size})
		f.poke()
		return nil
	})
	if err != nil {
		return errors.Join(err, file.Close())
	}
	return nil
}

// withdraw lets the oldest of our offers go until so many are left. f.mu is
// held.
func (f *Files) withdraw(left int) {
	for len(f.offered) > left {
		var oldest *outgoing
		for _, o := range f.offered {
			if oldest == nil || o.number < oldest.number {
				oldest = o
			}
		}
		f.forget(oldest, fmt.Sprintf("on offer no more: at most %d files are", maxOffered))
	}
}

// forget ends an offer of ours. f.mu is held.
func (f *Files) forget(o *outgoing, why string) {
	o.Close()
	delete(f.offered, o.ID)
	f.events = append(f.events, FileEvent{State: FileEnded, Own: true, Number: o.number, Name: o.Name, Size: o.Size, Done: o.sent, Text: why})
}

// Accept begins to take a file, or goes on. If nobody is connected it does
// when somebody is.
func (f *Files) Accept(number int) error {
	return f.with(func() error {
		i := f.offers[number]
		switch {
		case i == nil:
			return fmt.Errorf("no file %d is on offer", number)
		case i.Taken():
			return fmt.Errorf("file %d is coming already", number)
		}
		if err := i.Take(f.folder); err != nil {
			return err
		}
		f.goOn(i)
		return nil
	})
}

// goOn asks for what comes next of a file, or ends it. f.mu is held.
func (f *Files) goOn(i *incoming) {
	if !i.Complete() {
		i.ask = true
		f.poke()
		return
	}
	i.done = true
	finish := i.Finish(f.folder) // it fails, if meanwhile it is declined
	go func() {
		saved, err := finish()
		f.with(func() error {
			text := "complete: its SHA-256 is right"
			if err != nil {
				text = err.Error()
			}
			f.drop(i, text, saved)
			return nil
		})
	}()
}

// drop ends an offer of the peer's. f.mu is held.
func (f *Files) drop(i *incoming, why, saved string) {
	i.Close()
	delete(f.offers, i.number)
	f.events = append(f.events, FileEvent{State: FileEnded, Number: i.number, Name: i.Name, Size: i.Size, Done: i.Have(), Text: why, Saved: saved})
}

// Decline lets an offer go.
func (f *Files) Decline(number int) error {
	return f.with(func() error {
		i := f.offers[number]
		if i == nil {
			return fmt.Errorf("no file %d is on offer", number)
		}
		f.drop(i, "declined", "")
		f.refuse(i.ID)
		return nil
	})
}

// refuse tells the peer that a file is not wanted, or not to be had. If too
// much waits it is not told. f.mu is held.
func (f *Files) refuse(id [transfer.IDSize]byte) {
	if f.talking && len(f.records) < maxRecords {
		f.records = append(f.records, record{wire.Refuse, id[:]})
		f.poke()
	}
}

// begin goes on with what was cut, with a peer that may have it.
func (f *Files) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.talking = true
	for _, i := range f.offers {
		i.ask = i.Taken() && !i.done
	}
	f.poke()
}

// end forgets what was to be sent.
func (f *Files) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.talking, f.records = false, nil
	for _, o := range f.offered {
		o.want.Blocks = 0
	}
}

// received takes a record of the peer's. An error is one of the protocol.
func (f *Files) received(k wire.Kind, p []byte) error {
	err := f.with(func() error {
		switch k {
		case wire.Offer:
			o, err := transfer.ParseOffer(p)
			if err == nil {
				f.offer(o)
			}
			return err
		case wire.Get:
			r, err := transfer.ParseRequest(p)
			if err == nil {
				f.requested(r)
			}
			return err
		case wire.Block:
			id, offset, b, err := transfer.ParseBlock(p)
			if err == nil {
				f.arrived(id, offset, b)
			}
			return err
		case wire.Refuse:
			f.refused([transfer.IDSize]byte(p))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrFrame, err)
	}
	return nil
}

// offer notes that we were offered a file. f.mu is held.
func (f *Files) offer(o transfer.Offer) {
	known := false
	for _, i := range f.offers {
		known = known || i.ID == o.ID
	}
	if known || f.folder != "" && len(f.offers) >= maxOffers {
		f.refuse(o.ID)
		return
	}
	f.last++
	f.events = append(f.events, FileEvent{State: FileOffered, Number: f.last, Name: o.Name, Size: o.Size})
	if f.folder == "" {
		f.refuse(o.ID)
		return
	}
	f.offers[f.last] = &incoming{Incoming: transfer.Incoming{Offer: o}, number: f.last}
}

// requested notes what the peer wants: instead of what it wanted before. f.mu
// is held.
func (f *Files) requested(r transfer.Request) {
	o := f.offered[r.ID]
	if o == nil {
		f.refuse(r.ID)
		return
	}
	o.want = r
	f.poke()
}

// arrived keeps a block. f.mu is held.
func (f *Files) arrived(id [transfer.IDSize]byte, offset int64, b []byte) {
	for _, i := range f.offers {
		if i.ID != id || !i.Taken() || i.done {
			continue
		}
		next, err := i.Arrived(offset, b)
		if err != nil {
			f.stop(i, err)
		}
		if err != nil || !next {
			return
		}
		f.events = append(f.events, FileEvent{State: FileProgress, Number: i.number, Name: i.Name, Size: i.Size, Done: i.Have()})
		if i.Due() {
			f.goOn(i)
		}
		return
	}
}

// stop stops taking a file, which may be gone on with. f.mu is held.
func (f *Files) stop(i *incoming, err error) {
	i.Close()
	i.ask = false
	f.events = append(f.events, FileEvent{State: FileEnded, Number: i.number, Name: i.Name, Size: i.Size, Done: i.Have(),
		Text: fmt.Sprintf("stopped: %v; /accept %d goes on", err, i.number)})
}

// refused notes that the peer does not want a file, or does not have it. f.mu
// is held.
func (f *Files) refused(id [transfer.IDSize]byte) {
	if o := f.offered[id]; o != nil {
		f.forget(o, "declined")
		return
	}
	for _, i := range f.offers {
		if i.ID == id && !i.done {
			f.drop(i, "it is not on offer any more; what has come is kept, for the same file", "")
			return
		}
	}
}

// next returns what is to be sent next, and says whether there is anything.
// p is valid until the next call; buf is where it may be.
func (f *Files) next(buf []byte) (k wire.Kind, p []byte, ok bool) {
	f.with(func() error {
		k, p, ok = f.pick(buf)
		return nil
	})
	return k, p, ok
}

func (f *Files) pick(buf []byte) (wire.Kind, []byte, bool) {
	if len(f.records) > 0 {
		r := f.records[0]
		f.records = f.records[1:]
		return r.kind, r.p, true
	}
	for _, i := range f.offers {
		if i.ask {
			i.ask = false
			r := i.Next()
			return wire.Get, r.Append(buf[:0]), true
		}
	}
	for _, o := range f.offered {
		if o.want.Blocks == 0 || o.want.Offset >= o.Size {
			continue
		}
		block, next, err := o.AppendBlock(buf[:0], o.want.Offset)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("it has become shorter")
			}
			f.forget(o, fmt.Sprintf("read it: %v", err))
			return wire.Refuse, append(buf[:0], o.ID[:]...), true
		}
		o.want.Offset = next
		o.want.Blocks--
		if next > o.sent {
			o.sent = next
			e := FileEvent{State: FileProgress, Own: true, Number: o.number, Name: o.Name, Size: o.Size, Done: next}
			if f.events = append(f.events, e); next >= o.Size {
				e.State, e.Text = FileEnded, "all of it has gone"
				f.events = append(f.events, e)
			}
		}
		return wire.Block, block, true
	}
	return 0, nil, false
}

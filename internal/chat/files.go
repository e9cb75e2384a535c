// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"fmt"
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

// record waits to be sent.
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

// refuse tells the peer that a file is not wanted, or not to be had. If too
// much waits it is not told. f.mu is held.
func (f *Files) refuse(id [transfer.IDSize]byte, why transfer.Reason) {
	if f.talking && len(f.records) < maxRecords {
		r := transfer.Refusal{ID: id, Reason: why}
		f.records = append(f.records, record{wire.Refuse, r.Append(nil)})
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
			r, err := transfer.ParseRefusal(p)
			if err == nil {
				f.refused(r)
			}
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrFrame, err)
	}
	return nil
}

// refused notes that the peer does not want a file, or does not have it. f.mu
// is held.
func (f *Files) refused(r transfer.Refusal) {
	if o := f.offered[r.ID]; o != nil {
		f.forget(o, "declined")
		return
	}
	for _, i := range f.offers {
		if i.ID == r.ID && !i.done {
			f.drop(i, r.Reason.String()+"; what has come is kept, for the same file", "")
			return
		}
	}
}

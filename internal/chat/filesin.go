// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"fmt"

	"vcrypto/internal/chat/transfer"
)

// incoming is a file that we were offered.
type incoming struct {
	transfer.Incoming
	number int
	ask    bool // for what comes next
	done   bool // all has come, and is being checked
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
		f.refuse(i.ID, transfer.Declined)
		return nil
	})
}

// offer notes that we were offered a file. f.mu is held.
func (f *Files) offer(o transfer.Offer) {
	known := false
	for _, i := range f.offers {
		known = known || i.ID == o.ID
	}
	if known || f.folder != "" && len(f.offers) >= maxOffers {
		f.refuse(o.ID, transfer.Declined)
		return
	}
	f.last++
	f.events = append(f.events, FileEvent{State: FileOffered, Number: f.last, Name: o.Name, Size: o.Size})
	if f.folder == "" {
		f.refuse(o.ID, transfer.Declined)
		return
	}
	f.offers[f.last] = &incoming{Incoming: transfer.Incoming{Offer: o}, number: f.last}
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

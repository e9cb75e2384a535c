// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"errors"
	"fmt"

	"vcrypto/internal/chat/transfer"
	"vcrypto/internal/chat/wire"
)

// outgoing is a file that we offered.
type outgoing struct {
	*transfer.Outgoing
	number int
	want   transfer.Request // what is left of the last request
	sent   int64            // the farthest
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

// requested notes what the peer wants: instead of what it wanted before. f.mu
// is held.
func (f *Files) requested(r transfer.Request) {
	o := f.offered[r.ID]
	if o == nil {
		f.refuse(r.ID, transfer.Gone)
		return
	}
	o.want = r
	f.poke()
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
			f.forget(o, fmt.Sprintf("read it: %v", err))
			r := transfer.Refusal{ID: o.ID, Reason: transfer.WhyNot(err)}
			return wire.Refuse, r.Append(buf[:0]), true
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

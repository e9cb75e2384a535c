// SPDX-License-Identifier: Apache-2.0

package tui

import "vcrypto/internal/chat/safetext"

// transfer is a file under way.
type transfer struct {
	id          string
	name        string
	done, total int64
}

// maxTransfers bounds how many are kept; those after are not shown.
const maxTransfers = 64

// Progress shows how much of a file has come or gone, in bytes. The first
// call with an id shows a bar, which stays until EndProgress. A total of 0 or
// less is one that is not known. It may be called for every block.
func (u *UI) Progress(id, name string, done, total int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.redraw()
	name = flat(safetext.Line(name))
	for _, t := range u.transfers {
		if t.id == id {
			t.name, t.done, t.total = name, done, total
			return
		}
	}
	if len(u.transfers) < maxTransfers {
		u.transfers = append(u.transfers, &transfer{id, name, done, total})
	}
}

// EndProgress takes the bar away. How it ended is for a message to say.
func (u *UI) EndProgress(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, t := range u.transfers {
		if t.id == id {
			u.transfers = append(u.transfers[:i], u.transfers[i+1:]...)
			u.redraw()
			return
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package member

import (
	"time"

	"vcrypto/internal/chat/room"
)

// Types of events beyond those of package room.
const (
	Info      room.Type = "info"      // Text, in words of ours
	Connected room.Type = "connected" // to the hub at Text
	Away      room.Type = "away"      // Text says why there is no hub; another one is looked for
	Entered   room.Type = "entered"   // we are in Room
	Parted    room.Type = "parted"    // we have left Room
	Members   room.Type = "members"   // Names are in Room
	Rooms     room.Type = "rooms"     // Names are the rooms that our key opens
	Progress  room.Type = "progress"  // Done of Size bytes of File have come or gone
	File      room.Type = "file"      // a file has ended: Text says how
)

// Event is something to show. Nicks, texts and names of files may be others',
// authentic and hostile, except in events of our own making.
type Event struct {
	Time    time.Time    `json:"time"`
	Type    room.Type    `json:"type"`
	Room    string       `json:"room,omitempty"`
	Nick    string       `json:"nick,omitempty"`
	ID      string       `json:"id,omitempty"` // the fingerprint of whom Nick is
	Person  room.ID      `json:"-"`            // the same in full
	Old     string       `json:"old,omitempty"`
	Text    string       `json:"text,omitempty"`
	Own     bool         `json:"own,omitempty"`
	Problem room.Problem `json:"problem,omitempty"`
	Names   []string     `json:"names,omitempty"`
	Seq     uint64       `json:"seq,omitempty"`

	Suite       string `json:"suite,omitempty"`       // of a conversation of two that has begun
	Fingerprint string `json:"fingerprint,omitempty"` // of that; in rooms our own

	Offer int    `json:"offer,omitempty"` // number of a file, for Accept and Decline
	File  string `json:"file,omitempty"`
	Size  int64  `json:"size,omitempty"` // bytes
	Done  int64  `json:"done,omitempty"` // bytes
	Saved string `json:"saved,omitempty"`
}

// SPDX-License-Identifier: Apache-2.0

package transfer

import "fmt"

// Reason says why a file does not come, or does not go.
type Reason byte

const (
	Declined   Reason = 1 // it is not wanted
	Gone       Reason = 2 // it is not on offer, or not any more
	Changed    Reason = 3 // its length is another than was offered
	Unreadable Reason = 4 // who offered it cannot read it
)

// String says it in words of ours, of who offered the file.
func (r Reason) String() string {
	switch r {
	case Declined:
		return "it is not wanted"
	case Gone:
		return "it is not on offer any more"
	case Changed:
		return "its sender's file is longer or shorter by now than when it was offered: it has to be offered anew"
	case Unreadable:
		return "its sender cannot read it any more"
	}
	return fmt.Sprintf("reason %d", byte(r))
}

// Refusal says to whom offers a file, or asks for one, that it ends.
type Refusal struct {
	ID     [IDSize]byte
	Reason Reason
}

// RefusalSize is the size of a Refusal in bytes.
const RefusalSize = IDSize + 1

// Append appends the refusal as it travels.
func (r *Refusal) Append(b []byte) []byte { return append(append(b, r.ID[:]...), byte(r.Reason)) }

// ParseRefusal takes one apart.
func ParseRefusal(b []byte) (Refusal, error) {
	if len(b) != RefusalSize {
		return Refusal{}, fmt.Errorf("a refusal of a file of %d bytes: %w", len(b), ErrFormat)
	}
	return Refusal{ID: [IDSize]byte(b), Reason: Reason(b[IDSize])}, nil
}

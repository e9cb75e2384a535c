// SPDX-License-Identifier: Apache-2.0

package tui

// Status is what the status line says beside the room and its members. Empty
// fields are left out.
type Status struct {
	Nick        string // the user's own
	State       string // of the connection, in a word or two: "connected"
	Driver      string // suite and what serves it: "AES-128-GCM on /dev/crypto"
	Fingerprint string // to compare with others
}

// SetStatus replaces what the status line says.
func (u *UI) SetStatus(s Status) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status = s
	u.redraw()
}

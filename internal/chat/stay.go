// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"time"

	"vcrypto/internal/chat/wire"
)

// How long to wait before connecting again, at first and at most.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// Stay is Connect for a person, who wants to read the last words, and to go on
// when a connection was cut. It returns when the user leaves, when there is no
// conversation at first, and when this end fails. When the peer has left in
// good order it waits for the user to leave, too.
func (c *Chat) Stay(ctx context.Context, addr string) error {
	pause := firstPause
	for talkedBefore := false; ; {
		talked, err := c.connect(ctx, addr)
		talkedBefore = talkedBefore || talked
		switch {
		case ctx.Err() != nil || c.quit && (err == nil || errors.Is(err, ErrLeft)):
			return nil
		case c.quit || !talkedBefore || errors.Is(err, ErrLocal) || errors.Is(err, wire.ErrCipher):
			return err
		}
		if talked {
			pause = firstPause
		}
		var again <-chan time.Time
		if err == nil || errors.Is(err, ErrLeft) || errors.Is(err, ErrUnproved) {
			if errors.Is(err, ErrUnproved) {
				c.Log("%v", err)
			}
			c.Log("the conversation is over: Ctrl-D leaves")
		} else {
			c.Log("%v; trying again in %v", err, pause)
			again = time.After(pause)
			pause = min(2*pause, longestPause)
		}
		if done, err := c.idle(ctx, again); done {
			return err
		}
	}
}

// idle takes what the user says to nobody, until it is time. It says whether
// the user is done.
func (c *Chat) idle(ctx context.Context, again <-chan time.Time) (done bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return true, nil
		case <-again:
			return false, nil
		case chunk := <-c.In.Next():
			c.In.Took(chunk)
			if done, err := c.toNobody(chunk); done {
				return true, err
			}
		}
	}
}

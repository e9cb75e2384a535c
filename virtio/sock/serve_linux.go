// SPDX-License-Identifier: Apache-2.0

package sock

import (
	"context"
	"fmt"
	"log/slog"
	"net"
)

// ServeEach serves one peer after the other, each with a device of its own;
// while one is served others wait. What goes wrong with one is logged, with
// peer for what the protocol calls it. serve owns the connection and the
// device. ServeEach returns nil when ctx ends, or when the one connection of a
// connected socket has; and an error if no connection can be accepted or no
// device made. log may be nil.
func ServeEach[D any](ctx context.Context, l *Listener, log *slog.Logger, peer string,
	newDevice func() (D, error), serve func(*net.UnixConn, D) error) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return l.Serve(ctx, log, func(conn *net.UnixConn) error {
		device, err := newDevice()
		if err != nil {
			conn.Close()
			return fmt.Errorf("make a device: %w", err)
		}
		log.Info(peer + " connected")
		if err := serve(conn, device); err != nil {
			log.Error(peer+" disconnected", "err", err)
			return nil
		}
		log.Info(peer + " disconnected")
		return nil
	})
}

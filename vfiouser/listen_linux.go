// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"vcrypto/virtio/sock"
)

// ErrInUse: another process listens on the socket.
var ErrInUse = sock.ErrInUse

// Factory makes a device for a connection.
type Factory func() (Device, error)

// Listener is a socket on which clients connect, or one that is connected.
type Listener struct{ *sock.Listener }

// Listen makes a socket that only its owner may connect to. It takes over one
// that a process left behind, and refuses, with [ErrInUse], one that a process
// listens on, and a path that is something else.
func Listen(path string) (*Listener, error) {
	l, err := sock.Listen(path)
	if err != nil {
		return nil, err
	}
	return &Listener{l}, nil
}

// FromFD returns a Listener for a descriptor that this process was started
// with: a Unix stream socket that listens or is connected. It takes over the
// descriptor.
func FromFD(fd int) (*Listener, error) {
	l, err := sock.FromFD(fd)
	if err != nil {
		return nil, err
	}
	return &Listener{l}, nil
}

// Serve serves one client after the other, each with a device of its own;
// while one is served others wait. What goes wrong with one is logged. Serve
// returns nil when ctx ends, or when the one connection of a connected socket
// has; and an error if no connection can be accepted or no device made.
func (l *Listener) Serve(ctx context.Context, factory Factory, o Options) error {
	return ServeListener(ctx, l.Listener, factory, o)
}

// ServeListener is [Listener.Serve] for a socket that may serve any protocol.
func ServeListener(ctx context.Context, l *sock.Listener, factory Factory, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return l.Serve(ctx, o.Log, func(conn *net.UnixConn) error {
		dev, err := factory()
		if err != nil {
			conn.Close()
			return fmt.Errorf("make a device: %w", err)
		}
		o.Log.Info("client connected")
		if err := Serve(ctx, conn, dev, o); err != nil {
			o.Log.Error("client disconnected", "err", err)
			return nil
		}
		o.Log.Info("client disconnected")
		return nil
	})
}

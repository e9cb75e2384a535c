// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"vcrypto/virtio"
	"vcrypto/virtio/sock"
)

// ErrInUse: another process listens on the socket.
var ErrInUse = sock.ErrInUse

// Factory makes a device for a connection. ext may be nil.
type Factory func() (in *virtio.Instance, ext Extension, err error)

// Listener is a socket on which front-ends connect, or one that is connected.
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
// with: a Unix stream socket that listens or is connected (vhost-user.rst
// "Backend program conventions", --fd). It takes over the descriptor.
func FromFD(fd int) (*Listener, error) {
	l, err := sock.FromFD(fd)
	if err != nil {
		return nil, err
	}
	return &Listener{l}, nil
}

// Serve serves one front-end after the other, each with a device of its own;
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
		in, ext, err := factory()
		if err != nil {
			conn.Close()
			return fmt.Errorf("make a device: %w", err)
		}
		o.Log.Info("front-end connected")
		if err := Serve(ctx, conn, in, ext, o); err != nil {
			o.Log.Error("front-end disconnected", "err", err)
			return nil
		}
		o.Log.Info("front-end disconnected")
		return nil
	})
}

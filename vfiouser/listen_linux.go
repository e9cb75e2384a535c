// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"context"
	"net"

	"vcrypto/virtio/sock"
)

// Factory makes a device for a connection.
type Factory func() (Device, error)

// ServeListener serves the clients that connect to a socket, one after the
// other; see [sock.ServeEach].
func ServeListener(ctx context.Context, l *sock.Listener, factory Factory, o Options) error {
	return sock.ServeEach(ctx, l, o.Log, "client", factory,
		func(conn *net.UnixConn, d Device) error { return Serve(ctx, conn, d, o) })
}

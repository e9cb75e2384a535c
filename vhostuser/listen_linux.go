// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"context"
	"net"

	"vcrypto/virtio"
	"vcrypto/virtio/sock"
)

// Factory makes a device for a connection. ext may be nil.
type Factory func() (in *virtio.Instance, ext Extension, err error)

// ServeListener serves the front-ends that connect to a socket, one after the
// other; see [sock.ServeEach].
func ServeListener(ctx context.Context, l *sock.Listener, factory Factory, o Options) error {
	type device struct {
		in  *virtio.Instance
		ext Extension
	}
	return sock.ServeEach(ctx, l, o.Log, "front-end",
		func() (d device, err error) {
			d.in, d.ext, err = factory()
			return d, err
		},
		func(conn *net.UnixConn, d device) error { return Serve(ctx, conn, d.in, d.ext, o) })
}

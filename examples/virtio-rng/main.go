// SPDX-License-Identifier: Apache-2.0

// Virtio-rng serves a virtio entropy device: random bytes from the host for a
// guest's /dev/hwrng. It is all that it takes to build a device on the packages
// virtio, vhostuser and vfiouser; the device itself is in rng.go.
//
//	virtio-rng --socket-path /run/rng.sock
//	qemu-system-x86_64 -object memory-backend-memfd,id=mem,size=1G,share=on -machine pc,memory-backend=mem \
//	    -chardev socket,id=rng,path=/run/rng.sock -device vhost-user-rng-pci,chardev=rng
//
//	virtio-rng --socket-path /run/rng.sock --transport vfio-user
//	qemu-system-x86_64 -object memory-backend-memfd,id=mem,size=1G,share=on -machine pc,memory-backend=mem \
//	    -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/run/rng.sock"}}'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/sock"
)

func main() {
	path := flag.String("socket-path", "", "listen on this socket")
	transport := flag.String("transport", "vhost-user", "the protocol of the socket: vhost-user or vfio-user")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, *path, *transport, slog.Default()); err != nil {
		fmt.Fprintln(os.Stderr, "virtio-rng:", err)
		os.Exit(1)
	}
}

// serve serves one guest after the other, each with a device of its own.
func serve(ctx context.Context, path, transport string, log *slog.Logger) error {
	if path == "" {
		return errors.New("which socket? Name it with --socket-path")
	}
	newInstance := func() *virtio.Instance {
		return virtio.NewInstance(entropy{}, virtio.Options{Log: log})
	}
	l, err := sock.Listen(path)
	if err != nil {
		return err
	}
	defer l.Close()
	log.Info("serving", "socket", path, "transport", transport)
	switch transport {
	case "vhost-user":
		return vhostuser.ServeListener(ctx, l, func() (*virtio.Instance, vhostuser.Extension, error) {
			return newInstance(), nil, nil
		}, vhostuser.Options{Log: log})
	case "vfio-user":
		return vfiouser.ServeListener(ctx, l, func() (vfiouser.Device, error) {
			return virtiopci.New(newInstance(), virtiopci.Options{Log: log})
		}, vfiouser.Options{Log: log})
	}
	return fmt.Errorf("--transport %q: there are vhost-user and vfio-user", transport)
}

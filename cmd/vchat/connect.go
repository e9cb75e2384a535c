// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"vcrypto/internal/chat"
)

func newConnect() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "connect ADDR",
		Short: "Connect to a listener and chat",
		Long: `connect talks to the listener at ADDR: HOST, HOST:PORT, an IPv6 address, or
:PORT for this machine. The port is 35001 unless ADDR says otherwise.

On a terminal there is an interface to type and read in; /help lists its
commands. A connection that is cut is made anew. Otherwise the bytes of the
input go to the peer, and the peer's come out; at the end of the input the
peer is told so, and what it says is shown until that ends too. With --json
the input are lines as typed in the interface, the output events.`,
		Example: `  vchat connect --psk-file vchat.key host.example
  vchat connect --psk-file vchat.key --crypto /dev/cryptodev0 10.0.2.2
  vchat connect --psk-file vchat.key '[2001:db8::1]:4000' <photo.jpg
  vchat connect --plain 192.0.2.7`,
		Args: oneAddress(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			addr, err := chat.Address(args[0])
			if err != nil {
				return usageError{err}
			}
			c, closeAll, err := o.open()
			if err != nil {
				return err
			}
			defer closeAll()
			return o.converse(cmd.Context(), c, "connecting",
				func(ctx context.Context) error { return c.Connect(ctx, addr) },
				func(ctx context.Context) error { return c.Stay(ctx, addr) })
		},
	}
	o.register(cmd)
	return cmd
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
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

At the end of its input (Ctrl-D on a terminal) it tells the peer so and shows
what the peer says until that ends too. Ctrl-C leaves at once.`,
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
			return c.Connect(cmd.Context(), addr)
		},
	}
	o.register(cmd)
	return cmd
}

// SPDX-License-Identifier: Apache-2.0

// Command vchat is a chat, between two ends over TCP or in rooms over hubs:
// encrypted with keys that its users share, with the AES done where they say,
// by a cryptodev node such as a virtio-crypto device, or by an engine.
//
// It is a program of its own, apart from vcrypto: a terminal and a network
// have no business in a daemon that holds other people's keys.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"vcrypto/internal/manpage"
)

func main() { os.Exit(run()) }

func run() int {
	// A closed pipe at our output is an error that the peer is told of, not
	// the program's sudden death.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once

	err := newCommand().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vchat:", err)
	}
	return exitCode(err)
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "vchat",
		Short: "Chat, with one or in rooms, encrypted by the device you name",
		Long: `vchat joins two ends over TCP. One listens, the other connects; what either
types or pipes in comes out at the other, both ways at once.

Rooms are for more than two: a hub carries them, and cannot read them; all who
have the same key file join.

With a pre-shared key everything is encrypted and authenticated, and both ends
prove to each other that they have the key before anything is sent or shown.
AES runs where --crypto says: in /dev/crypto (a virtio-crypto device, say), in
another cryptodev node, or in an engine of this program. With --plain nothing
is protected, and the other end may be nc.

Exit status:
  0  both ends sent and received everything, or you ended it
  1  this end failed: cannot listen, connect, read, write or encrypt
  2  wrong usage, or a key that cannot be used
  3  the peer did not prove to have our key (a wrong key, another protocol)
  4  the conversation broke off, or what came was changed on the way
  5  the listener is busy with another peer`,
		Example: `  vchat keygen vchat.key       # then copy it to the other end, by a safe way
  vchat listen --psk-file vchat.key
  vchat connect --psk-file vchat.key host.example
  vchat join --psk-file vchat.key hub.example '#cats'`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newListen(), newConnect(), newHub(), newJoin(), newKeygen(), manpage.Command())
	return root
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("no command %q; see %s --help", args[0], cmd.CommandPath())}
	}
	return nil
}

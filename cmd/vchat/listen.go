// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vcrypto/internal/chat"
	"vcrypto/internal/chat/console"
)

// defaultWait is how long a listener whose peer has ended waits for more
// input: long enough for what is on its way in a pipe, short enough that a
// pipe which stays open does not keep the next peer out.
const defaultWait = 2 * time.Second

func newListen() *cobra.Command {
	var (
		o    options
		once bool
		wait time.Duration
	)
	cmd := &cobra.Command{
		Use:   "listen [ADDR]",
		Short: "Wait for peers and chat with one at a time",
		Long: `listen waits at ADDR (HOST, HOST:PORT, :PORT or an IPv6 address; the default is
port 35001 on all addresses) and talks to one peer after the other. While one
is there others are told that we are busy. What goes wrong with a peer is said
on standard error, and the next one is served.

All peers share one input: what it holds goes to the peer who is there when it
is read. At its end (of a file or pipe) listen goes on, receiving only. On a
terminal there is an interface to type and read in; /help lists its commands.
With --json the input are lines as typed there, the output events.`,
		Example: `  vchat listen --psk-file vchat.key
  vchat listen --psk-file vchat.key --crypto /dev/crypto --nick ann
  vchat listen --psk-file vchat.key --once localhost:4000 >photo.jpg </dev/null
  vchat listen --plain :4000           # and elsewhere: nc host 4000`,
		Args: oneAddress(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			addr, err := chat.Address(strings.Join(args, ""))
			if err != nil {
				return usageError{err}
			}
			c, closeAll, err := o.open()
			if err != nil {
				return err
			}
			defer closeAll()
			c.Wait = wait
			l, err := chat.Listen(cmd.Context(), addr)
			if err != nil {
				return err
			}
			serve := func(ctx context.Context) error {
				c.Log("listening on %s", l.Addr())
				return c.Serve(ctx, l, once)
			}
			return o.converse(cmd.Context(), c, console.Nobody, serve, serve)
		},
	}
	o.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&once, "once", false, "serve one peer that has the key, then exit with the status of that conversation")
	f.DurationVar(&wait, "wait", defaultWait, "once the peer's input has ended, end ours at the first pause this long; negative: only at its own end")
	return cmd
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"log"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vcrypto/internal/chat"
	"vcrypto/internal/chat/hub"
)

func newHub() *cobra.Command {
	var c hub.Config
	cmd := &cobra.Command{
		Use:   "hub [ADDR]",
		Short: "Carry rooms for others, who need not trust it",
		Long: `hub waits at ADDR (default: port 35001 on all addresses) for members of rooms
(vchat join), and carries what they say to each other. It sees ciphertext only:
it needs no key, and can neither read nor forge.

With --nats several hubs that name the same cluster are one network of rooms;
the cluster needs JetStream. Without it the hub is a network of its own.`,
		Example: `  vchat hub
  vchat hub --nats nats://10.0.0.1:4222,nats://10.0.0.2:4222 :35001`,
		Args: oneAddress(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			addr, err := chat.Address(strings.Join(args, ""))
			if err != nil {
				return usageError{err}
			}
			if c.NATS == "" && (c.Credentials != "" || c.Replicas > 1) {
				return usageError{errors.New("--nats-creds and --nats-replicas are for a cluster: name it with --nats URL")}
			}
			logger := log.New(os.Stderr, "vchat: ", 0)
			c.Log = logger.Printf
			ctx := cmd.Context()
			var l net.Listener
			if l, err = chat.Listen(ctx, addr); err != nil {
				return err
			}
			h, err := hub.New(ctx, c)
			if err != nil {
				l.Close()
				return err
			}
			defer h.Close()
			logger.Printf("listening on %s", l.Addr())
			return h.Serve(ctx, l)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.NATS, "nats", "", "URLs of a NATS cluster, with commas between them (default: a server inside, for this hub alone)")
	f.StringVar(&c.Credentials, "nats-creds", "", "file with credentials for the cluster")
	f.IntVar(&c.Replicas, "nats-replicas", 1, "how many servers of the cluster keep what was said, if this hub is the first")
	f.IntVar(&c.Limits.Clients, "max-clients", 10_000, "how many clients there may be")
	f.Float64Var(&c.Limits.Posts, "max-rate", 50, "how many messages a second a client may send in the long run")
	return cmd
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vcrypto/internal/chat"
	"vcrypto/internal/chat/console"
	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/place"
	"vcrypto/internal/chat/psk"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
)

const defaultRoom = "#lobby"

// joinOptions are the flags of join.
type joinOptions struct {
	pskFile, crypto, nick, files string
	json, lines, stay            bool
}

func newJoin() *cobra.Command {
	var o joinOptions
	cmd := &cobra.Command{
		Use:   "join ADDR[,ADDR...] [#ROOM]",
		Short: "Enter a room on a hub",
		Long: `join enters #ROOM (default: ` + defaultRoom + `) on the hub at ADDR. If there are several
addresses, of hubs of one network, a hub that goes away is left for the next.

All who have the same key file and name the same room are in it; the hub
sees ciphertext only. On a terminal there is an interface to type and read in;
/help lists its commands. Otherwise each line of the input is typed, and each
line of the output is something that was said: "#room <nick> text". With
--json each line of the output is an event. At the end of the input join
waits until all was taken, and leaves.`,
		Example: `  vchat join --psk-file friends.key hub.example
  vchat join --psk-file friends.key --crypto /dev/crypto hub1.example,hub2.example '#cats'
  echo "the backup is done" | vchat join --psk-file ops.key --nick backup hub.example '#ops'
  vchat join --psk-file ops.key --json --stay hub.example '#ops' </dev/null`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{fmt.Errorf("%d arguments; see %s --help", len(args), cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.pskFile, "psk-file", "", "file with the key that members share (default: the environment variable "+psk.Env+")")
	f.StringVar(&o.crypto, "crypto", place.Auto, "where AES runs: a node (/dev/crypto, /dev/cryptodev0), an engine (gocrypto), or auto: /dev/crypto if it is there, else the best engine")
	f.StringVar(&o.nick, "nick", firstOf(os.Getenv("USER"), os.Getenv("LOGNAME"), "guest"), "name that the others see")
	f.StringVar(&o.files, "files", ".", "folder for files that you accept")
	f.BoolVar(&o.json, "json", false, "write events as JSON, one a line")
	f.BoolVar(&o.lines, "lines", false, "lines in and out, also on a terminal")
	f.BoolVar(&o.stay, "stay", false, "stay after the end of the input")
	return cmd
}

// front is what shows events.
type front interface {
	Show(member.Event)
}

func (o *joinOptions) run(ctx context.Context, args []string) error {
	var addrs []string
	for a := range strings.SplitSeq(args[0], ",") {
		addr, err := chat.Address(a)
		if err != nil {
			return usageError{err}
		}
		addrs = append(addrs, addr)
	}
	name := defaultRoom
	if len(args) > 1 {
		name = args[1]
	}
	name = safetext.Room(name)
	nick := strings.ReplaceAll(safetext.Nick(o.nick), "~", "")
	if err := errors.Join(room.CheckName(name), room.CheckNick(nick)); err != nil {
		return usageError{err}
	}

	logger := log.New(os.Stderr, "vchat: ", 0)
	secret, err := readKey(o.pskFile, logger)
	if err != nil {
		return usageError{err}
	}
	key, err := room.NewKey(secret)
	clear(secret)
	if err != nil {
		return err
	}
	defer key.Zero()
	p, closePlace, err := openPlace(o.crypto, logger)
	if err != nil {
		return err
	}
	defer closePlace()

	var f front
	var terminal *console.Terminal
	lines := &console.Lines{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, JSON: o.json, Stay: o.stay}
	f = lines
	if !o.json && !o.lines && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		terminal = console.NewTerminal(nick, p.String(), console.Commands)
		f = terminal
	}
	client, err := member.New(member.Config{Addrs: addrs, Key: key, Place: p, Nick: nick, Files: o.files, Show: f.Show})
	if err != nil {
		return err
	}
	// The client outlives the user's wish to go: it says goodbye.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if terminal != nil {
		terminal.Attach(life, client)
	}
	ended := make(chan error, 1)
	go func() { ended <- client.Run(life) }()

	c := &console.Console{Client: client, Show: f.Show}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	used := make(chan error, 1)
	go func() {
		err := client.Join(name)
		switch {
		case err != nil:
		case terminal != nil:
			err = terminal.Run(ctx, c)
		default:
			err = lines.Run(ctx, c, name)
		}
		used <- err
	}()
	select {
	case err := <-ended: // no hub, at first
		leave()
		<-used // the terminal is as it was
		return err
	case err := <-used:
		end()
		ranErr := <-ended
		if errors.Is(err, member.ErrStopped) {
			err = nil
		}
		return errors.Join(ranErr, err)
	}
}

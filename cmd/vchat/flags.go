// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	_ "vcrypto/engine/devcrypto"
	_ "vcrypto/engine/gocrypto"
	"vcrypto/internal/chat"
	"vcrypto/internal/chat/cbc"
	"vcrypto/internal/chat/psk"
	"vcrypto/internal/chat/safetext"
)

// options are the flags that both commands have.
type options struct {
	plain   bool
	pskFile string
	crypto  string
	nick    string

	changed func(flag string) bool // whether the user gave it
}

func (o *options) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.plain, "plain", false, "no encryption: the bare bytes, readable and forgeable by all between the ends")
	f.StringVar(&o.pskFile, "psk-file", "", "file with the pre-shared key, at least 16 bytes (default: the environment variable "+psk.Env+")")
	f.StringVar(&o.crypto, "crypto", cbc.Auto, "where AES runs: a node (/dev/crypto, /dev/cryptodev0), an engine (gocrypto), or auto: /dev/crypto if it is there, else the best engine")
	f.StringVar(&o.nick, "nick", firstOf(os.Getenv("USER"), os.Getenv("LOGNAME")), "name that the peer's terminal shows; it travels encrypted")
	o.changed = f.Changed
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

// open makes this end from the flags. close gives the key and the place of
// the cipher back.
func (o *options) open() (c *chat.Chat, close func(), err error) {
	if o.plain && (o.changed("psk-file") || o.changed("crypto")) {
		return nil, nil, usageError{errors.New("--plain has no key and no cipher: leave out --psk-file and --crypto, or --plain")}
	}
	logger := log.New(os.Stderr, "vchat: ", 0)
	c = &chat.Chat{
		In:   chat.NewInput(os.Stdin, term.IsTerminal(int(os.Stdin.Fd()))),
		Out:  chat.NewOutput(os.Stdout, term.IsTerminal(int(os.Stdout.Fd()))),
		Log:  logger.Printf,
		Nick: safetext.Nick(o.nick),
		Wait: -1,
	}
	if o.plain {
		logger.Print("no encryption: all between the two ends can read and change what is said")
		return c, func() {}, nil
	}
	key, warning, err := psk.Read(o.pskFile)
	if err != nil {
		return nil, nil, usageError{err}
	}
	os.Unsetenv(psk.Env) // for what we may start; the kernel's copy remains
	if warning != "" {
		logger.Print(warning)
	}
	place, err := cbc.Open(o.crypto)
	if err != nil {
		clear(key)
		return nil, nil, fmt.Errorf("--crypto %s: %w", o.crypto, err)
	}
	if passed := place.PassedOver(); passed != nil {
		logger.Printf("/dev/crypto cannot be used: %v", passed)
	}
	logger.Printf("AES runs in %s", place)
	c.Key, c.CBC = key, place
	return c, func() {
		clear(key)
		if err := place.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			logger.Print(err)
		}
	}, nil
}

// oneAddress is the commands' argument.
func oneAddress(least int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > 1 {
			return usageError{fmt.Errorf("%d arguments; see %s --help", len(args), cmd.CommandPath())}
		}
		return nil
	}
}

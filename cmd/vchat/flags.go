// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	_ "vcrypto/engine/devcrypto"
	_ "vcrypto/engine/gocrypto"
	"vcrypto/internal/chat"
	"vcrypto/internal/chat/console"
	"vcrypto/internal/chat/place"
	"vcrypto/internal/chat/psk"
	"vcrypto/internal/chat/safetext"
)

// options are the flags that both commands have.
type options struct {
	plain   bool
	pskFile string
	phrase  bool
	crypto  string
	nick    string
	files   string
	json    bool
	lines   bool

	changed func(flag string) bool // whether the user gave it
}

func (o *options) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.plain, "plain", false, "no encryption: the bare bytes, readable and forgeable by all between the ends")
	f.StringVar(&o.pskFile, "psk-file", "", "file with the pre-shared key, at least 16 bytes (default: the environment variable "+psk.Env+")")
	f.BoolVar(&o.phrase, "passphrase", false, "ask for a passphrase, or take it from "+psk.EnvPassphrase+", instead of a key")
	f.StringVar(&o.crypto, "crypto", place.Auto, "where AES runs: a node (/dev/crypto, /dev/cryptodev0), an engine (gocrypto), or auto: /dev/crypto if it is there, else the best engine")
	f.StringVar(&o.nick, "nick", firstOf(os.Getenv("USER"), os.Getenv("LOGNAME")), "name that the peer's terminal shows; it travels encrypted")
	f.StringVar(&o.files, "files", ".", "folder for files that you accept")
	f.BoolVar(&o.json, "json", false, "write events as JSON, one a line; what comes in are lines, and commands")
	f.BoolVar(&o.lines, "lines", false, "the bare bytes in and lines out, also on a terminal")
	o.changed = f.Changed
}

// converse has the chat run by talk, with what the user wants before it: an
// interface on a terminal, events as JSON, or nothing but its bytes. person is
// talk for the interface, which begins in a state.
func (o *options) converse(ctx context.Context, c *chat.Chat, state string, talk, person func(context.Context) error) error {
	switch {
	case o.json:
		l := &console.Lines{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, JSON: true}
		p := console.NewPair(c, o.files, l.Show, l.Failed, false)
		return p.Run(ctx, talk, func(ctx context.Context) error { return l.Run(ctx, p, "") })
	case o.lines || !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())):
		return talk(ctx)
	}
	driver := ""
	if c.Place != nil {
		driver = fmt.Sprint(c.Place)
	}
	t := console.NewTerminal(c.Nick, driver, console.PairCommands)
	t.State(state)
	p := console.NewPair(c, o.files, t.Show, nil, true)
	t.Attach(ctx, p.Files())
	switch { // what was said before is behind the interface
	case o.plain:
		p.Warn(plainWarning)
	case o.phrase:
		p.Warn(psk.Warning)
	}
	return p.Run(ctx, person, func(ctx context.Context) error { return t.Run(ctx, p) })
}

const plainWarning = "no encryption: all between the two ends can read and change what is said"

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
	if o.plain && (o.changed("psk-file") || o.changed("crypto") || o.phrase) {
		return nil, nil, usageError{errors.New("--plain has no key and no cipher: leave out --psk-file, --passphrase and --crypto, or --plain")}
	}
	if o.phrase && o.changed("psk-file") {
		return nil, nil, usageError{errors.New("--passphrase and --psk-file are two secrets where one is needed: leave one out")}
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
		logger.Print(plainWarning)
		return c, func() {}, nil
	}
	forget, err := o.secret(c, logger)
	if err != nil {
		return nil, nil, usageError{err}
	}
	p, closePlace, err := openPlace(o.crypto, logger)
	if err != nil {
		forget()
		return nil, nil, err
	}
	c.Place = p
	return c, func() {
		forget()
		closePlace()
	}, nil
}

// secret reads the key or the passphrase. forget zeroes it.
func (o *options) secret(c *chat.Chat, logger *log.Logger) (forget func(), err error) {
	if o.phrase {
		if c.Passphrase, err = psk.AskPassphrase(); err != nil {
			return nil, err
		}
		os.Unsetenv(psk.EnvPassphrase)
		logger.Print(psk.Warning)
		return c.Passphrase.Zero, nil
	}
	if c.Key, err = readKey(o.pskFile, logger); err != nil {
		return nil, err
	}
	return func() { clear(c.Key) }, nil
}

// readKey reads the key from a file, or from the environment.
func readKey(file string, logger *log.Logger) (psk.Key, error) {
	key, warning, err := psk.Read(file)
	if err != nil {
		return nil, err
	}
	os.Unsetenv(psk.Env) // for what we may start; the kernel's copy remains
	if warning != "" {
		logger.Print(warning)
	}
	return key, nil
}

// openPlace opens where AES runs, and says where that is.
func openPlace(spec string, logger *log.Logger) (p *place.Place, closePlace func(), err error) {
	if p, err = place.Open(spec); err != nil {
		return nil, nil, fmt.Errorf("--crypto %s: %w", spec, err)
	}
	if passed := p.PassedOver(); passed != nil {
		logger.Printf("/dev/crypto cannot be used: %v", passed)
	}
	logger.Printf("AES runs in %s", p)
	if err := p.Lacks(); err != nil {
		logger.Printf("it has no AES-GCM (%v): AES-CBC with HMAC-SHA-256 is used", err)
	}
	return p, func() {
		if err := p.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
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

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vcrypto/cryptodev/node"
	"vcrypto/cuse"
	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/internal/config"
)

// cuseOptions are the flags of `vcrypto cuse`.
type cuseOptions struct {
	name       string
	mode       string
	group      string
	engineName string
	log        logFlags
}

func newCUSECommand() *cobra.Command {
	var o cuseOptions
	cmd := &cobra.Command{
		Use:   "cuse",
		Short: "Offer /dev/crypto without a driver, from this program",
		Long: `cuse makes a cryptodev node where no module of ours may be loaded: the kernel's
own module "cuse" passes each call to this program, which does the work with an
engine. No device and no host takes part. It runs in the foreground, as root,
and ends on SIGTERM; the node goes with it.

` + cuseSpeed + `

Engine auto is Go's library here: calls come one at a time, so that engines for
many at once are no good. What Go lacks, AES-CCM, another engine does: a library
that is built in, else afalg, the kernel's own code over AF_ALG sockets. With
--engine afalg the kernel does all ciphers, for drivers of hardware that it has. It
takes two more system calls and two more copies each time: 65 us where Go took 7,
for 512 bytes in an emulated VM, which is little beside the trips of a call. Hashes
are always Go's.

It lacks CRIOGET (use dup(2)), and operations on AEADs and XTS are of 4 MiB at
most; those on CCM by engine afalg of 128 KiB. A session takes four file
descriptors there. Calls of more than 128 KiB need CAP_SYS_PTRACE.`,
		Example: `  modprobe cuse && vcrypto cuse
  vcrypto cuse --name cryptodev9 --mode 0660 --group crypto
  modprobe -a cuse algif_skcipher algif_aead && vcrypto cuse --engine afalg`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := o.log.logger(cmd)
			if err != nil {
				return err
			}
			cmd.SilenceUsage = true
			return o.run(cmd.Context(), log)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "crypto", "of the node, in /dev")
	f.StringVar(&o.mode, "mode", "0666", "who may open the node: its mode, in octal")
	f.StringVar(&o.group, "group", "", "the node's group, a name or a number")
	f.StringVar(&o.engineName, "engine", engine.Auto, "what does the ciphers: auto, or one of those that vcrypto engines lists")
	o.log.add(cmd)
	return cmd
}

// cuseSpeed tells what was measured; docs/performance-guest.md has the table.
const cuseSpeed = `It is slow: a call is three trips between kernel and this program, and the
guest's CPU does the work. Beside our driver in the same emulated VM a call took
25 to 37 times as long on a quiet host; with 64 requests under way it did a 60th
to a 130th of the work ("make bench-guest" measures both).`

func (o *cuseOptions) run(ctx context.Context, log *slog.Logger) error {
	mode, err := strconv.ParseUint(o.mode, 8, 9) // rwxrwxrwx
	if err != nil {
		return fmt.Errorf("--mode %q: not a mode such as 0660", o.mode)
	}
	gid := -1
	if o.group != "" {
		if gid, err = config.LookupGroup(o.group); err != nil {
			return fmt.Errorf("--group: %w", err)
		}
	}
	// Callers' keys are in here: no core files, no debuggers.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep keys out of core files: %w", err)
	}
	if o.engineName == "devcrypto" {
		return errors.New("--engine devcrypto: it works through the node that this command makes")
	}
	e, err := openCUSEEngine(o.engineName, engine.Options{Log: log})
	if err != nil {
		return err
	}
	defer closeLogged(log, "engine", e)
	n := node.New(node.Options{Engine: e, Driver: "vcrypto-cuse"})
	defer closeLogged(log, "node", n)
	return cuse.Serve(ctx, cuse.Options{Name: o.name, Mode: fs.FileMode(mode), GID: gid, Log: log}, cuseDevice{n})
}

// openCUSEEngine opens an engine for requests that come one at a time: with auto,
// Go's library does all that it has.
func openCUSEEngine(name string, options engine.Options) (engine.Engine, error) {
	if name != engine.Auto {
		return engine.Open(name, options)
	}
	first := gocrypto.New()
	by := make(map[engine.Algorithm]string)
	for _, s := range first.Algorithms() {
		by[s.Algorithm] = first.Name()
	}
	return engine.OpenMix(name, by, options)
}

// cuseDevice is a cryptodev node as a device of package cuse.
type cuseDevice struct{ node *node.Node }

func (d cuseDevice) Open(_ uint32, wake func()) (cuse.File, error) {
	return cuseFile{d.node.Open(wake)}, nil
}

type cuseFile struct{ *node.File }

func (f cuseFile) Ioctl(c *cuse.Call) error {
	err := f.File.Ioctl(cuseMemory{c}, uintptr(c.Cmd), c.Arg, c.Compat)
	var told *node.Told
	if errors.As(err, &told) {
		return &cuse.Told{Err: told.Errno}
	}
	return err
}

// cuseMemory is the memory of who makes a call.
type cuseMemory struct{ *cuse.Call }

func (m cuseMemory) Prepare(in, out []node.Span) error {
	convert := func(spans []node.Span) []cuse.Span {
		all := make([]cuse.Span, len(spans))
		for i, s := range spans {
			all[i] = cuse.Span(s)
		}
		return all
	}
	return m.Call.Prepare(convert(in), convert(out))
}

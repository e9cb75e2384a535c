// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// RunTTY runs a command on a terminal of the guest that is joined to ours: in
// must be a terminal and is in raw mode meanwhile, so that every key, Ctrl-C
// included, goes to the guest.
func (v *VM) RunTTY(ctx context.Context, in, out *os.File, args ...string) error {
	fd := int(in.Fd())
	cols, rows, err := term.GetSize(fd)
	if err != nil {
		return fmt.Errorf("asking the terminal for its size: %w", err)
	}
	c := v.Command(ctx, args[0], args[1:]...)
	c.Stdin, c.Stdout = in, out
	c.TTY = &TTY{Rows: uint16(rows), Cols: uint16(cols), Term: os.Getenv("TERM")}

	before, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("setting the terminal to raw mode: %w", err)
	}
	defer term.Restore(fd, before)
	if err := c.Start(); err != nil {
		return err
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-resized:
				if cols, rows, err := term.GetSize(fd); err == nil {
					c.Resize(uint16(rows), uint16(cols)) // fails only when the command has ended
				}
			case <-ended:
				return
			}
		}
	}()
	err = c.Wait()
	signal.Stop(resized)
	close(ended)
	return err
}

// Shell runs an interactive shell of the guest on our terminal.
func (v *VM) Shell(ctx context.Context, in, out *os.File) error {
	return v.RunTTY(ctx, in, out, "/bin/sh", "-l")
}

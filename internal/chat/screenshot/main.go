// SPDX-License-Identifier: Apache-2.0

// Command screenshot draws the picture of the chat that the README shows: a
// hub and three people on it, one of whom sits at a real terminal (tmux), whose
// screen becomes an SVG. `make screenshot` calls it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	vchat := flag.String("vchat", "bin/vchat", "the program")
	out := flag.String("o", "docs/img/vchat.svg", "the file to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := shoot(ctx, *vchat, *out); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

func shoot(ctx context.Context, vchat, out string) error {
	s, err := newScene(ctx, vchat)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.play(); err != nil {
		return err
	}
	svg, err := s.draw()
	if err != nil {
		return err
	}
	return os.WriteFile(out, svg, 0o644)
}

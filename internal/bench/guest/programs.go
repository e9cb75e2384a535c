// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"vcrypto/internal/classic"
)

// measurement is a line of a program.
type measurement struct {
	title string
	chunk int // bytes
}

// sideBySide measures with cryptodev-linux's own programs and prints what they
// say: first ours, then the classic way, in turns.
func sideBySide(ctx context.Context, o options) error {
	if o.classic == "" {
		return errors.New("-programs needs -cryptodev-linux, the folder that their sources are in")
	}
	g, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer g.close()
	// They open /dev/crypto, which gets another meaning for each run.
	const aside = "/dev/crypto-classic"
	if _, err := g.sh(ctx, "mv /dev/crypto "+aside); err != nil {
		return err
	}
	g.nodes[1].path = aside
	r := g.report
	fmt.Printf("%s; QEMU %s, %s, Linux %s, %d guest CPUs %s; engine %s\n",
		r.CPU, r.QEMU, r.Accelerator, r.Kernel, r.GuestCPUs, o.append, o.engine)
	for name := range strings.SplitSeq(o.programs, ",") {
		at := slices.IndexFunc(g.programs, func(p classic.Program) bool { return p.Name == name })
		if at < 0 {
			return fmt.Errorf("cryptodev-linux has no program %q", name)
		}
		var found [2]map[measurement]float64
		for round := range o.rounds {
			for i := range found {
				if found[i], err = g.bestOf(ctx, g.programs[at], g.nodes[i], found[i]); err != nil {
					return err
				}
			}
			fmt.Fprintf(os.Stderr, "%s: round %d of %d, load average %.1f\n", name, round+1, o.rounds, loadAverage())
		}
		printRatios(name, found)
	}
	return nil
}

// bestOf runs a program on a node and returns the best that it said, now or before.
func (g *guest) bestOf(ctx context.Context, p classic.Program, n node, before map[measurement]float64) (map[measurement]float64, error) {
	if _, err := g.sh(ctx, "ln -sfn "+n.path+" /dev/crypto"); err != nil {
		return nil, err
	}
	o := p.Run(ctx, g.vm, g.o.time)
	if o.Err != nil {
		return nil, fmt.Errorf("%s on %s: %w\n%s", p.Name, n.About, o.Err, o.Output)
	}
	if before == nil {
		before = make(map[measurement]float64)
	}
	for _, s := range o.Speeds {
		m := measurement{s.Title, s.Chunk}
		before[m] = max(before[m], s.BytesPerS)
	}
	return before, nil
}

// printRatios prints a program's table.
func printRatios(name string, found [2]map[measurement]float64) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\n%s\tbytes\tclassic MB/s\tours MB/s\tratio\t\n", name)
	order := slices.SortedFunc(maps.Keys(found[0]), func(a, b measurement) int {
		if c := strings.Compare(a.title, b.title); c != 0 {
			return c
		}
		return a.chunk - b.chunk
	})
	const mega = 1e6
	for _, m := range order {
		ours, theirs := found[0][m], found[1][m]
		if theirs == 0 {
			fmt.Fprintf(t, "%s\t%d\t–\t%.2f\t\t\n", m.title, m.chunk, ours/mega)
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%.2f\t%.2f\t%.2f\t\n", m.title, m.chunk, theirs/mega, ours/mega, ours/theirs)
	}
	t.Flush()
}

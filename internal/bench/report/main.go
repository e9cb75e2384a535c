// SPDX-License-Identifier: Apache-2.0

// Report measures what docs/performance.md says, with `vcrypto bench`, and
// writes it, with its plots.
//
// It is a module of its own, so that the libraries that draw are none of those
// that the daemon is built with.
//
// Each case is run by itself. While it runs, what other processes of the
// machine use of its CPUs is measured too: a case that was disturbed is run
// again, if there is time. Results are kept in a file, a line each; a run that
// is given a file goes on where the last one stopped.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	program := flag.String("vcrypto", "bin/vcrypto", "the program to measure")
	docs := flag.String("docs", "docs", "where performance.md and img/ are")
	results := flag.String("results", "", "keep results in this file, and do not repeat the undisturbed ones that are there")
	budget := flag.Duration("budget", 11*time.Minute, "when to stop; what was not measured by then is not in the tables")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := report(ctx, *program, *docs, *results, *budget); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(ctx context.Context, program, docs, results string, budget time.Duration) error {
	s, err := openStore(results)
	if err != nil {
		return err
	}
	if err := measure(ctx, program, s, cases(), time.Now().Add(budget)); err != nil {
		return err
	}
	if err := drawAll(docs+"/img", s); err != nil {
		return err
	}
	return writePage(docs+"/performance.md", program, s)
}

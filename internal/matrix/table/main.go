// SPDX-License-Identifier: Apache-2.0

// Program table makes docs/support.md's table of VMMs and kernels of what the
// end-to-end tests saw: table RESULTS PAGE.
package main

import (
	"fmt"
	"os"

	"vcrypto/internal/matrix"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: table RESULTS PAGE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(results, page string) error {
	f, err := os.Open(results)
	if err != nil {
		return fmt.Errorf("results: %w (make test-all makes them)", err)
	}
	defer f.Close()
	all, err := matrix.Read(f)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	out, err := matrix.Replace(string(text), matrix.Table(all))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(out), 0o644)
}

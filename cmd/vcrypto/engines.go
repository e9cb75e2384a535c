// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vcrypto/engine"
)

// engineReport is what `vcrypto engines` says of an engine.
type engineReport struct {
	Name       string            `json:"name"`
	About      string            `json:"about"`
	Available  bool              `json:"available"`
	Why        string            `json:"why_not,omitempty"`
	Auto       bool              `json:"auto"` // chosen by auto where it is best
	Algorithms []algorithmReport `json:"algorithms,omitempty"`
}

type algorithmReport struct {
	Name     string `json:"name"`
	Legacy   bool   `json:"legacy,omitempty"`    // offered with serve --legacy only
	KeySizes []int  `json:"key_sizes,omitempty"` // bytes; none where any will do, or where there is no key
}

func newEnginesCommand() *cobra.Command {
	var asJSON bool
	var options engine.Options
	cmd := &cobra.Command{
		Use:   "engines",
		Short: "List the engines, what they can do, and why one is not available",
		Example: `  vcrypto engines
  vcrypto engines --json | jq -r 'select(.available) | .name'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			for _, d := range engine.Drivers() {
				r := report(d, options)
				if asJSON {
					if err := json.NewEncoder(out).Encode(r); err != nil {
						return err
					}
					continue
				}
				printEngine(out, r)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.Flags().StringVar(&options.Device, "device", "", "the host's cryptodev node for engine devcrypto (default /dev/crypto)")
	return cmd
}

func report(d engine.Driver, o engine.Options) engineReport {
	r := engineReport{Name: d.Name, About: d.About, Auto: d.Rank > 0}
	e, err := d.Start(o)
	if err != nil {
		r.Why = err.Error()
		return r
	}
	defer e.Close()
	r.Available = true
	for _, a := range e.Algorithms() {
		r.Algorithms = append(r.Algorithms, algorithmReport{a.Algorithm.String(), a.Algorithm.Legacy(), a.KeySizes})
	}
	return r
}

func printEngine(out io.Writer, r engineReport) {
	state := "available; it gave the known answers of all algorithms below"
	if !r.Available {
		state = "not available: " + r.Why
	}
	fmt.Fprintf(out, "%s: %s\n  %s\n", r.Name, r.About, state)
	for _, a := range r.Algorithms {
		line := fmt.Sprintf("  %-18s", a.Name)
		if len(a.KeySizes) > 0 {
			bits := make([]string, len(a.KeySizes))
			for i, n := range a.KeySizes {
				bits[i] = fmt.Sprint(8 * n)
			}
			line += " keys of " + strings.Join(bits, ", ") + " bits"
		}
		if a.Legacy {
			line += " (with --legacy)"
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}

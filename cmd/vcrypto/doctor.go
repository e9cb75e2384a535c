// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"vcrypto/internal/doctor"
)

func newDoctorCommand() *cobra.Command {
	var asJSON bool
	var options doctor.Options
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at this machine: what works, what is missing, and the fix",
		Long: `doctor looks at this machine: each QEMU and Cloud Hypervisor with the routes by
which it attaches a device and what these carry, KVM, shared memory and huge
pages, the engines and why one is not available, who may make sockets and open
/dev/crypto, and what vcrypto vm makes guests of. With what is missing it prints
the exact fix. It changes nothing.

A line begins with "ok", with "-" for what is not there but not needed either, or
with MISSING. The exit status is 0 if devices can be served and attached here,
and 1 if something is MISSING.`,
		Example: `  vcrypto doctor
  vcrypto doctor --socket-folder /run/vms
  vcrypto doctor --json | jq -r '.findings[] | select(.fix) | .name + ": " + .fix'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := doctor.Look(options)
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				if err := e.Encode(r); err != nil {
					return fmt.Errorf("printing the report: %w", err)
				}
			} else {
				r.Print(cmd.OutOrStdout())
			}
			if !r.Usable {
				return errors.New("doctor: something that devices need is missing")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print a JSON object")
	f.StringVar(&options.SocketFolder, "socket-folder", "", "where sockets of devices are to be (default /run/vcrypto, which may be missing)")
	f.StringVar(&options.Engine.Device, "device", "", "the host's cryptodev node for engine devcrypto (default /dev/crypto)")
	return cmd
}

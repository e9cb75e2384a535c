// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vcrypto/internal/chat/psk"
)

const defaultKeyFile = "vchat.key"

func newKeygen() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen [FILE]",
		Short: "Make a key file",
		Long: `keygen writes a new random key of 256 bits to FILE (default: ` + defaultKeyFile + `), which only
you may read. Copy it to whom you wish to talk to by a way that you trust. A
file that is there already is not touched.`,
		Example: `  vchat keygen
  vchat keygen friends.key && scp friends.key host.example:`,
		Args: oneAddress(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := defaultKeyFile
			if len(args) > 0 {
				file = args[0]
			}
			if err := psk.Generate(file); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "vchat: a new key is in %s: copy it to your peers by a way that you trust, and to nobody else\n", file)
			return nil
		},
	}
}

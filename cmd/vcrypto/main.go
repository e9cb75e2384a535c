// SPDX-License-Identifier: Apache-2.0

// Command vcrypto serves virtio-crypto devices to virtual machines, and has
// the tools around them. See `vcrypto --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	_ "vcrypto/engine/devcrypto"
	_ "vcrypto/engine/gocrypto"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newRootCommand().ExecuteContext(ctx)
	if err == nil {
		return
	}
	stop()
	var exit exitCode
	if errors.As(err, &exit) {
		os.Exit(int(exit))
	}
	fmt.Fprintln(os.Stderr, "vcrypto:", err)
	os.Exit(1)
}

// exitCode is the error of a command that ran something else which said its
// own errors: a command in a guest, another process.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "vcrypto",
		Short: "Cryptography for virtual machines, done by their host",
		Long: `vcrypto serves virtio-crypto devices to virtual machines over vhost-user and
does the cryptography on the host. Programs in the VM reach it through
/dev/crypto, the kernel's own users through its crypto API.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newServeCommand(),
		newAttachCommand(),
		newEnginesCommand(),
		newTestCommand(),
		newVMCommand(),
	)
	return root
}

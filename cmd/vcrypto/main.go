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

	_ "vcrypto/engine/afalg"
	_ "vcrypto/engine/devcrypto"
	_ "vcrypto/engine/gocrypto"
	_ "vcrypto/engine/ipsecmb"
	_ "vcrypto/engine/openssl"
	"vcrypto/internal/manpage"
	"vcrypto/internal/vm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends things in order, the second at once.
	context.AfterFunc(ctx, stop)
	err := newRootCommand().ExecuteContext(ctx)
	if err == nil {
		return
	}
	stop()
	// A command in a guest has said its own errors; its exit code is ours.
	var guest *vm.ExitError
	if errors.As(err, &guest) {
		os.Exit(guestExitCode(guest))
	}
	fmt.Fprintln(os.Stderr, "vcrypto:", err)
	os.Exit(1)
}

// signalled is what a shell adds to a signal's number.
const signalled = 128

func guestExitCode(e *vm.ExitError) int {
	if e.Signal != 0 {
		return signalled + int(e.Signal)
	}
	return e.Code
}

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
		newBenchCommand(),
		newCUSECommand(),
		newDoctorCommand(),
		newEnginesCommand(),
		newTestCommand(),
		newSpeedCommand(),
		newVMCommand(),
		manpage.Command(),
	)
	return root
}

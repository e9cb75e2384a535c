// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// attachReport is what `vcrypto attach --json` prints.
type attachReport struct {
	VMM     string `json:"vmm"`
	Path    string `json:"path"`
	Version string `json:"version"`
	vmm.Route
	Args []string `json:"args"`
}

func newAttachCommand() *cobra.Command {
	var (
		config  vmm.Config
		monitor string
		qemu    string
		route   string
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "attach --socket-path PATH",
		Short: "Print the arguments that attach a device to a VM",
		Long: `attach prints the arguments (or the libvirt XML) that attach the device which
` + "`vcrypto serve --socket-path PATH`" + ` serves, for the QEMU that is found, and says
what that route can do.

The arguments go to stdout, what is to be known about them to stderr, so that
they can be used in a script.`,
		Example: `  vcrypto attach --socket-path /run/vcrypto/vm1.sock
  qemu-system-x86_64 ... $(vcrypto attach --socket-path /run/vcrypto/vm1.sock --memory 1024)
  vcrypto attach --socket-path /run/vcrypto/vm1.sock --vmm libvirt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config.Socket == "" {
				return fmt.Errorf("which device? Name its socket with --socket-path")
			}
			socket, err := filepath.Abs(config.Socket)
			if err != nil {
				return err
			}
			config.Socket = socket
			if config.Queues < 1 {
				return fmt.Errorf("--queues %d: a device has at least one data queue", config.Queues)
			}
			if monitor != "qemu" && monitor != "libvirt" {
				return fmt.Errorf("--vmm %q: there are qemu and libvirt", monitor)
			}
			q, err := vm.FindQEMU(qemu)
			if err != nil {
				return err
			}
			r, err := vmm.Choose(q, route, "")
			if err != nil {
				return err
			}
			report := attachReport{monitor, q.Path, q.Version.String(), r, r.Args(config, q.Version)}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			}
			explain(cmd.ErrOrStderr(), report, config.MemoryMB == 0)
			if monitor == "libvirt" {
				return printLibvirt(cmd.OutOrStdout(), report.Args)
			}
			return printShell(cmd.OutOrStdout(), report.Args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&config.Socket, "socket-path", "", "the socket of vcrypto serve")
	f.StringVar(&monitor, "vmm", "qemu", "what runs the VM: qemu or libvirt")
	f.StringVar(&qemu, "qemu", "", "the QEMU to make arguments for (default: the one in $PATH)")
	f.StringVar(&route, "route", "", "generic, vfio-user or cryptodev (default: the best this QEMU has)")
	f.IntVar(&config.Queues, "queues", 1, "data queues, as given to vcrypto serve")
	f.StringVar(&config.ID, "id", "vcrypto0", "the device's id; another for each device of a VM")
	f.IntVar(&config.MemoryMB, "memory", 0, "add the arguments for shared guest memory of so many MiB")
	f.StringVar(&config.Machine, "machine", "pc", "the machine for these: pc or q35")
	f.BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// explain tells a person what the route is.
func explain(out io.Writer, r attachReport, withoutMemory bool) {
	fmt.Fprintf(out, "# QEMU %s (%s), route %s: %s.\n", r.Version, r.Path, r.Name, r.Carries)
	for _, n := range r.Notes {
		fmt.Fprintf(out, "# %s.\n", n)
	}
	if withoutMemory && r.VMM == "qemu" {
		fmt.Fprintf(out, "# The guest's memory must be shared: --memory MIB adds the arguments, such as\n#   %s\n",
			strings.Join(vmm.SharedMemoryArgs(1024, "pc"), " "))
	}
}

// printShell prints arguments for a shell: option and value on a line.
func printShell(out io.Writer, args []string) error {
	var lines []string
	for i := 0; i+1 < len(args); i += 2 {
		lines = append(lines, args[i]+" "+shellQuote(args[i+1]))
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

// shellQuote quotes an argument if a shell would take it apart.
func shellQuote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,./:+@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// printLibvirt prints what goes into a libvirt domain: shared memory, and the
// device, for which libvirt has no element of its own, as QEMU arguments.
func printLibvirt(out io.Writer, args []string) error {
	var b strings.Builder
	b.WriteString(`<!-- In <domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>: -->
<memoryBacking>
  <source type='memfd'/>
  <access mode='shared'/>
</memoryBacking>
<qemu:commandline>
`)
	for _, a := range args {
		b.WriteString("  <qemu:arg value='")
		if err := xml.EscapeText(&b, []byte(a)); err != nil {
			return err
		}
		b.WriteString("'/>\n")
	}
	b.WriteString("</qemu:commandline>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

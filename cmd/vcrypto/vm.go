// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// Drivers that vcrypto vm can load in the guest.
const (
	driverOurs   = "vcrypto"
	driverInTree = "in-tree"
	driverNone   = "none"
	driverCUSE   = "cuse"
)

// vmOptions are the flags of vcrypto vm.
type vmOptions struct {
	transport, route, engine string
	queues                   int
	qemu, kernel, modules    string
	driver, machine          string
	add, share, serve        []string
	memory, cpus             int
	logFile                  string
	bootTimeout              time.Duration
}

func newVMCommand() *cobra.Command {
	var o vmOptions
	cmd := &cobra.Command{
		Use:   "vm [flags] [-- COMMAND [ARG...]]",
		Short: "Boot a small guest with a vcrypto device and run a command in it",
		Long: `vm serves a device, boots a small Linux guest with it under QEMU, loads a driver
and runs COMMAND in the guest, with the standard streams passed through; its exit
code is COMMAND's. Without COMMAND it is a shell on your terminal.

The guest has busybox, this program as /usr/bin/vcrypto (and vchat, if it lies
beside it), and what --add and --share give it. Nothing of it is kept. The host's
loopback is 10.0.2.2 in it. Kernel and QEMU come from the cache folder or the
system; "make setup" provides them.`,
		Example: `  vcrypto vm -- vcrypto test --procs 8
  vcrypto vm
  vcrypto vm --driver in-tree -- grep -A8 virtio_crypto /proc/crypto
  vcrypto vm --serve=--trace=5 --log vm.log
  vcrypto vm --add ./mytest:/usr/bin/mytest -- mytest /dev/crypto
  tar c . | vcrypto vm --engine gocrypto -- sh -c 'tar x; ls -l'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVM(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.transport, "transport", "vhost-user", "how the device is attached: vhost-user or vfio-user")
	f.StringVar(&o.route, "route", "", "QEMU's device for it: generic, vfio-user or cryptodev (default: the best this QEMU has)")
	f.StringVar(&o.engine, "engine", "auto", "what does the cryptography (vcrypto engines lists them)")
	f.IntVar(&o.queues, "queues", 1, "data queues of the device")
	f.StringVar(&o.driver, "driver", driverOurs, "the guest's driver: vcrypto (/dev/crypto), in-tree (the kernel's crypto API), cuse (none, and the module that vcrypto cuse needs) or none")
	f.StringArrayVar(&o.serve, "serve", nil, "a further flag for the device's vcrypto serve, such as --serve=--trace=5")
	f.StringVar(&o.qemu, "qemu", "", "QEMU to use (default: one that carries the whole device, or that of $PATH)")
	f.StringVar(&o.kernel, "kernel", "", "guest kernel: an image, or a version in the cache (default: the one the driver was built for)")
	f.StringVar(&o.modules, "modules", "", "folder of the kernel's modules (default: lib/modules/VERSION beside it)")
	f.StringVar(&o.machine, "machine", "pc", "QEMU's machine: pc or q35")
	f.IntVar(&o.memory, "memory", 512, "guest memory in MiB")
	f.IntVar(&o.cpus, "cpus", 1, "guest CPUs")
	f.StringArrayVar(&o.add, "add", nil, "put a file or folder into the guest, programs with their libraries: `HOST[:GUEST]`")
	f.StringArrayVar(&o.share, "share", nil, "show a folder of the host to the guest: `HOST[:GUEST]`")
	f.StringVar(&o.logFile, "log", "", "write the guest's console and the daemon's log to this file")
	f.DurationVar(&o.bootTimeout, "boot-timeout", 3*time.Minute, "give up on a guest that has not booted by then")
	return cmd
}

// runVM serves a device, boots the guest and runs the command in it.
func runVM(ctx context.Context, o vmOptions, command []string) (err error) {
	config, err := o.config()
	if err != nil {
		return err
	}
	var log io.Writer = io.Discard
	if o.logFile != "" {
		f, err := os.Create(o.logFile)
		if err != nil {
			return err
		}
		defer f.Close()
		log = f
	}
	config.LogWriter = log

	q, route, err := chooseQEMU(o)
	if err != nil {
		return err
	}
	config.QEMU = q.Path

	dir, err := os.MkdirTemp("", "vcrypto-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "device.sock")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	daemon, err := startDaemon(ctx, cancel, o, socket, log)
	if err != nil {
		return err
	}
	defer daemon.stop()
	config.Devices = route.Args(vmm.Config{Socket: socket, Queues: o.queues}, q.Version)

	booting, done := context.WithTimeoutCause(ctx, o.bootTimeout, fmt.Errorf("it took longer than %v (--boot-timeout)", o.bootTimeout))
	guest, err := vm.Start(booting, config)
	done()
	if err != nil {
		return err
	}
	defer guest.Close()

	terminal := term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
	if len(command) == 0 && terminal {
		return guest.Shell(ctx, os.Stdin, os.Stdout)
	}
	if len(command) == 0 {
		command = []string{"/bin/sh"}
	}
	c := guest.Command(ctx, command[0], command[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	return c.Run()
}

// config makes the guest's configuration of the flags, as far as they say.
func (o vmOptions) config() (vm.Config, error) {
	c := vm.Config{
		Machine: o.machine, MemMB: o.memory, CPUs: o.cpus,
		Hostname: "vcrypto", NICs: []vm.NIC{{}},
	}
	if err := checkTransport(o.transport); err != nil {
		return c, err
	}
	if o.queues < 1 {
		return c, fmt.Errorf("--queues %d: a device has at least one data queue", o.queues)
	}
	var err error
	if o.kernel != "" || o.modules != "" {
		if c.Kernel, err = vm.FindKernel(o.kernel, o.modules); err != nil {
			return c, err
		}
	}
	switch o.driver {
	case driverOurs:
		path, err := vm.FindBuilt("virtio_cryptodev.ko", "VCRYPTO_DRIVER", "make driver")
		if err != nil {
			return c, fmt.Errorf("%w (--driver in-tree or none does without)", err)
		}
		c.Insmod = []vm.Insmod{{Path: path}}
	case driverInTree:
		c.Modules = []string{"virtio_crypto"}
	case driverCUSE:
		c.Modules = []string{"cuse"}
	case driverNone:
	default:
		return c, fmt.Errorf("--driver %q: there are %s, %s, %s and %s", o.driver, driverOurs, driverInTree, driverCUSE, driverNone)
	}
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	c.Files = []vm.File{{Host: self, Guest: "/usr/bin/vcrypto"}}
	if chat := filepath.Join(filepath.Dir(self), "vchat"); isFile(chat) {
		c.Files = append(c.Files, vm.File{Host: chat, Guest: "/usr/bin/vchat"})
	}
	for _, s := range o.add {
		f, err := vm.ParseFile(s)
		if err != nil {
			return c, fmt.Errorf("--add: %w", err)
		}
		c.Files = append(c.Files, f)
	}
	for _, s := range o.share {
		f, err := vm.ParseFile(s)
		if err != nil {
			return c, fmt.Errorf("--share: %w", err)
		}
		c.Shares = append(c.Shares, vm.Share{Host: f.Host, Guest: f.Guest})
	}
	return c, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// chooseQEMU takes the QEMU named, or the first that has the route asked for.
func chooseQEMU(o vmOptions) (vm.QEMU, vmm.Route, error) {
	q, err := vm.FindQEMU(o.qemu)
	if err != nil {
		return q, vmm.Route{}, err
	}
	if o.qemu == "" && o.route != vmm.RouteCryptodev {
		want := o.route
		if want == "" && o.transport == vmm.TransportVhostUser {
			want = vmm.RouteGeneric
		}
		for _, other := range vm.FindQEMUs() {
			if r, err := vmm.Choose(other, want, o.transport); err == nil {
				return other, r, nil
			}
		}
	}
	r, err := vmm.Choose(q, o.route, o.transport)
	return q, r, err
}

// daemonStop is how long the daemon may take to end before it is killed.
const daemonStop = 5 * time.Second

// daemon is a vcrypto serve of ours.
type daemon struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// startDaemon serves a device at socket and returns when it listens. If it ends
// before stop is called, cancel is called with the reason.
func startDaemon(ctx context.Context, cancel context.CancelCauseFunc, o vmOptions, socket string, log io.Writer) (*daemon, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--socket-path", socket, "--transport", o.transport, "--engine", o.engine}
	if o.queues != 1 {
		args = append(args, "--queues", fmt.Sprint(o.queues))
	}
	args = append(args, o.serve...)
	d := &daemon{cmd: exec.Command(self, args...), exited: make(chan struct{})}
	said := &lastBytes{tee: log}
	d.cmd.Stdout, d.cmd.Stderr = said, said
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting vcrypto serve: %w", err)
	}
	go func() {
		d.cmd.Wait()
		cancel(fmt.Errorf("vcrypto serve ended (%v); it said:\n%s", d.cmd.ProcessState, said.text))
		close(d.exited)
	}()
	for !listening(socket) {
		select {
		case <-ctx.Done():
			d.stop()
			return nil, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return d, nil
}

// stop ends the daemon, cleanly if it can.
func (d *daemon) stop() {
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(daemonStop):
		d.cmd.Process.Kill()
		<-d.exited
	}
}

// listening says whether somebody listens on a Unix socket, without connecting
// to it: to a device that would be a front-end that comes and goes.
func listening(socket string) bool {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return false
	}
	defer f.Close()
	const flagsField, acceptsConnections = 3, "00010000" // __SO_ACCEPTCON, proc(5)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if !strings.HasSuffix(lines.Text(), " "+socket) {
			continue
		}
		if fields := strings.Fields(lines.Text()); len(fields) > flagsField && fields[flagsField] == acceptsConnections {
			return true
		}
	}
	return false
}

// lastBytes keeps the end of what is written to it, for an error. Only the
// writing process's Wait may come before text is read.
type lastBytes struct {
	tee  io.Writer
	text []byte
}

func (l *lastBytes) Write(p []byte) (int, error) {
	const keep = 4096
	l.tee.Write(p)
	l.text = append(l.text, p...)
	if len(l.text) > keep {
		l.text = slices.Clone(l.text[len(l.text)-keep:])
	}
	return len(p), nil
}

// SPDX-License-Identifier: Apache-2.0

// Command demo shows the main job: two virtual machines encrypt through
// devices that this host serves, and chat. Every step is announced and
// checked; the first that fails ends the demo with exit code 1. "make demo"
// builds what it needs and runs it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// deadline bounds the whole demo on a slow machine.
const deadline = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, fmt.Errorf("the demo took longer than %v", deadline))
	defer cancel()
	if err := demo(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "\n  ✗ %v\n\nThe demo failed.\n", err)
		os.Exit(1)
	}
	fmt.Printf("\nAll of it worked. A shell in such a VM: bin/vcrypto vm\n")
}

// stage is what the demo is played on.
type stage struct {
	dir   string // for sockets, keys, captures
	bin   string
	qemu  vm.QEMU
	route vmm.Route
	a, b  *machine
	key   string // path of the pre-shared key on the host
}

func demo(ctx context.Context) error {
	start := time.Now()
	dir, err := os.MkdirTemp("", "vcrypto-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{dir: dir, key: filepath.Join(dir, "key")}
	defer func() {
		s.a.close()
		s.b.close()
	}()
	for _, part := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"What this machine has", s.look},
		{"Two VMs, each with a device that this host serves", s.boot},
		{"Encrypt, decrypt and compare through /dev/crypto in a VM", s.selfTest},
		{"A chat between the host and the VM, in the clear", s.plainChat},
		{"The same chat, encrypted: the VM's AES runs on this host", s.encryptedChat},
		{"The two VMs chat with each other, each with its own device", s.guestsChat},
		{"A room: the host and both VMs, over a hub that cannot read", s.room},
		{"What the devices counted", s.count},
	} {
		fmt.Printf("\n==> %s\n", part.title)
		if err := part.play(ctx); err != nil {
			if ctx.Err() != nil {
				err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
			}
			return err
		}
	}
	fmt.Printf("\n%.0f seconds.\n", time.Since(start).Seconds())
	return nil
}

// ok ticks a step.
func ok(format string, args ...any) { fmt.Printf("  ✓ "+format+"\n", args...) }

// show prints something that a program said, indented.
func show(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Printf("      %s\n", strings.TrimRight(line, "\n"))
	}
}

// look finds what the demo needs.
func (s *stage) look(context.Context) error {
	driver, err := vm.FindBuilt("virtio_cryptodev.ko", "VCRYPTO_DRIVER", "make driver")
	if err != nil {
		return err
	}
	s.bin = filepath.Dir(driver)
	for _, name := range []string{"vcrypto", "vchat", "vcrypto-init"} {
		if _, err := os.Stat(filepath.Join(s.bin, name)); err != nil {
			return fmt.Errorf("%w: run make build", err)
		}
	}
	ok("built: %s/{vcrypto,vchat,vcrypto-init,virtio_cryptodev.ko}", s.bin)
	if s.qemu, err = vm.FindQEMU(""); err != nil {
		return err
	}
	if s.route, err = vmm.Choose(s.qemu, "", vmm.TransportVhostUser); err != nil {
		return err
	}
	ok("QEMU %s (%s)", s.qemu.Version, s.qemu.Path)
	ok("it attaches a device by the route %q: %s", s.route.Name, s.route.Carries)
	return nil
}

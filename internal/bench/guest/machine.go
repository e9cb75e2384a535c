// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"vcrypto/internal/classic"
	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// options are the flags.
type options struct {
	vcrypto, driver, classic, engine string
	rounds, depth, cpus              int
	time                             time.Duration
	append                           string
	programs                         string
}

// node is one of the guest's.
type node struct {
	Node
	path string
}

// guest is the VM and what serves it.
type guest struct {
	o      options
	vm     *vm.VM
	daemon *exec.Cmd
	cuse   *vm.Cmd
	dir    string
	nodes  []node
	report Report

	programs []classic.Program
}

func (g *guest) close() {
	if g.vm != nil {
		g.vm.Close()
	}
	if g.daemon != nil {
		g.daemon.Process.Signal(syscall.SIGTERM)
		g.daemon.Wait()
	}
	os.RemoveAll(g.dir)
}

// start boots the guest with all of its nodes.
func start(ctx context.Context, o options) (_ *guest, err error) {
	g := &guest{o: o}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.dir, err = os.MkdirTemp("", "vcrypto-bench-"); err != nil {
		return nil, err
	}
	qemu, err := vm.FindQEMUAtLeast(10, 2)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(g.dir, "s")
	g.daemon = exec.Command(o.vcrypto, "serve", "--socket-path", socket, "--engine", o.engine, "--log-level", "warn")
	g.daemon.Stderr = os.Stderr
	if err := g.daemon.Start(); err != nil {
		g.daemon = nil
		return nil, err
	}
	for range 1000 {
		if _, err = os.Stat(socket); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	attach := exec.Command(o.vcrypto, "attach", "--json", "--socket-path", socket, "--qemu", qemu.Path, "--route", vmm.RouteGeneric)
	attach.Stderr = os.Stderr
	out, err := attach.Output()
	if err != nil {
		return nil, fmt.Errorf("vcrypto attach: %w", err)
	}
	var arguments struct{ Args []string }
	if err := json.Unmarshal(out, &arguments); err != nil {
		return nil, err
	}
	c := vm.Config{
		QEMU:   qemu.Path,
		CPUs:   o.cpus,
		Append: o.append,
		// Ours comes first, and has the lower number.
		Devices: append(arguments.Args,
			"-object", "cryptodev-backend-builtin,id=builtin", "-device", "virtio-crypto-pci,cryptodev=builtin"),
		Modules: []string{"cuse"},
		Insmod:  []vm.Insmod{{Path: o.driver}},
		Files:   []vm.File{{Host: o.vcrypto, Guest: "/usr/bin/vcrypto"}},
	}
	if o.classic != "" {
		module, err := g.buildClassic(ctx)
		if err != nil {
			return nil, err
		}
		// The kernel's driver takes both devices; ours gets one of them later.
		// /dev/crypto is cryptodev-linux's, which came first.
		c.Modules = append(append(c.Modules, classic.Modules...), "virtio_crypto")
		c.Insmod = append([]vm.Insmod{{Path: module}}, c.Insmod...)
		c.Files = append(c.Files, classic.Files(g.programs)...)
	}
	if g.vm, err = vm.Start(ctx, c); err != nil {
		return nil, err
	}
	if err := g.findNodes(ctx); err != nil {
		return nil, err
	}
	return g, g.describe(ctx, qemu)
}

// buildClassic builds cryptodev-linux for the guest's kernel, and its programs
// if they are wanted.
func (g *guest) buildClassic(ctx context.Context) (module string, err error) {
	kernel, err := vm.FindKernel("", "")
	if err != nil {
		return "", err
	}
	sources, err := classic.Copy(ctx, g.o.classic, filepath.Join(g.dir, "cryptodev-linux"))
	if err != nil {
		return "", err
	}
	if g.o.programs != "" {
		if g.programs, err = sources.Programs(ctx); err != nil {
			return "", err
		}
	}
	return sources.Module(ctx, kernel.Version)
}

// sh runs a command line in the guest.
func (g *guest) sh(ctx context.Context, line string) (string, error) {
	out, err := g.vm.Command(ctx, "sh", "-c", line).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("in the guest: %s: %w\n%s", line, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// findNodes binds the devices to their drivers and makes the node without one.
func (g *guest) findNodes(ctx context.Context) error {
	out, err := g.sh(ctx, "cd /sys/bus/virtio/devices; grep -l 0x0014 */device | cut -d/ -f1 | sort")
	devices := strings.Fields(out)
	if err != nil || len(devices) != 2 {
		return errors.Join(err, fmt.Errorf("the guest has %d virtio-crypto devices, not 2", len(devices)))
	}
	if g.o.classic != "" {
		const move = "echo %[1]s >/sys/bus/virtio/drivers/virtio_crypto/unbind; echo %[1]s >/sys/bus/virtio/drivers/virtio_cryptodev/bind"
		if _, err := g.sh(ctx, fmt.Sprintf(move, devices[0])); err != nil {
			return err
		}
	}
	g.nodes = []node{{Node{"ours", "vcrypto: our device, our driver"}, "/dev/cryptodev0"}}
	if g.o.classic != "" {
		g.nodes = append(g.nodes, node{Node{"classic", "cryptodev-linux on the kernel's driver, QEMU's builtin back-end"}, "/dev/crypto"})
	} else {
		g.nodes = append(g.nodes, node{Node{"builtin", "our driver on QEMU's builtin back-end"}, "/dev/cryptodev1"})
	}
	// Only ours has more than CBC: was the right one bound?
	if _, err := g.sh(ctx, "vcrypto speed /dev/cryptodev0 --alg aes-xts --size 512 --time 1ms"); err != nil {
		return fmt.Errorf("/dev/cryptodev0 is not our device: %w", err)
	}
	const name = "cryptodev-cuse"
	g.cuse = g.vm.Command(ctx, "vcrypto", "cuse", "--name", name)
	if err := g.cuse.Start(); err != nil {
		return err
	}
	g.nodes = append(g.nodes, node{Node{"cuse", "vcrypto cuse: no driver, the guest's CPU"}, "/dev/" + name})
	_, err = g.sh(ctx, "for i in $(seq 100); do test -c /dev/"+name+" && exit; sleep 0.1; done; exit 1")
	return err
}

// describe fills in what the report says beside results.
func (g *guest) describe(ctx context.Context, qemu vm.QEMU) error {
	r := &g.report
	for _, n := range g.nodes {
		r.Nodes = append(r.Nodes, n.Node)
	}
	r.GuestCPUs, r.Depth, r.Engine, r.CPUs = g.o.cpus, g.o.depth, g.o.engine, runtime.NumCPU()
	r.QEMU = qemu.Version.String()
	var err error
	if r.Kernel, err = g.sh(ctx, "uname -r"); err != nil {
		return err
	}
	r.Accelerator = "TCG (emulation)"
	if flags, err := g.sh(ctx, "cat /proc/cpuinfo; dmesg"); err == nil && strings.Contains(flags, "kvm-clock") {
		r.Accelerator = "KVM"
	}
	r.CPU = runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(text); m != nil {
			r.CPU = string(m[1])
		}
	}
	return nil
}

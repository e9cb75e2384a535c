// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// machine is a VM and the daemon that serves its device.
type machine struct {
	name   string
	daemon *exec.Cmd
	log    *log
	socket string
	guest  *vm.VM
}

// log collects what a daemon logs, an object a line.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// find returns the last line with this message, or nil.
func (l *log) find(msg string) map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found map[string]any
	for line := range bytes.Lines(l.buf.Bytes()) {
		var fields map[string]any
		if json.Unmarshal(line, &fields) == nil && fields["msg"] == msg {
			found = fields
		}
	}
	return found
}

// await waits for a line with this message.
func (l *log) await(ctx context.Context, msg string) (map[string]any, error) {
	for {
		if fields := l.find(msg); fields != nil {
			return fields, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the daemon did not log %q: %w", msg, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// serve starts the daemon of a machine.
func (s *stage) serve(ctx context.Context, name string) (*machine, error) {
	m := &machine{name: name, log: new(log), socket: filepath.Join(s.dir, name+".sock")}
	m.daemon = exec.Command(filepath.Join(s.bin, "vcrypto"), "serve", "--socket-path", m.socket, "--log-format", "json")
	m.daemon.Stderr = m.log
	if err := m.daemon.Start(); err != nil {
		return nil, err
	}
	if _, err := m.log.await(ctx, "serving"); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// start boots a machine's VM.
func (m *machine) start(ctx context.Context, s *stage, nics []vm.NIC) (err error) {
	m.guest, err = vm.Start(ctx, vm.Config{
		QEMU:     s.qemu.Path,
		Hostname: m.name,
		MemMB:    512,
		Devices:  s.route.Args(vmm.Config{Socket: m.socket}, s.qemu.Version),
		Insmod:   []vm.Insmod{{Path: filepath.Join(s.bin, "virtio_cryptodev.ko")}},
		NICs:     nics,
		Files: []vm.File{
			{Host: filepath.Join(s.bin, "vcrypto"), Guest: "/usr/bin/vcrypto"},
			{Host: filepath.Join(s.bin, "vchat"), Guest: "/usr/bin/vchat"},
			{Host: s.key, Guest: "/root/key", Mode: 0o600},
		},
	})
	if err != nil {
		return fmt.Errorf("VM %s: %w", m.name, err)
	}
	return nil
}

// run runs a command in the guest and returns what it printed.
func (m *machine) run(ctx context.Context, args ...string) (string, error) {
	out, err := m.guest.Command(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("in VM %s: %s: %w\n%s", m.name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// stop ends the VM, then the daemon, which must end well.
func (m *machine) stop() error {
	err := m.guest.Close()
	m.guest = nil
	m.daemon.Process.Signal(syscall.SIGTERM)
	err = errors.Join(err, m.daemon.Wait())
	m.daemon = nil
	return err
}

// close ends what still runs.
func (m *machine) close() {
	if m == nil {
		return
	}
	if m.guest != nil {
		m.guest.Close()
	}
	if m.daemon != nil {
		m.daemon.Process.Kill()
		m.daemon.Wait()
	}
}

// Addresses of the two VMs on the wire between them.
const (
	linkA = "10.1.0.1"
	linkB = "10.1.0.2"
)

// boot starts two daemons and two VMs.
func (s *stage) boot(ctx context.Context) error {
	if err := writeKey(s.key); err != nil {
		return err
	}
	var err error
	for _, m := range []struct {
		to   **machine
		name string
	}{{&s.a, "alpha"}, {&s.b, "beta"}} {
		if *m.to, err = s.serve(ctx, m.name); err != nil {
			return err
		}
		ok("vcrypto serve --socket-path %s", (*m.to).socket)
	}
	a, b, err := vm.NewLink()
	if err != nil {
		return err
	}
	begun := time.Now()
	var booting sync.WaitGroup
	var errs [2]error
	booting.Go(func() {
		errs[0] = s.a.start(ctx, s, []vm.NIC{
			{Pcap: s.capture("host")},
			{Link: a, Prefix: linkA + "/24", Pcap: s.capture("guests")},
		})
	})
	booting.Go(func() {
		errs[1] = s.b.start(ctx, s, []vm.NIC{
			{Link: b, Prefix: linkB + "/24"},
			{Pcap: s.capture("host-beta")},
		})
	})
	booting.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	kernel, err := s.a.run(ctx, "uname", "-sr")
	if err != nil {
		return err
	}
	ok("VMs alpha and beta have booted: %s, in %.1f s", strings.TrimSpace(kernel), time.Since(begun).Seconds())
	for _, m := range []*machine{s.a, s.b} {
		out, err := m.run(ctx, "sh", "-c", "ls -l /dev/crypto /dev/cryptodev0 && dmesg | grep virtio_cryptodev | tail -n 1")
		if err != nil {
			return err
		}
		ok("the guest driver is loaded in %s", m.name)
		show(out)
	}
	return nil
}

func (s *stage) capture(name string) string { return filepath.Join(s.dir, name+".pcap") }

// selfTest runs vcrypto test from one and from eight processes.
func (s *stage) selfTest(ctx context.Context) error {
	for _, args := range [][]string{
		{"vcrypto", "test"},
		{"vcrypto", "test", "--procs", "8"},
	} {
		out, err := s.a.run(ctx, args...)
		if err != nil {
			return err
		}
		ok("alpha$ %s", strings.Join(args, " "))
		show(out)
	}
	return nil
}

// count stops the VMs and shows what their devices did.
func (s *stage) count(ctx context.Context) error {
	for _, m := range []*machine{s.a, s.b} {
		if err := m.stop(); err != nil {
			return err
		}
		fields, err := m.log.await(ctx, "device reset")
		if err != nil {
			return err
		}
		counted, _ := fields["counted"].(map[string]any)
		n := func(key string) float64 { f, _ := counted[key].(float64); return f }
		if n("sessions") == 0 || n("operations") == 0 || n("errors") != 0 {
			return fmt.Errorf("the device of %s counted %v", m.name, counted)
		}
		ok("%s: %.0f sessions, %.0f operations, %.0f bytes, no errors", m.name, n("sessions"), n("operations"), n("bytes"))
	}
	return nil
}

func writeKey(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, randomKey()); err != nil {
		return err
	}
	return f.Close()
}

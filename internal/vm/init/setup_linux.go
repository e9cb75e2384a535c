// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"vcrypto/internal/vm/proto"
)

// mountAll mounts what programs expect of a Linux system.
func mountAll() (errs []error) {
	for _, m := range []struct {
		fs, path, options string
		optional          bool
	}{
		{"proc", "/proc", "", false},
		{"sysfs", "/sys", "", false},
		{"devtmpfs", "/dev", "", false},
		{"devpts", "/dev/pts", "mode=620,ptmxmode=666", false},
		{"tmpfs", "/dev/shm", "mode=1777", false},
		{"tmpfs", "/tmp", "mode=1777", false},
		{"tmpfs", "/run", "mode=755", false},
		{"debugfs", "/sys/kernel/debug", "", true},
		{"tracefs", "/sys/kernel/tracing", "", true},
		{"configfs", "/sys/kernel/config", "", true},
	} {
		err := os.MkdirAll(m.path, 0o755)
		if err == nil {
			err = unix.Mount(m.fs, m.path, m.fs, 0, m.options)
		}
		if err != nil && !m.optional {
			errs = append(errs, fmt.Errorf("mounting %s on %s: %w", m.fs, m.path, err))
		}
	}
	for link, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, link); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// loadModule loads one module; one that is loaded already is fine.
func loadModule(m proto.Module) error {
	f, err := os.Open(m.Path)
	if err != nil {
		return fmt.Errorf("loading a kernel module: %w", err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), m.Params, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		why := ""
		switch {
		case errors.Is(err, unix.ENOEXEC):
			why = " (built for another kernel?)"
		case errors.Is(err, unix.EKEYREJECTED):
			why = " (it was changed after it was signed)"
		case errors.Is(err, unix.ENOENT):
			why = " (it uses symbols of a module that is not loaded)"
		}
		return fmt.Errorf("loading kernel module %s: %w%s; the kernel log says more", strings.TrimSpace(m.Path+" "+m.Params), err, why)
	}
	return nil
}

// mountShare mounts a host's folder that QEMU shares by 9p.
func mountShare(m proto.Mount) error {
	if err := os.MkdirAll(m.Path, 0o755); err != nil {
		return err
	}
	// 512000 bytes a message is what a virtio ring of 128 pages carries.
	if err := unix.Mount(m.Tag, m.Path, "9p", 0, "trans=virtio,version=9p2000.L,msize=512000"); err != nil {
		return fmt.Errorf("mounting the share %s on %s: %w", m.Tag, m.Path, err)
	}
	return nil
}

// configure gives the interface with n's hardware address its IP address.
func configure(n proto.NIC) error {
	ifs, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("listing network interfaces: %w", err)
	}
	for _, i := range ifs {
		if strings.EqualFold(i.HardwareAddr.String(), n.MAC) {
			return linkUp(i.Name, n.Prefix)
		}
	}
	return fmt.Errorf("no network interface has the address %s", n.MAC)
}

// linkUp sets an interface's IPv4 address, as in 10.0.2.15/24 (none if empty),
// and takes it up.
func linkUp(name, prefix string) error {
	fail := func(err error) error { return fmt.Errorf("setting up network interface %s: %w", name, err) }
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return fail(err)
	}
	if prefix != "" {
		p, err := netip.ParsePrefix(prefix)
		if err != nil {
			return fail(err)
		}
		ip := p.Addr().As4()
		if err := errors.Join(ifr.SetInet4Addr(ip[:]), unix.IoctlIfreq(fd, unix.SIOCSIFADDR, ifr)); err != nil {
			return fail(err)
		}
		if err := errors.Join(ifr.SetInet4Addr(net.CIDRMask(p.Bits(), 32)), unix.IoctlIfreq(fd, unix.SIOCSIFNETMASK, ifr)); err != nil {
			return fail(err)
		}
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fail(err)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

// Package vm boots small Linux guests under QEMU and runs commands in them: for
// vcrypto vm, the demo and the end-to-end tests.
//
// [Start] builds an initramfs (our own init, busybox, the kernel modules asked
// for and all they depend on, files of the caller's), boots it with a Debian
// kernel from the cache folder, and returns once the guest's agent answers. No
// disk, no installed system, no root. After that the guest is used like a remote
// os/exec:
//
//	guest, err := vm.Start(ctx, vm.Config{Modules: []string{"virtio_crypto"}})
//	if err != nil { ... }
//	defer guest.Close()
//	out, err := guest.Command(ctx, "grep", "-A3", "virtio", "/proc/crypto").Output()
//
// Guest memory is a memfd shared with whoever serves a vhost-user or vfio-user
// device to the guest. A guest that panics, or a QEMU that ends, fails every call
// that waits for it, with the last lines of the kernel's log in the error.
package vm

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Config describes a guest. The zero value boots with what the Find functions find.
type Config struct {
	QEMU    string // path of qemu-system-x86_64; empty: what [FindQEMU] finds
	Kernel  Kernel // zero: what [FindKernel] finds, or the one that Insmod was built for
	Init    string // path of our init program; empty: what [FindInit] finds
	Busybox string // path of a static busybox; empty: what [FindBusybox] finds

	Hostname string
	Machine  string   // pc (the default) or q35
	MemMB    int      // guest memory in MiB; default 512
	CPUs     int      // default 1
	Append   string   // added to the kernel's command line
	Devices  []string // further QEMU arguments, for example from vcrypto attach

	Modules []string // kernel modules to load, by name, in this order after what they need
	Insmod  []Insmod // modules that are not the kernel's own, loaded last
	Files   []File   // added to the initramfs
	Shares  []Share  // folders of the host, through 9p
	NICs    []NIC

	// LogWriter gets a copy of the guest's console (the kernel's log) as it comes.
	LogWriter io.Writer
}

// Insmod is a kernel module from a file of the host.
type Insmod struct {
	Path   string
	Params string // as insmod takes them: "name=value name=value"
}

// File is a file, or a folder with all in it, of the initramfs. An ELF program
// brings its loader and libraries along. Permissions are kept, owners are not:
// all belongs to root.
type File struct {
	Host  string      // path on the host; a symbolic link is followed
	Data  []byte      // content instead of Host
	Guest string      // absolute path in the guest; empty: the same as Host
	Mode  fs.FileMode // permissions; 0: those of Host, or 0644 for Data
}

// ParseFile reads HOST[:GUEST], the form of the --add flags.
func ParseFile(s string) (File, error) {
	host, guest, _ := strings.Cut(s, ":")
	if host == "" {
		return File{}, fmt.Errorf("%q names no file: the form is HOST[:GUEST]", s)
	}
	abs, err := filepath.Abs(host)
	if err != nil {
		return File{}, err
	}
	if _, err := os.Stat(abs); err != nil {
		return File{}, fmt.Errorf("a file to add to the guest: %w", err)
	}
	if guest == "" {
		guest = abs
	}
	if !filepath.IsAbs(guest) {
		return File{}, fmt.Errorf("%q: the path in the guest must be absolute", s)
	}
	return File{Host: abs, Guest: guest}, nil
}

// Share is a folder of the host that the guest sees.
type Share struct {
	Host     string
	Guest    string // empty: the same as Host
	ReadOnly bool
}

// NIC is a network interface of the guest. Without a Link it is QEMU's user-mode
// network, in which the host's loopback is 10.0.2.2 and nothing else of the world
// is reached.
type NIC struct {
	Prefix string   // IPv4 address and prefix length; default 10.0.2.15/24
	Link   *os.File // one end of a [NewLink]; Start takes it over, whatever it returns
	Pcap   string   // if set, all packets are captured into this file
	// Forward makes a port of the guest reachable from the host, in QEMU's
	// hostfwd form: tcp:127.0.0.1:5555-:35001. User-mode network only.
	Forward []string

	mac string
}

const (
	defaultMemMB   = 512
	minMemMB       = 64
	defaultPrefix  = "10.0.2.15/24"
	defaultMachine = "pc"
)

// complete checks the configuration and fills in what was left out. It works on
// a copy and leaves the caller's slices alone.
func (c Config) complete() (Config, error) {
	var err error
	if c.QEMU == "" {
		q, err := FindQEMU("")
		if err != nil {
			return c, err
		}
		c.QEMU = q.Path
	}
	if c.Kernel == (Kernel{}) {
		// Modules from elsewhere fit one kernel only.
		version := ""
		if len(c.Insmod) > 0 {
			if version, err = BuiltFor(c.Insmod[0].Path); err != nil {
				return c, err
			}
		}
		if c.Kernel, err = FindKernel(version, ""); err != nil {
			return c, err
		}
	}
	if c.Init == "" {
		if c.Init, err = FindInit(); err != nil {
			return c, err
		}
	}
	if c.Busybox == "" {
		if c.Busybox, err = FindBusybox(); err != nil {
			return c, err
		}
	}
	if c.Hostname == "" {
		c.Hostname = "guest"
	}
	if c.Machine == "" {
		c.Machine = defaultMachine
	}
	if c.Machine != "pc" && c.Machine != "q35" {
		return c, fmt.Errorf("machine %q: it is pc or q35", c.Machine)
	}
	if c.MemMB == 0 {
		c.MemMB = defaultMemMB
	}
	if c.MemMB < minMemMB {
		return c, fmt.Errorf("%d MiB of memory are too few for a guest: at least %d", c.MemMB, minMemMB)
	}
	if c.CPUs == 0 {
		c.CPUs = 1
	}
	if c.CPUs < 0 {
		return c, fmt.Errorf("a guest with %d CPUs: at least 1", c.CPUs)
	}
	c.NICs = append([]NIC(nil), c.NICs...)
	for i := range c.NICs {
		if err := c.NICs[i].complete(); err != nil {
			return c, fmt.Errorf("network interface %d: %w", i, err)
		}
	}
	c.Shares = append([]Share(nil), c.Shares...)
	for i := range c.Shares {
		s := &c.Shares[i]
		if s.Host, err = filepath.Abs(s.Host); err != nil {
			return c, err
		}
		if info, err := os.Stat(s.Host); err != nil {
			return c, fmt.Errorf("a folder to share with the guest: %w", err)
		} else if !info.IsDir() {
			return c, fmt.Errorf("%s is not a folder: only folders can be shared with a guest (files can be added)", s.Host)
		}
		if s.Guest == "" {
			s.Guest = s.Host
		}
		if !filepath.IsAbs(s.Guest) {
			return c, fmt.Errorf("share %s: the path in the guest, %s, must be absolute", s.Host, s.Guest)
		}
	}
	return c, nil
}

func (n *NIC) complete() error {
	if n.Prefix == "" {
		n.Prefix = defaultPrefix
	}
	p, err := netip.ParsePrefix(n.Prefix)
	if err != nil {
		return err
	}
	if !p.Addr().Is4() {
		return fmt.Errorf("%s is not an IPv4 address", n.Prefix)
	}
	if n.Link != nil && len(n.Forward) > 0 {
		return errors.New("ports can be forwarded in the user-mode network only")
	}
	// 52:54:00 is QEMU's prefix; the rest differs between the guests of a link.
	var b [3]byte
	rand.Read(b[:])
	n.mac = fmt.Sprintf("52:54:00:%02x:%02x:%02x", b[0], b[1], b[2])
	return nil
}

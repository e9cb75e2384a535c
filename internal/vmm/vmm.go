// SPDX-License-Identifier: Apache-2.0

// Package vmm knows by which routes a virtual machine monitor can attach a
// vcrypto device, what each route carries, and the arguments it takes.
//
// What is said here of versions of QEMU was measured; docs/wire.md tells how.
package vmm

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"

	"vcrypto/internal/vm"
)

// Route is a way from a VMM to a vcrypto device.
type Route struct {
	// Name is what --route takes.
	Name string `json:"route"`
	// Transport is what vcrypto serve --transport must be.
	Transport string `json:"transport"`
	// Carries says in a line what a guest gets by this route.
	Carries string `json:"carries"`
	// Notes are things to know, a line each.
	Notes []string `json:"notes,omitempty"`

	// needs is the QEMU device the route stands on.
	needs string
	args  func(c Config, v vm.Version) []string
	// memory are the arguments for shared memory; nil: QEMU's.
	memory func(c Config) []string
}

// Config is what arguments are made for.
type Config struct {
	Socket   string // of vcrypto serve
	ID       string // makes object and device ids; "vcrypto0" if empty
	Queues   int    // data queues the device was started with; at least 1
	MemoryMB int    // of the guest; 0 leaves the memory arguments out
	Machine  string // "pc" or "q35"; used with MemoryMB
}

// Names of routes.
const (
	RouteGeneric   = "generic"
	RouteCryptodev = "cryptodev"
	RouteVFIOUser  = "vfio-user"
)

// Transports of vcrypto serve.
const (
	TransportVhostUser = "vhost-user"
	TransportVFIOUser  = "vfio-user"
)

// configSize is the size of virtio-crypto's configuration space that the
// generic device asks the back-end for (virtio 1.3 section 5.9.4). Told less,
// it gives the guest garbage in max_size.
const configSize = 56

// queueSize is the size of each virtqueue, and so how many requests can be in
// flight on it: QEMU's default of 64 is few for many callers, 2048 ends QEMU.
const queueSize = 1024

// virtioIDCrypto is virtio 1.3 section 5's number of the device.
const virtioIDCrypto = 20

// QEMURoutes are the routes of any QEMU, best first.
var QEMURoutes = []Route{
	{
		Name:      RouteGeneric,
		Transport: TransportVhostUser,
		Carries:   "the whole device: control queue, configuration space and all data queues are served by vcrypto",
		Notes: []string{
			"QEMU's makers call this device one for tests; it is not migratable",
			"if vcrypto ends while the VM runs, the device must be removed and added again (device_del, chardev-remove)",
		},
		needs: "vhost-user-test-device-pci",
		args: func(c Config, _ vm.Version) []string {
			return []string{
				"-chardev", fmt.Sprintf("socket,id=%s-sock,path=%s", c.ID, escape(c.Socket)),
				"-device", fmt.Sprintf("vhost-user-test-device-pci,id=%s,chardev=%s-sock,virtio-id=%d,num_vqs=%d,vq_size=%d,config_size=%d",
					c.ID, c.ID, virtioIDCrypto, c.Queues+1, queueSize, configSize),
			}
		},
	},
	{
		Name:      RouteVFIOUser,
		Transport: TransportVFIOUser,
		Carries:   "the whole device as a PCI function, with an MSI-X vector a queue; each notification of the guest is a message",
		Notes: []string{
			"not migratable",
			"if vcrypto ends while the VM runs, QEMU may end too; it does not connect again",
			"device_del makes QEMU abort, a fault of its own, unless vcrypto serve was started with --msix=false",
		},
		needs: "vfio-user-pci",
		args: func(c Config, _ vm.Version) []string {
			// Only in this form does -device take a structure.
			device, _ := json.Marshal(struct {
				Driver string            `json:"driver"`
				ID     string            `json:"id"`
				Socket map[string]string `json:"socket"`
			}{"vfio-user-pci", c.ID, map[string]string{"type": "unix", "path": c.Socket}})
			return []string{"-device", string(device)}
		},
	},
	{
		Name:      RouteCryptodev,
		Transport: TransportVhostUser,
		Carries:   "one data queue; QEMU keeps the control queue and tells the guest of AES-CBC only (a driver may try other ciphers)",
		needs:     "virtio-crypto-pci",
		args: func(c Config, v vm.Version) []string {
			device := fmt.Sprintf("virtio-crypto-pci,id=%s,cryptodev=%s-backend", c.ID, c.ID)
			if !v.AtLeast(10, 0) {
				device += ",vectors=0"
			}
			return []string{
				"-chardev", fmt.Sprintf("socket,id=%s-sock,path=%s", c.ID, escape(c.Socket)),
				"-object", fmt.Sprintf("cryptodev-vhost-user,id=%s-backend,chardev=%s-sock", c.ID, c.ID),
				"-device", device,
			}
		},
	},
}

// escape doubles the commas that QEMU would take for separators.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// Routes returns the routes a QEMU has, best first.
func Routes(q vm.QEMU) ([]Route, error) {
	out, err := exec.Command(q.Path, "-device", "help").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its devices: %w", q.Path, err)
	}
	var found []Route
	for _, r := range QEMURoutes {
		if !strings.Contains(string(out), fmt.Sprintf("%q", r.needs)) {
			continue
		}
		if r.Name == RouteCryptodev && !q.Version.AtLeast(10, 0) {
			r.Notes = append(r.Notes[:len(r.Notes):len(r.Notes)],
				"vectors=0: this version of QEMU may crash when such a device is started with MSI-X")
		}
		found = append(found, r)
	}
	return found, nil
}

// Choose returns the named route of a QEMU, or with "" the best one that has
// the transport; with "" for that, of any.
func Choose(q vm.QEMU, name, transport string) (Route, error) {
	routes, err := Routes(q)
	if err != nil {
		return Route{}, err
	}
	for _, r := range routes {
		if (name == "" || r.Name == name) && (transport == "" || r.Transport == transport) {
			return r, nil
		}
	}
	for _, r := range QEMURoutes {
		if r.Name == name && transport != "" && r.Transport != transport {
			return Route{}, fmt.Errorf("route %s is of transport %s, not %s", name, r.Transport, transport)
		}
	}
	switch {
	case name == RouteGeneric:
		return Route{}, fmt.Errorf("QEMU %s has no vhost-user-test-device-pci: QEMU 10.2 or newer has; `--route %s` works with this one", q.Version, RouteCryptodev)
	case name == RouteVFIOUser, name == "" && transport == TransportVFIOUser:
		return Route{}, fmt.Errorf("QEMU %s has no vfio-user-pci: QEMU 10.1 or newer has", q.Version)
	case name != "":
		return Route{}, fmt.Errorf("QEMU %s has no route %q: it has %s", q.Version, name, names(routes))
	}
	return Route{}, fmt.Errorf("%s (QEMU %s) can attach no vcrypto device: QEMU 7.2 or newer can", q.Path, q.Version)
}

func names(routes []Route) string {
	var s []string
	for _, r := range routes {
		s = append(s, r.Name)
	}
	return strings.Join(s, ", ")
}

// Args returns the arguments of a VMM of this version for the route.
func (r Route) Args(c Config, v vm.Version) []string {
	if c.ID == "" {
		c.ID = "vcrypto0"
	}
	c.Queues = max(c.Queues, 1)
	var args []string
	if c.MemoryMB > 0 {
		args = append(args, r.MemoryArgs(c)...)
	}
	return append(args, r.args(c, v)...)
}

// MemoryArgs returns the arguments that give a guest memory which a vcrypto
// process can map: without them no device works.
func (r Route) MemoryArgs(c Config) []string {
	if r.memory != nil {
		return r.memory(c)
	}
	return SharedMemoryArgs(c.MemoryMB, c.Machine)
}

// SharedMemoryArgs are QEMU's arguments for shared memory.
func SharedMemoryArgs(mb int, machine string) []string {
	if machine == "" {
		machine = "pc"
	}
	return []string{
		"-object", fmt.Sprintf("memory-backend-memfd,id=mem,size=%dM,share=on", mb),
		"-machine", machine + ",memory-backend=mem",
	}
}

// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"vcrypto/internal/vm"
)

// CloudHypervisorName is the program's name.
const CloudHypervisorName = "cloud-hypervisor"

// CloudHypervisor is one on this machine. It runs VMs with KVM only.
type CloudHypervisor struct {
	Path    string // empty: none was found
	Version vm.Version
}

// Versions of Cloud Hypervisor that differ for us, from its source.
var (
	// cloudHypervisorGeneric brought --generic-vhost-user.
	cloudHypervisorGeneric = vm.Version{Major: 52}
	// cloudHypervisorDeviceType renamed its virtio_id to device_type.
	cloudHypervisorDeviceType = vm.Version{Major: 53}
	// cloudHypervisorUserDevice brought --user-device.
	cloudHypervisorUserDevice = vm.Version{Major: 18}
)

// cloudHypervisorQueue is the size of each queue that the guest is offered; it
// must be a power of two.
const cloudHypervisorQueue = 1024

var cloudHypervisorVersion = regexp.MustCompile(`v(\d+)\.(\d+)(?:\.(\d+))?`)

// FindCloudHypervisor returns the one named, a path or a program in $PATH; with
// "" the one of $PATH.
func FindCloudHypervisor(path string) (CloudHypervisor, error) {
	if path == "" {
		path = CloudHypervisorName
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return CloudHypervisor{}, fmt.Errorf("finding Cloud Hypervisor: %w", err)
	}
	out, err := exec.Command(found, "--version").Output()
	if err != nil {
		return CloudHypervisor{}, fmt.Errorf("asking %s for its version: %w", found, err)
	}
	m := cloudHypervisorVersion.FindStringSubmatch(string(out))
	if m == nil {
		return CloudHypervisor{}, fmt.Errorf("no version of Cloud Hypervisor in what %s --version prints: %q", found, out)
	}
	c := CloudHypervisor{Path: found}
	for i, part := range []*int{&c.Version.Major, &c.Version.Minor, &c.Version.Micro} {
		if m[i+1] == "" {
			continue
		}
		if *part, err = strconv.Atoi(m[i+1]); err != nil {
			return CloudHypervisor{}, fmt.Errorf("version %q of %s: %w", m[0], found, err)
		}
	}
	return c, nil
}

// NewestCloudHypervisor stands for one of which the version is not known: what
// is said of it holds for 53 and later.
var NewestCloudHypervisor = CloudHypervisor{Version: cloudHypervisorDeviceType}

// Routes returns the routes it has, best first.
func (c CloudHypervisor) Routes() []Route {
	var found []Route
	if c.Version.Compare(cloudHypervisorGeneric) >= 0 {
		found = append(found, Route{
			Name:      RouteGeneric,
			Transport: TransportVhostUser,
			Carries:   "the whole device: control queue, configuration space and all data queues are served by vcrypto",
			Notes: []string{
				"not run here, but checked against its source: docs/cloud-hypervisor.md",
				"it cannot be put behind a virtual IOMMU (iommu=on is refused)",
			},
			args: func(c Config, v vm.Version) []string {
				kind := "device_type"
				if v.Compare(cloudHypervisorDeviceType) < 0 {
					kind = "virtio_id"
				}
				sizes := strings.Repeat(fmt.Sprintf(",%d", cloudHypervisorQueue), c.Queues+1)[1:]
				return []string{"--generic-vhost-user",
					fmt.Sprintf("socket=%s,%s=crypto,queue_sizes=[%s],id=%s", quote(c.Socket), kind, sizes, c.ID)}
			},
			memory: cloudHypervisorMemory,
		})
	}
	if c.Version.Compare(cloudHypervisorUserDevice) >= 0 {
		found = append(found, Route{
			Name:      RouteVFIOUser,
			Transport: TransportVFIOUser,
			Carries:   "the whole device as a PCI function, with an MSI-X vector a queue; each notification of the guest is a message",
			Notes: []string{
				"not run here, but checked against its source: docs/cloud-hypervisor.md",
				"its makers call it experimental; each access to the device is answered before the next",
			},
			args: func(c Config, _ vm.Version) []string {
				return []string{"--user-device", fmt.Sprintf("socket=%s,id=%s", quote(c.Socket), c.ID)}
			},
			memory: cloudHypervisorMemory,
		})
	}
	return found
}

// Choose returns the named route, or with "" the best.
func (c CloudHypervisor) Choose(name string) (Route, error) {
	routes := c.Routes()
	for _, r := range routes {
		if name == "" || r.Name == name {
			return r, nil
		}
	}
	if name == RouteGeneric {
		return Route{}, fmt.Errorf("version %s of Cloud Hypervisor has no --generic-vhost-user: %d or newer has", c.Version, cloudHypervisorGeneric.Major)
	}
	return Route{}, fmt.Errorf("version %s of Cloud Hypervisor has no route %q: it has %s", c.Version, name, names(routes))
}

// cloudHypervisorMemory are the arguments for memory that vcrypto can map.
func cloudHypervisorMemory(c Config) []string {
	return []string{"--memory", fmt.Sprintf("size=%dM,shared=on", c.MemoryMB)}
}

// quote quotes a value of an option if its parser would take it apart: in double
// quotes nothing is special but they themselves, which are doubled.
func quote(value string) string {
	if !strings.ContainsAny(value, `",[]`) && strings.TrimSpace(value) == value {
		return value
	}
	return `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
}

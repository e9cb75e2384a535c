// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

const (
	qemuFix = "apt-get install qemu-system-x86"
	// wholeFix is about QEMUs that carry the whole device.
	wholeFix = "scripts/fetch-qemu trixie-backports unpacks QEMU 11.1 into the cache folder; or install QEMU 10.2 or newer"
)

// monitors looks at every VMM of $PATH and the cache.
func monitors() (all []Finding) {
	whole, any := false, false
	qemus := vm.FindQEMUs()
	for _, q := range qemus {
		f := Finding{Area: "vmm", Name: "QEMU " + q.Version.String(), State: OK, Says: q.Path}
		routes, err := vmm.Routes(q)
		switch {
		case err != nil:
			f.State, f.Says = Optional, err.Error()
		case len(routes) == 0:
			f.State = Optional
			f.Says += ": it can attach no vcrypto device: QEMU 7.2 or newer with vhost-user can"
			f.Fix = qemuFix
		}
		for _, r := range routes {
			f.Routes = append(f.Routes, route(r))
			any = true
			whole = whole || r.Name != vmm.RouteCryptodev
		}
		all = append(all, f)
	}
	if len(qemus) == 0 {
		all = append(all, Finding{Area: "vmm", Name: "QEMU", State: Optional,
			Says: "no " + vm.QEMUName + " that runs in $PATH or the cache", Fix: qemuFix})
	}

	c, err := vmm.FindCloudHypervisor("")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		all = append(all, Finding{Area: "vmm", Name: "Cloud Hypervisor", State: Optional, Says: "not in $PATH"})
	case err != nil:
		all = append(all, Finding{Area: "vmm", Name: "Cloud Hypervisor", State: Optional, Says: err.Error()})
	default:
		f := Finding{Area: "vmm", Name: "Cloud Hypervisor " + c.Version.String(), State: OK, Says: c.Path + "; it needs KVM"}
		for _, r := range c.Routes() {
			f.Routes = append(f.Routes, route(r))
			any, whole = true, true
		}
		all = append(all, f)
	}

	if out, err := exec.Command("virsh", "--version").Output(); err == nil {
		all = append(all, Finding{Area: "vmm", Name: "libvirt " + strings.TrimSpace(string(out)), State: OK,
			Says: "vcrypto attach --vmm libvirt prints the XML; the routes are those of its QEMU"})
	}
	switch {
	case !any:
		all = append(all, Finding{Area: "vmm", Name: "routes", State: Missing,
			Says: "nothing here can attach a device to a VM", Fix: qemuFix})
	case !whole:
		all = append(all, Finding{Area: "vmm", Name: "whole device", State: Optional,
			Says: fmt.Sprintf("the only route is %s: AES-CBC and chains, one data queue", vmm.RouteCryptodev), Fix: wholeFix})
	}
	return all
}

func route(r vmm.Route) Route { return Route{r.Name, r.Transport, r.Carries, r.Notes} }

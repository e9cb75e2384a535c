// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"os"
	"path/filepath"

	"vcrypto/internal/vm"
)

// guests looks at what vcrypto vm makes guests of, and the driver is built
// with. A VM of one's own needs none of it on the host.
func guests() (all []Finding) {
	note := func(name string, err error, says, fix string) {
		f := Finding{Area: "guest", Name: name, State: OK, Says: says}
		if err != nil {
			f.State, f.Says, f.Fix = Optional, err.Error(), fix
		}
		all = append(all, f)
	}
	kernel, err := vm.FindKernel("", "")
	note("kernel", err, fmt.Sprintf("%s (%s)", kernel.Version, kernel.Image), "scripts/fetch-guest-kernel")
	if err == nil {
		headers := filepath.Join("/lib/modules", kernel.Version, "build")
		_, err := os.Stat(headers)
		if err != nil {
			err = fmt.Errorf("no headers of %s in %s: the guest driver cannot be built for it", kernel.Version, headers)
		}
		note("headers", err, headers, "apt-get install linux-headers-"+kernel.Version)
	}

	driver, err := vm.FindBuilt("virtio_cryptodev.ko", "VCRYPTO_DRIVER", "make driver")
	says := driver
	if err == nil {
		var built string
		if built, err = vm.BuiltFor(driver); err == nil {
			says = fmt.Sprintf("%s, for %s", driver, built)
			if kernel.Version != "" && built != kernel.Version {
				err = fmt.Errorf("%s is for kernel %s, and the guest's is %s", driver, built, kernel.Version)
			}
		}
	}
	note("driver", err, says, "make driver")

	busybox, err := vm.FindBusybox()
	note("busybox", err, busybox, "apt-get install busybox-static")
	init, err := vm.FindInit()
	note("init", err, init, "make build")
	return all
}

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"vcrypto/internal/matrix"
	"vcrypto/internal/vm"
)

// TestVIOMMU: a machine with a virtual IOMMU. A device that is to be behind it is
// refused, with the reason: by QEMU itself, or by the daemon, whose log has it; one
// that is not, or that the guest passes through, works.
func TestVIOMMU(t *testing.T) {
	if !testAll {
		t.Skip("make test-all runs it; the refusals are tested in vhostuser and vfiouser/virtiopci too")
	}
	const (
		iommu   = "intel-iommu,intremap=off,device-iotlb=on"
		caching = "intel-iommu,intremap=off,caching-mode=on" // what QEMU wants for vfio
		behind  = ",iommu_platform=on,ats=on"
	)
	for _, test := range []struct {
		name, route   string
		iommu, device string
		kernel        string // on its command line
		qemu          string // says so and does not start
		daemon        string // says so in its log, and the driver does not work
	}{
		{"generic behind an IOMMU", matrix.Generic, iommu, behind, "", "iommu_platform=true is not supported by the device", ""},
		{"generic past an IOMMU", matrix.Generic, iommu, "", "", "", ""},
		{"cryptodev behind an IOMMU", matrix.Cryptodev, iommu, behind, "", "", `virtual IOMMU is not supported: leave iommu_platform=on out`},
		{"vfio-user behind an IOMMU", matrix.VFIOUser, caching, "", "", "", `behind a virtual IOMMU.*not supported`},
		{"vfio-user behind an IOMMU that passes through", matrix.VFIOUser, caching, "", " iommu=pt", "", ""},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "-"), func(t *testing.T) {
			w := way{qemu: findQEMU(t, "11.1"), route: test.route}
			rec := newRecord(t, matrix.Row{Way: matrix.Way{QEMU: "11.1", Route: test.route}, Driver: matrix.DriverInTree, Machine: matrix.Q35, CPUs: 1},
				test.name, w.qemu, findKernel(t, "6.1"))
			d := w.serve(t)
			args := attach(t, w, d.socket)
			for i := 0; i+1 < len(args); i += 2 {
				if args[i] == "-device" && !strings.HasPrefix(args[i+1], "{") {
					args[i+1] += test.device
				}
			}
			c := vm.Config{QEMU: w.qemu.Path, Kernel: findKernel(t, "6.1"), Machine: "q35", Append: "intel_iommu=on" + test.kernel,
				Modules: []string{"virtio_crypto"}, Devices: append([]string{"-device", test.iommu}, args...)}
			if test.qemu != "" {
				rec.check("refused by QEMU", func() (string, error) {
					v, err := vm.Start(bounded(t), c)
					if err == nil {
						v.Close()
						return "", fmt.Errorf("it started")
					}
					if !strings.Contains(err.Error(), test.qemu) {
						return "", err
					}
					return test.qemu, nil
				})
				return
			}
			v := boot(t, c)
			if _, err := v.WaitLog(bounded(t), regexp.MustCompile(`DMAR: IOMMU enabled`)); err != nil {
				t.Fatal(err)
			}
			if test.daemon != "" {
				rec.check("refused by vcrypto", func() (string, error) {
					d.log.waitFor(t, test.daemon)
					text := run(t, v, "cat", "/proc/crypto")
					if strings.Contains(text, inTreeCBC) && procCrypto(t, text, inTreeCBC)["selftest"] == "passed" {
						return "", fmt.Errorf("and yet the driver works")
					}
					return "the log has the reason", nil
				})
				return
			}
			rec.check("self-test of "+inTreeCBC, func() (string, error) {
				got := procCrypto(t, run(t, v, "cat", "/proc/crypto"), inTreeCBC)["selftest"]
				if got != "passed" {
					return "", fmt.Errorf("%s", got)
				}
				cleanLog(t, v)
				return got, nil
			})
		})
	}
}

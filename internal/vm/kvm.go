// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"os"
)

// kvmUsable says whether guests can be run by the hardware. A /dev/kvm alone
// does not say so: there are hosts, virtual machines themselves, that have one
// without the CPU's virtualization, and a guest hangs on it.
func kvmUsable() bool {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	for line := range bytes.Lines(info) {
		if !bytes.HasPrefix(line, []byte("flags")) {
			continue
		}
		for _, flag := range bytes.Fields(line) {
			if s := string(flag); s == "vmx" || s == "svm" {
				return true
			}
		}
	}
	return false
}

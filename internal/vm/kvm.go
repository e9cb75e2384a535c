// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const (
	kvmNode = "/dev/kvm"
	cpuinfo = "/proc/cpuinfo"
)

// WhyNoKVM says why guests are not run by the hardware, and what to do about it;
// nothing if they are.
func WhyNoKVM() (why, fix string) {
	if why, fix = kvmProblem(kvmNode, cpuinfo); why != "" {
		return why, fix
	}
	if note, boot := kvmNotePath(); note != "" {
		if text, err := os.ReadFile(note); err == nil && strings.TrimSpace(string(text)) == boot {
			return "a guest did not boot with it since this machine was started, and did without", "rm " + note + " has it tried again"
		}
	}
	return "", ""
}

// kvmProblem is about node and CPU. A /dev/kvm alone does not say that KVM works:
// there are hosts, virtual machines themselves, that have one without the CPU's
// virtualization, and a guest hangs on it.
func kvmProblem(node, cpuinfo string) (why, fix string) {
	const enable = "enable virtualization in the firmware, or nested virtualization if this is a VM"
	f, err := os.OpenFile(node, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no " + node, "modprobe kvm_intel (or kvm_amd); if that fails: " + enable
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("user %d may not open %s", os.Getuid(), node), "usermod -aG kvm USER, and log in again"
	case err != nil:
		return err.Error(), enable
	}
	f.Close()
	info, err := os.ReadFile(cpuinfo)
	if err != nil {
		return err.Error(), ""
	}
	for line := range bytes.Lines(info) {
		if !bytes.HasPrefix(line, []byte("flags")) {
			continue
		}
		for _, flag := range bytes.Fields(line) {
			if s := string(flag); s == "vmx" || s == "svm" {
				return "", ""
			}
		}
	}
	return "the CPU shows no virtualization (vmx or svm), though there is a " + node, enable
}

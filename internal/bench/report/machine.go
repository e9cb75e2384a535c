// SPDX-License-Identifier: Apache-2.0

package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// machine is what was measured on.
type machine struct {
	CPU    string
	CPUs   int
	Guest  bool // it is a virtual machine itself
	Kernel string
	System string
	Go     string
	Libs   []string
}

func thisMachine(program string) (machine, error) {
	m := machine{CPUs: runtime.NumCPU(), CPU: runtime.GOARCH}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return m, err
	}
	m.Go = info.GoVersion
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	field := func(text, name, sep string) string {
		for l := range strings.Lines(text) {
			if key, value, ok := strings.Cut(l, sep); ok && strings.TrimSpace(key) == name {
				return strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
		return ""
	}
	if name := field(string(cpu), "model name", ":"); name != "" {
		m.CPU = fmt.Sprintf("%s (family %s, model %s)", name, field(string(cpu), "cpu family", ":"), field(string(cpu), "model", ":"))
	}
	flags := strings.Fields(field(string(cpu), "flags", ":"))
	m.Guest = slices.Contains(flags, "hypervisor")
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		// What stands behind the version may name who built it.
		m.Kernel, _, _ = strings.Cut(strings.TrimSpace(string(release)), "-")
	}
	if system, err := os.ReadFile("/etc/os-release"); err == nil {
		m.System = field(string(system), "PRETTY_NAME", "=")
	}
	m.Libs = libraries(program)
	return m, nil
}

// libraries are the packages of the libraries around which engines are built.
func libraries(program string) (all []string) {
	linked, _ := exec.Command("ldd", program).Output()
	for l := range strings.Lines(string(linked)) {
		f := strings.Fields(l) // NAME => PATH (ADDRESS)
		if len(f) < 3 || !strings.HasPrefix(f[0], "libcrypto") && !strings.HasPrefix(f[0], "libIPSec_MB") {
			continue
		}
		owner, err := exec.Command("dpkg-query", "-S", "*/"+f[0]).Output()
		if err != nil {
			all = append(all, f[0])
			continue
		}
		name, _, _ := strings.Cut(string(owner), ":")
		version, _ := exec.Command("dpkg-query", "-W", "-f", "${Package} ${Version}\n", name).Output()
		first, _, _ := strings.Cut(string(version), "\n")
		all = append(all, first)
	}
	return all
}

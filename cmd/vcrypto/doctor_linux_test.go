// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vcrypto/internal/doctor"
)

// fakeQEMU is a QEMU that tells its version and these devices.
func fakeQEMU(version string, devices ...string) string {
	script := "#!/bin/sh\ncase $1 in\n--version) echo 'QEMU emulator version " + version + "';;\n-device)\n"
	for _, d := range devices {
		script += fmt.Sprintf("echo 'name \"%s\", bus PCI'\n", d)
	}
	return script + ";;\n*) exit 1;;\nesac\n"
}

// TestDoctor: what the program says of machines that lack one thing or another,
// and how it ends.
func TestDoctor(t *testing.T) {
	const qemu = "qemu-system-x86_64"
	fakeKernel := func(dir string) {
		for _, name := range []string{"boot/vmlinuz-9.9.9-test", "lib/modules/9.9.9-test/kernel/x"} {
			path := filepath.Join(dir, "kernels", "9.9.9-test", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	wide := t.TempDir()
	if err := os.Chmod(wide, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		programs map[string]string
		cache    func(dir string)
		args     []string
		code     int
		want     []string // each in one line of the output, in which spaces count as one
		not      []string
	}{
		"nothing is installed": {
			code: 1,
			want: []string{
				"- QEMU: no " + qemu, "fix: apt-get install qemu-system-x86", "- Cloud Hypervisor: not in $PATH", "MISSING routes:",
				"ok memfd:", "ok gocrypto:", "- devcrypto:", "/dev/crypto", "- kernel: no guest kernel", "fix: scripts/fetch-guest-kernel",
				"- busybox:", "fix: apt-get install busybox-static", "No device can be used",
			},
		},
		"an old QEMU": {
			programs: map[string]string{qemu: fakeQEMU("7.2.22 (Debian 1:7.2)", "virtio-crypto-pci")},
			want: []string{
				"ok QEMU 7.2.22:", "route cryptodev (serve --transport vhost-user): one data queue", "vectors=0:",
				"- whole device: the only route is cryptodev", "fix: scripts/fetch-qemu trixie-backports", "Devices can be served",
			},
			not: []string{"MISSING", "route generic"},
		},
		"a new QEMU and Cloud Hypervisor": {
			programs: map[string]string{
				qemu:               fakeQEMU("11.1.3", "virtio-crypto-pci", "vhost-user-test-device-pci", "vfio-user-pci"),
				"cloud-hypervisor": "#!/bin/sh\necho cloud-hypervisor v53.0.0\n",
				"virsh":            "#!/bin/sh\necho 12.1.0\n",
				"busybox":          "#!/bin/sh\n",
			},
			cache: fakeKernel,
			args:  []string{"--socket-folder", t.TempDir()},
			want: []string{
				"ok QEMU 11.1.3:", "route generic", "route vfio-user (serve --transport vfio-user)", "ok Cloud Hypervisor 53.0.0:", "ok libvirt 12.1.0",
				"ok socket folder:", "ok kernel: 9.9.9-test", "- headers: no headers of 9.9.9-test", "fix: apt-get install linux-headers-9.9.9-test", "ok busybox:",
			},
			not: []string{"MISSING", "- whole device:"},
		},
		"a QEMU without any device": {
			programs: map[string]string{qemu: fakeQEMU("6.0.0")},
			code:     1,
			want:     []string{"- QEMU 6.0.0:", "it can attach no vcrypto device", "MISSING routes:"},
		},
		"a QEMU that fails": {
			programs: map[string]string{qemu: "#!/bin/sh\nexit 3\n"},
			code:     1,
			want:     []string{"- QEMU: no " + qemu + " that runs", "MISSING routes:"},
		},
		"a Cloud Hypervisor alone": {
			programs: map[string]string{"cloud-hypervisor": "#!/bin/sh\necho cloud-hypervisor v51.1\n"},
			want:     []string{"ok Cloud Hypervisor 51.1.0:", "route vfio-user"},
			not:      []string{"MISSING", "route generic"},
		},
		"no folder": {
			programs: map[string]string{qemu: fakeQEMU("11.1.3", "vfio-user-pci")},
			args:     []string{"--socket-folder", "/nonexistent/folder"},
			code:     1,
			want:     []string{"MISSING socket folder: /nonexistent/folder does not exist", "fix: install -d -m 0755 -o"},
		},
		"a folder for everybody": {
			programs: map[string]string{qemu: fakeQEMU("11.1.3", "vfio-user-pci")},
			args:     []string{"--socket-folder", wide},
			want:     []string{"- socket folder:", "everybody may remove", "fix: chmod o-w " + wide},
		},
		"a long path": {
			programs: map[string]string{qemu: fakeQEMU("11.1.3", "vfio-user-pci")},
			args:     []string{"--socket-folder", "/usr/" + strings.Repeat("./", 50)},
			code:     1,
			want:     []string{"MISSING socket folder:", "fix: a folder with a shorter path"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bin, cache := t.TempDir(), t.TempDir()
			for name, text := range test.programs {
				if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if test.cache != nil {
				test.cache(cache)
			}
			run := func(args ...string) (string, int) {
				self, err := os.Executable()
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(self, append(append([]string{"doctor"}, args...), test.args...)...)
				cmd.Dir = t.TempDir()
				cmd.Env = []string{asProgram + "=1", "PATH=" + bin, "VCRYPTO_CACHE=" + cache, "HOME=" + cache}
				out, err := cmd.Output()
				if cmd.ProcessState == nil {
					t.Fatal(err)
				}
				return string(out), cmd.ProcessState.ExitCode()
			}
			out, code := run()
			plain := strings.Join(strings.Fields(out), " ")
			if code != test.code {
				t.Errorf("exit status %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(plain, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			for _, not := range test.not {
				if strings.Contains(plain, not) {
					t.Errorf("%q in\n%s", not, out)
				}
			}

			out, code = run("--json")
			var r doctor.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("--json: %v in %s", err, out)
			}
			missing := 0
			for _, f := range r.Findings {
				if f.State == doctor.Missing {
					missing++
				}
				if f.State == doctor.Missing && f.Fix == "" {
					t.Errorf("%s is missing, and no fix: %s", f.Name, f.Says)
				}
			}
			if code != test.code || r.Usable != (code == 0) || r.Usable != (missing == 0) {
				t.Errorf("--json: exit status %d, usable %v, %d missing", code, r.Usable, missing)
			}
		})
	}
}

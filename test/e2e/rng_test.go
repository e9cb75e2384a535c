// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// TestExampleRNG: a second device, made of the public packages alone: Linux's
// virtio_rng reads the host's entropy over both transports.
func TestExampleRNG(t *testing.T) {
	program := filepath.Join(t.TempDir(), "virtio-rng")
	if out, err := exec.Command("go", "build", "-o", program, root+"/examples/virtio-rng").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	newest := overVFIOUser(t).qemu
	system := ways(t)[0].qemu
	for _, test := range []struct {
		transport string
		qemu      vm.QEMU
		args      func(socket string) []string
	}{
		{vmm.TransportVhostUser, system, func(socket string) []string {
			return []string{"-chardev", "socket,id=rng,path=" + socket, "-device", "vhost-user-rng-pci,chardev=rng"}
		}},
		{vmm.TransportVhostUser, newest, func(socket string) []string {
			return []string{"-chardev", "socket,id=rng,path=" + socket, "-device", "vhost-user-rng-pci,chardev=rng"}
		}},
		{vmm.TransportVFIOUser, newest, func(socket string) []string {
			device, _ := json.Marshal(map[string]any{"driver": "vfio-user-pci", "socket": map[string]string{"type": "unix", "path": socket}})
			return []string{"-device", string(device)}
		}},
	} {
		t.Run(fmt.Sprintf("%s-qemu-%d.%d", test.transport, test.qemu.Version.Major, test.qemu.Version.Minor), func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			cmd := exec.Command(program, "--socket-path", socket, "--transport", test.transport)
			var log output
			cmd.Stderr = &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				cmd.Process.Signal(syscall.SIGTERM)
				if err := cmd.Wait(); err != nil {
					t.Errorf("virtio-rng: %v\n%s", err, log.String())
				}
			}()
			log.waitFor(t, "serving")
			v := boot(t, vm.Config{QEMU: test.qemu.Path, Modules: []string{"virtio_rng"}, Devices: test.args(socket)})
			name := run(t, v, "cat", "/sys/class/misc/hw_random/rng_current")
			if !strings.HasPrefix(name, "virtio_rng") {
				t.Errorf("the guest's source of entropy is %q", name)
			}
			const size = 20000
			first := run(t, v, "sh", "-c", fmt.Sprintf("dd if=/dev/hwrng bs=%d count=1 iflag=fullblock 2>/dev/null", size))
			second := run(t, v, "sh", "-c", fmt.Sprintf("dd if=/dev/hwrng bs=%d count=1 iflag=fullblock 2>/dev/null", size))
			if len(first) != size || len(second) != size || first == second {
				t.Errorf("%d and %d bytes, the same: %t", len(first), len(second), first == second)
			}
			// Of 20000 random bytes each value comes about 78 times.
			var seen [256]int
			for _, b := range []byte(first) {
				seen[b]++
			}
			for b, n := range seen {
				if n < 20 || n > 200 {
					t.Errorf("byte %#x comes %d times", b, n)
				}
			}
			cleanLog(t, v)
			v.Close()
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vcrypto/internal/vm"
)

// debugKernel is the folder of a kernel that checks itself, as
// scripts/build-debug-kernel prints it, or empty. The tests of our driver then
// run on that, with the driver of bin/debug: see make test-debug-kernel.
var debugKernel = os.Getenv("VCRYPTO_DEBUG_KERNEL")

// slowness is how many times longer all takes on it.
var slowness = func() int {
	if debugKernel != "" {
		return 8
	}
	return 1
}()

// builtModule returns the path of a module of ours for the kernel to test on.
func builtModule(t *testing.T, name string) string {
	t.Helper()
	if debugKernel != "" {
		name = filepath.Join("debug", name)
	}
	return built(t, name)
}

// onDebugKernel has a guest boot the debug kernel.
func onDebugKernel(t *testing.T, c *vm.Config) {
	t.Helper()
	images, err := filepath.Glob(filepath.Join(debugKernel, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		t.Fatalf("VCRYPTO_DEBUG_KERNEL=%s has %d kernels in boot (%v): it is what scripts/build-debug-kernel prints", debugKernel, len(images), err)
	}
	if c.Kernel, err = vm.FindKernel(images[0], ""); err != nil {
		t.Fatal(err)
	}
	c.MemMB = 1024 // an eighth is KASAN's
	c.Append = noFuzz
}

// noFuzz leaves out the kernel's random tests of algorithms, which take long, but
// for TestKernelDoorFuzzed.
const noFuzz = "cryptomgr.noextratests=1"

// looks is what a kernel that checks itself is asked at the end. kmemleak takes
// no pointer's loss seriously that is younger than 5 seconds, nor memory that
// was written since it looked last.
const looks = `
leaks() {
	sleep 6
	for i in 1 2; do echo scan >/sys/kernel/debug/kmemleak || exit; done
	head -n 60 /sys/kernel/debug/kmemleak
	echo clear >/sys/kernel/debug/kmemleak
}
leaks
tries=0
while [ -e /sys/module/virtio_cryptodev ] && ! rmmod virtio_cryptodev; do
	tries=$((tries + 1))
	[ $tries -lt 60 ] || exit
	sleep 1
done
leaks
`

// lastLooks fails the test if memory of the guest's kernel was lost, by the
// driver at work or by its end, or if the checks have come to an end before.
func lastLooks(t *testing.T, v *vm.VM) {
	t.Helper()
	out, err := try(t, v, "sh", "-c", looks)
	if err != nil || out != "" {
		t.Errorf("looking for lost memory, and unloading the driver: %v\n%s", err, out)
	}
	// Lockdep ends with its first finding, and when it runs out of memory.
	if stats := strings.Join(strings.Fields(run(t, v, "grep", "debug_locks", "/proc/lockdep_stats")), " "); stats != "debug_locks: 1" {
		t.Errorf("the kernel checks no locks any more: %q", stats)
	}
	if !strings.Contains(v.Log(), "KernelAddressSanitizer initialized") {
		t.Error("the kernel has no KASAN")
	}
}

// TestReload: the driver goes and comes, with its device at hand, its nodes in
// use and its algorithms registered; and with none.
func TestReload(t *testing.T) {
	if !testLong {
		t.Skip("takes long: make test-all")
	}
	w := generic(t)
	eachKernel(t, "", func(t *testing.T, c vm.Config) {
		d := serve(t, "--queues", "2")
		c.QEMU = w.qemu.Path
		c.CPUs = 2
		c.Devices = attach(t, w, d.socket, "--queues", "2")
		v := boot(t, c)
		for range 4 {
			run(t, v, "vcrypto", "test", "--procs", "4")
			tested(t, v)
			if out, err := try(t, v, "sh", "-c", "exec 3<>/dev/crypto; rmmod virtio_cryptodev"); err == nil {
				t.Errorf("rmmod under an open file succeeded: %s", out)
			}
			run(t, v, "rmmod", "virtio_cryptodev")
			if left := run(t, v, "sh", "-c", "ls /dev; cat /proc/crypto"); strings.Contains(left, "cryptodev") {
				t.Errorf("the driver left something behind:\n%s", left)
			}
			run(t, v, "sh", "-c", "insmod /lib/modules/*/virtio_cryptodev.ko")
		}
		run(t, v, "vcrypto", "test")
		cleanLog(t, v)
	})
}

// TestNoMemory: each allocation of the driver's fails once.
func TestNoMemory(t *testing.T) {
	if debugKernel == "" {
		t.Skip("Debian's kernels have no fault injection: make test-debug-kernel")
	}
	w := generic(t)
	d := serve(t)
	c := withDriver(t, "")
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	c.Devices = attach(t, w, d.socket)
	c.Files = append(c.Files, driverTest(t, "memory"))
	v := boot(t, c)
	out, err := try(t, v, "/tests/memory")
	if err != nil {
		t.Errorf("/tests/memory: %v", err)
	}
	t.Log(out)
	run(t, v, "vcrypto", "test")
	cleanLog(t, v)
}

// TestKernelDoorFuzzed: the kernel's random tests, which compare algorithms with
// its own plain code, pass for ours.
func TestKernelDoorFuzzed(t *testing.T) {
	if debugKernel == "" {
		t.Skip("Debian's kernels have no such tests: make test-debug-kernel")
	}
	w := generic(t)
	d := serve(t)
	c := withDriver(t, "")
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	c.Devices = attach(t, w, d.socket)
	c.Append = strings.TrimPrefix(c.Append, noFuzz)
	v := boot(t, c)
	selfTests(t, v, driverAlgorithms)
	if n := driverStats(t, v)["data.kernel_requests"]; n < 5000 {
		t.Errorf("the kernel's tests sent %d requests to the device: no more than without random ones", n)
	}
	cleanLog(t, v)
}

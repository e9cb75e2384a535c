// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// overVFIOUser returns the way over vfio-user.
func overVFIOUser(t *testing.T) way {
	t.Helper()
	for _, w := range ways(t) {
		if w.route == vmm.RouteVFIOUser {
			return w
		}
	}
	t.Fatal("no QEMU with vfio-user-pci")
	return way{}
}

// interrupts returns how many MSI-X interrupts of virtio devices with such a
// name the guest counted, by vector.
func interrupts(t *testing.T, v *vm.VM, name string) (counts []int) {
	t.Helper()
	for line := range strings.Lines(run(t, v, "grep", "virtio", "/proc/interrupts")) {
		fields := strings.Fields(line)
		if !strings.Contains(line, "MSI") || !strings.Contains(fields[len(fields)-1], name) {
			continue
		}
		sum := 0
		for _, f := range fields[1:] {
			var n int
			if _, err := fmt.Sscanf(f, "%d", &n); err != nil || fmt.Sprint(n) != f {
				break
			}
			sum += n
		}
		counts = append(counts, sum)
	}
	return counts
}

// TestVFIOUserQueues: four queues, each with a vector, on both machines and
// with both drivers; through a reset of the machine.
func TestVFIOUserQueues(t *testing.T) {
	w := overVFIOUser(t)
	const queues = 4
	for _, machine := range []string{"pc", "q35"} {
		t.Run(machine, func(t *testing.T) {
			d := w.serve(t, "--queues", fmt.Sprint(queues))
			c := withDriver(t, "")
			if machine == "q35" {
				c = vm.Config{Modules: []string{"virtio_crypto"}}
			}
			c.QEMU, c.Machine, c.CPUs = w.qemu.Path, machine, 4
			c.Devices = attach(t, w, d.socket, "--queues", fmt.Sprint(queues))
			v := boot(t, c)
			for round := range 2 {
				counts := interrupts(t, v, "")
				if machine == "pc" {
					run(t, v, "vcrypto", "test", "--procs", "8")
				} else if got := procCrypto(t, run(t, v, "cat", "/proc/crypto"), inTreeCBC); got["selftest"] != "passed" {
					t.Errorf("round %d: self-test: %v", round, got)
				}
				after := interrupts(t, v, "")
				if len(after) < queues+1 {
					t.Errorf("round %d: %d MSI-X vectors with a handler: %s", round, len(after), run(t, v, "cat", "/proc/interrupts"))
				}
				used, before := 0, 0
				for _, n := range counts {
					before += n
				}
				for _, n := range after {
					used += n
				}
				if machine == "pc" && used == before || used == 0 {
					t.Errorf("round %d: no interrupt of %d vectors", round, len(after))
				}
				if round == 0 {
					if err := v.Reset(bounded(t)); err != nil {
						t.Fatal(err)
					}
				}
			}
			cleanLog(t, v)
		})
	}
}

// TestVFIOUserHotPlug: two devices, plugged in while the guest runs, and out
// and in again: those without MSI-X, as QEMU aborts when one with it goes.
func TestVFIOUserHotPlug(t *testing.T) {
	w := overVFIOUser(t)
	c := withDriver(t, "")
	c.QEMU = w.qemu.Path
	v := boot(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	daemons := []*daemon{w.serve(t, "--msix=false"), w.serve(t, "--msix=false", "--queues", "2"), w.serve(t, "--queues", "2")}
	plug := func(i int) {
		t.Helper()
		_, err := v.QMP(ctx, "device_add", map[string]any{
			"driver": "vfio-user-pci", "id": fmt.Sprint("hot", i),
			"socket": map[string]string{"type": "unix", "path": daemons[i].socket},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// nodes waits until the guest has so many.
	nodes := func(want int) {
		t.Helper()
		for end := time.Now().Add(patience / 3); ; time.Sleep(100 * time.Millisecond) {
			out, _ := try(t, v, "sh", "-c", "ls /dev/cryptodev? 2>/dev/null | wc -l")
			if strings.TrimSpace(out) == fmt.Sprint(want) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s nodes, want %d", strings.TrimSpace(out), want)
			}
		}
	}
	const testAll = "for d in /dev/cryptodev?; do vcrypto test $d || exit 1; done"
	plug(0)
	nodes(1)
	plug(1)
	nodes(2)
	run(t, v, "sh", "-c", testAll)
	for i := range 2 {
		if err := v.Unplug(ctx, fmt.Sprint("hot", i)); err != nil {
			t.Fatal(err)
		}
		nodes(1 - i)
	}
	plug(0)
	nodes(1)
	run(t, v, "sh", "-c", testAll)
	if err := v.Unplug(ctx, "hot0"); err != nil {
		t.Fatal(err)
	}
	nodes(0)
	plug(2)
	nodes(1)
	run(t, v, "sh", "-c", testAll)
	if n := len(interrupts(t, v, "")); n < 4 {
		t.Errorf("%d MSI-X vectors", n)
	}
	cleanLog(t, v)
}

// TestVFIOUserPrivateMemory: a guest whose memory is not shared does not hang:
// its driver is refused, and the log says why.
func TestVFIOUserPrivateMemory(t *testing.T) {
	w := overVFIOUser(t)
	d := w.serve(t)
	v := boot(t, vm.Config{
		QEMU:    w.qemu.Path,
		Modules: []string{"virtio_crypto"},
		Devices: append(attach(t, w, d.socket),
			"-object", "memory-backend-memfd,id=private,size=512M,share=off", "-machine", "memory-backend=private"),
	})
	d.log.waitFor(t, `guest memory is not shared.*share=on`)
	if _, err := v.WaitLog(bounded(t), regexp.MustCompile(`virtio.*(device refuses features|probe.*failed)`)); err != nil {
		t.Error(err)
	}
}

// TestVFIOUserWithoutBackend: without a memory backend QEMU does not start,
// and the log says what it lacks.
func TestVFIOUserWithoutBackend(t *testing.T) {
	w := overVFIOUser(t)
	d := w.serve(t)
	device, _ := json.Marshal(map[string]any{
		"driver": "vfio-user-pci", "socket": map[string]string{"type": "unix", "path": d.socket},
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.qemu.Path, "-machine", "pc,accel=tcg", "-m", "64", "-display", "none", "-nodefaults", "-S", "-device", string(device))
	if out, err := cmd.CombinedOutput(); err == nil || ctx.Err() != nil {
		t.Errorf("QEMU: %v\n%s", err, out)
	}
	d.log.waitFor(t, `came without a descriptor.*memory-backend-memfd`)
}

// TestPackedRings: both drivers work on packed rings, over both transports,
// through stop, cont and a reset.
func TestPackedRings(t *testing.T) {
	for _, w := range []way{generic(t), overVFIOUser(t)} {
		t.Run(w.String(), func(t *testing.T) {
			d := w.serve(t, "--packed")
			c := withDriver(t, "")
			c.QEMU = w.qemu.Path
			c.Devices = attach(t, w, d.socket)
			v := boot(t, c)
			ctx := bounded(t)
			// Bit 34, in the string of features, which begins with bit 0.
			features := strings.TrimSpace(run(t, v, "sh", "-c", "cat $(dirname $(grep -l 0x0014 /sys/bus/virtio/devices/*/device))/features"))
			if len(features) < 35 || features[34] != '1' {
				t.Fatalf("packed rings were not negotiated: %s", features)
			}
			run(t, v, "vcrypto", "test", "--procs", "4")
			if err := stopAndCont(t, v, "vcrypto", "test", "--size", "16777216"); err != nil {
				t.Error(err)
			}
			if err := v.Reset(ctx); err != nil {
				t.Fatal(err)
			}
			run(t, v, "vcrypto", "test", "--procs", "4")
			cleanLog(t, v)
			v.Close()

			c = vm.Config{QEMU: w.qemu.Path, Modules: []string{"virtio_crypto"}, Devices: c.Devices}
			v = boot(t, c)
			got := procCrypto(t, run(t, v, "cat", "/proc/crypto"), inTreeCBC)
			if got["selftest"] != "passed" {
				t.Errorf("the in-tree driver's self-test: %v", got)
			}
			cleanLog(t, v)
		})
	}
}

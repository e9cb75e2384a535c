// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"vcrypto/internal/vm"
)

// TestDrainAndReplug goes through the procedure of docs/operations.md by which a
// device's process is replaced under a running guest: drain, wait, unplug,
// restart, plug in. It takes two minutes, and so is one of the long tests.
func TestDrainAndReplug(t *testing.T) {
	if !testAll {
		t.Skip("VCRYPTO_TEST_ALL is not set")
	}
	w := generic(t)
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "vm1.sock"), filepath.Join(dir, "vcrypto.toml")
	configure := func(drain bool) {
		t.Helper()
		text := fmt.Sprintf("[[device]]\nname = \"vm1\"\nsocket.path = %q\ndrain = %t\n", socket, drain)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure(false)
	d := &daemon{socket: socket, cmd: exec.Command(built(t, "vcrypto"), "serve", "--config", file)}
	d.cmd.Stderr = &d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.stop(t)
		if t.Failed() {
			t.Logf("the supervisor's log:\n%s", d.log.String())
		}
	})
	// pid waits for the nth process of the device.
	pid := func(n int) string {
		t.Helper()
		started := regexp.MustCompile(`device started.*pid=(\d+)`)
		d.log.waitFor(t, fmt.Sprintf(`(?s)(%s.*msg=serving.*){%d}`, started, n))
		all := started.FindAllStringSubmatch(d.log.String(), -1)
		return all[n-1][1]
	}
	first := pid(1)

	// The device's arguments are what the monitor takes later, too.
	args := attach(t, w, socket)
	option := func(name string) string {
		for i, a := range args {
			if a == name {
				return args[i+1]
			}
		}
		t.Fatalf("no %s in %q", name, args)
		return ""
	}
	id := regexp.MustCompile(`\bid=([^,]+)`)
	device, chardev := id.FindStringSubmatch(option("-device"))[1], id.FindStringSubmatch(option("-chardev"))[1]

	v := boot(t, vm.Config{QEMU: w.qemu.Path, Modules: []string{"virtio_crypto"}, Devices: args})
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	monitor := func(line string) {
		t.Helper()
		// It prints nothing but errors.
		if out, err := v.Monitor(ctx, line); err != nil || strings.TrimSpace(out) != "" {
			t.Fatalf("%s: %v, %s", line, err, out)
		}
	}
	// registered waits until the guest's kernel has the algorithm, or not.
	registered := func(want bool) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
			all := run(t, v, "cat", "/proc/crypto")
			if has := strings.Contains(all, inTreeCBC); has == want {
				if want {
					if got := procCrypto(t, all, inTreeCBC); got["selftest"] != "passed" {
						if time.Now().Before(end) {
							continue // it is at it
						}
						t.Errorf("self-test: %v", got)
					}
				}
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the guest has the algorithm: %t, want %t", !want, want)
			}
		}
	}
	registered(true)

	// 1. Drain it; taken back it is as before.
	configure(true)
	d.cmd.Process.Signal(syscall.SIGHUP)
	d.log.waitFor(t, `HW_READY changes.*ready=false`)
	registered(false)
	configure(false)
	d.cmd.Process.Signal(syscall.SIGHUP)
	registered(true)
	configure(true)
	d.cmd.Process.Signal(syscall.SIGHUP)
	registered(false)
	// 2. Wait.
	d.log.waitFor(t, `drained: no session is open`)
	// 3. Unplug it.
	if err := v.Unplug(ctx, device); err != nil {
		t.Fatal(err)
	}
	monitor("chardev-remove " + chardev)
	// 4. Restart it.
	if out, err := exec.Command("kill", "-TERM", first).CombinedOutput(); err != nil {
		t.Fatalf("kill: %v, %s", err, out)
	}
	if second := pid(2); second == first {
		t.Errorf("process %s was not replaced", first)
	}
	configure(false)
	d.cmd.Process.Signal(syscall.SIGHUP)
	d.log.waitFor(t, `(?s)(HW_READY changes.*ready=true.*){2}`)
	// 5. Plug it in, by another name: QEMU's monitor takes none a second time
	// that was on its command line.
	fresh := func(name string) string { return strings.ReplaceAll(option(name), chardev, chardev+"-2") }
	monitor("chardev-add " + fresh("-chardev"))
	monitor("device_add " + fresh("-device"))
	registered(true)
	cleanLog(t, v)
}

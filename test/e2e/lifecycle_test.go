// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"vcrypto/internal/vm"
)

// hotPlugged is a guest with our driver and devices that come and go.
type hotPlugged struct {
	*testing.T
	v       *vm.VM
	daemons []*daemon
}

// hotPlug boots a guest without a device, and starts daemons for n. They have
// no MSI-X: QEMU 11.1 aborts when a device with it goes.
func hotPlug(t *testing.T, n int, params string, files ...string) *hotPlugged {
	t.Helper()
	w := overVFIOUser(t)
	c := withDriver(t, params)
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	for _, name := range files {
		c.Files = append(c.Files, driverTest(t, name))
	}
	h := &hotPlugged{T: t, v: boot(t, c)}
	for range n {
		h.daemons = append(h.daemons, w.serve(t, "--msix=false"))
	}
	return h
}

func (h *hotPlugged) plug(i int) {
	h.Helper()
	_, err := h.v.QMP(h.Context(), "device_add", map[string]any{
		"driver": "vfio-user-pci", "id": fmt.Sprint("hot", i),
		"socket": map[string]string{"type": "unix", "path": h.daemons[i].socket},
	})
	if err != nil {
		h.Fatal(err)
	}
	h.eventually(fmt.Sprintf("test -c /dev/cryptodev%d && test -c /dev/crypto", i))
}

// eventually waits until a shell command succeeds in the guest.
func (h *hotPlugged) eventually(command string) {
	h.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		out, err := try(h.T, h.v, "sh", "-c", command)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			state, _ := try(h.T, h.v, "sh", "-c", "head -4 /sys/kernel/debug/virtio_cryptodev/*; ps")
			h.Fatalf("%s: %v\n%s%s", command, err, out, state)
		}
	}
}

// users returns how many open files and transformations a device has.
func (h *hotPlugged) users(i int) string {
	h.Helper()
	return strings.TrimSpace(run(h.T, h.v, "sh", "-c",
		fmt.Sprintf("grep ^users /sys/kernel/debug/virtio_cryptodev/cryptodev%d", i)))
}

// load is the driver's program of that name at work in a guest.
type load struct {
	*vm.Cmd
	out output
}

// startLoad starts it on the first device, and waits until that is busy.
func startLoad(t *testing.T, v *vm.VM) *load {
	t.Helper()
	before := driverStats(t, v)["data.bytes"]
	l := &load{Cmd: v.Command(t.Context(), "/tests/load", "/dev/cryptodev0")}
	l.Stdout, l.Stderr = &l.out, &l.out
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); driverStats(t, v)["data.bytes"]-before < 4<<20; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the load is none:\n%s", l.out.String())
		}
	}
	return l
}

// TestUnplugUnderLoad: of two devices /dev/crypto is the one with less to do,
// or the one that was named; the other goes while programs use it, which ends
// them, and comes back.
func TestUnplugUnderLoad(t *testing.T) {
	if !testLong {
		t.Skip("only make test-all has the time")
	}
	h := hotPlug(t, 2, "", "load")
	h.plug(0)
	h.plug(1)
	// Where the shell's last redirection goes sleep's goes too.
	hold := func(n int) {
		t.Helper()
		script := "sleep 1000"
		for i := range n {
			script += fmt.Sprintf(" %d<>/dev/crypto", 3+i)
		}
		run(t, h.v, "sh", "-c", script+" >/dev/null 2>&1 & echo $! >/holder")
	}
	release := func() {
		t.Helper()
		run(t, h.v, "sh", "-c", "kill $(cat /holder)")
		h.eventually("for d in /sys/kernel/debug/virtio_cryptodev/*; do grep -qx 'users 0' $d || exit 1; done")
	}
	hold(6)
	h.eventually("grep -qx 'users 3' /sys/kernel/debug/virtio_cryptodev/cryptodev1")
	if got := h.users(0); got != "users 3" {
		t.Errorf("of 6 files the first device has %q", got)
	}
	release()
	const param = "/sys/module/virtio_cryptodev/parameters/crypto_device"
	run(t, h.v, "sh", "-c", "echo 1 >"+param)
	hold(4)
	h.eventually("grep -qx 'users 4' /sys/kernel/debug/virtio_cryptodev/cryptodev1")
	release()
	run(t, h.v, "sh", "-c", "echo -1 >"+param)

	for range 2 {
		l := startLoad(t, h.v)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := h.v.Unplug(ctx, "hot0"); err != nil {
			t.Fatal(err)
		}
		if err := l.Wait(); err != nil || strings.Contains(l.out.String(), "no error") || !strings.Contains(l.out.String(), "No such device") {
			t.Errorf("a program whose device was unplugged: %v\n%s", err, l.out.String())
		}
		run(t, h.v, "vcrypto", "test")
		h.plug(0)
		run(t, h.v, "vcrypto", "test", "/dev/cryptodev0")
	}
	cleanLog(t, h.v)
}

// TestRebootUnderLoad: the machine goes down at once while programs use the
// device, and does not hang in that.
func TestRebootUnderLoad(t *testing.T) {
	w := generic(t)
	eachKernel(t, "", func(t *testing.T, c vm.Config) {
		d := serve(t)
		c.QEMU = w.qemu.Path
		c.CPUs = 2
		c.Devices = attach(t, w, d.socket)
		c.Files = append(c.Files, driverTest(t, "load"))
		v := boot(t, c)
		l := startLoad(t, v)
		reboot := v.Command(t.Context(), "reboot", "-f")
		if err := reboot.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-v.Done():
		case <-time.After(patience):
			t.Error("the guest did not go down")
		}
		l.Wait()
		reboot.Wait()
	})
}

// TestDaemonReplaced: the daemon dies under programs and the kernel's users:
// all get EIO in bounded time. Open files do not come back; the device added
// again, with another daemon, works.
func TestDaemonReplaced(t *testing.T) {
	w := generic(t)
	d := serve(t)
	c := withDriver(t, "timeout=2")
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	c.Devices = attach(t, w, d.socket)
	c.Modules = []string{"algif_skcipher"}
	c.Files = append(c.Files, driverTest(t, "load"), driverTest(t, "kernel"))
	v := boot(t, c)
	h := &hotPlugged{T: t, v: v}
	l := startLoad(t, v)
	d.kill()
	if err := l.Wait(); err != nil || !strings.Contains(l.out.String(), "Input/output error") {
		t.Errorf("a program whose daemon died: %v\n%s", err, l.out.String())
	}
	if out, err := try(t, v, "vcrypto", "test"); err == nil {
		t.Errorf("vcrypto test succeeded without a daemon:\n%s", out)
	}
	// A request of the kernel's is an error too, and not one that hangs.
	if out, err := try(t, v, "/tests/kernel", "--quick"); err == nil {
		t.Errorf("the kernel's door without a daemon:\n%s", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := v.Unplug(ctx, "vcrypto0"); err != nil {
		t.Fatal(err)
	}
	h.eventually("test ! -e /dev/cryptodev0")
	next := serve(t)
	for _, command := range []struct {
		name string
		args map[string]any
	}{
		{"chardev-remove", map[string]any{"id": "vcrypto0-sock"}},
		{"chardev-add", map[string]any{"id": "sock1", "backend": map[string]any{"type": "socket", "data": map[string]any{
			"server": false, "addr": map[string]any{"type": "unix", "data": map[string]any{"path": next.socket}}}}}},
		{"device_add", map[string]any{"driver": "vhost-user-test-device-pci", "id": "vcrypto1", "chardev": "sock1",
			"virtio-id": 20, "num_vqs": 2, "config_size": 56}},
	} {
		if _, err := v.QMP(ctx, command.name, command.args); err != nil {
			t.Fatalf("%s: %v", command.name, err)
		}
	}
	h.eventually("test -c /dev/cryptodev0")
	run(t, v, "vcrypto", "test")
	cleanLog(t, v)
}

// TestPause: a guest that stands still for longer than its driver waits for an
// answer finds its requests answered when it goes on.
func TestPause(t *testing.T) {
	if !testLong {
		t.Skip("takes long: make test-all")
	}
	w := generic(t)
	d := serve(t)
	c := withDriver(t, "timeout=1")
	c.QEMU = w.qemu.Path
	c.Devices = attach(t, w, d.socket)
	c.Files = append(c.Files, driverTest(t, "load"))
	v := boot(t, c)
	l := startLoad(t, v)
	const pause = 4 * time.Second // the driver gives up after 2 at the most
	// The whole machine, so that its clock jumps; then by QEMU's means.
	if err := syscall.Kill(v.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(pause)
	if err := syscall.Kill(v.Pid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"stop", "cont"} {
		if _, err := v.Monitor(t.Context(), command); err != nil {
			t.Fatal(err)
		}
		if command == "stop" {
			time.Sleep(pause)
		}
	}
	run(t, v, "touch", "/stop")
	if err := l.Wait(); err != nil || !strings.Contains(l.out.String(), "no error") {
		t.Errorf("through two pauses: %v\n%s", err, l.out.String())
	}
	if n := driverStats(t, v)["lives"]; n != 1 {
		t.Errorf("the device was reset %d times", n-1)
	}
	cleanLog(t, v)
}

// TestNodeTaken: another module has /dev/crypto, and the name of an algorithm in
// the kernel's crypto API: the log says so, and all else works. When the module is
// gone the next start of the device gets both.
func TestNodeTaken(t *testing.T) {
	w := generic(t)
	d := serve(t)
	c := withDriver(t, "")
	c.Insmod = append([]vm.Insmod{{Path: builtModule(t, "taken.ko")}}, c.Insmod...)
	c.Files = append(c.Files, driverTest(t, "limits"))
	c.QEMU = w.qemu.Path
	c.Devices = attach(t, w, d.socket)
	v := boot(t, c)
	// The console is behind the commands.
	for what, line := range map[string]string{
		"/dev/crypto":         "/dev/crypto belongs to another module (cryptodev?); use /dev/cryptodev0",
		"an algorithm's name": "cannot register sha1 with the kernel's crypto API: -17;",
	} {
		if _, err := v.WaitLog(bounded(t), regexp.MustCompile(regexp.QuoteMeta(line))); err != nil {
			t.Errorf("the log does not say that %s is taken: %v", what, err)
		}
	}
	selfTests(t, v, []string{"cbc-aes", "sha256"})
	if out, err := try(t, v, "vcrypto", "test"); err == nil {
		t.Errorf("another module's /dev/crypto is ours:\n%s", out)
	}
	run(t, v, "vcrypto", "test", "/dev/cryptodev0")
	run(t, v, "/tests/limits", "/dev/cryptodev0")
	// The other goes: ours is there for the next device.
	run(t, v, "rmmod", "taken")
	run(t, v, "sh", "-c", "cd /sys/bus/virtio/drivers/virtio_cryptodev && d=$(ls -d virtio*) && echo $d >unbind && echo $d >bind")
	run(t, v, "vcrypto", "test")
	selfTests(t, v, driverAlgorithms)
	cleanLog(t, v)
}

// TestSuspend: what is under way when the machine is suspended is answered
// first, and sessions go on after it. The kernel's debugging aid suspends the
// devices for 5 seconds and resumes them.
func TestSuspend(t *testing.T) {
	if !testLong {
		t.Skip("takes long: make test-all")
	}
	w := generic(t)
	eachKernel(t, "", func(t *testing.T, c vm.Config) {
		d := serve(t)
		c.QEMU = w.qemu.Path
		c.CPUs = 2
		c.Devices = attach(t, w, d.socket)
		c.Files = append(c.Files, driverTest(t, "load"))
		v := boot(t, c)
		l := startLoad(t, v)
		run(t, v, "sh", "-c", "echo devices >/sys/power/pm_test && echo mem >/sys/power/state")
		before := driverStats(t, v)["data.bytes"]
		for end := time.Now().Add(patience); driverStats(t, v)["data.bytes"]-before < 1<<20 && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		run(t, v, "touch", "/stop")
		if err := l.Wait(); err != nil || !strings.Contains(l.out.String(), "no error") {
			t.Errorf("through a suspend: %v\n%s", err, l.out.String())
		}
		if stats := driverStats(t, v); stats["lives"] != 2 || stats["data.failed"] != 0 {
			t.Errorf("the device was started %d times, and failed %d requests", stats["lives"], stats["data.failed"])
		}
		cleanLog(t, v)
	})
}

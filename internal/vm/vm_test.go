// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain builds the guest's init once, as the Makefile does.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "vcrypto-vm-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		init := filepath.Join(dir, "vcrypto-init")
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", init, "./init")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64", "GOOS=linux")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the guest's init: %v\n%s", err, out)
			return 1
		}
		os.Setenv("VCRYPTO_INIT", init)
		return m.Run()
	}())
}

// bootTimeout is generous: it only has to end a test that hangs.
const bootTimeout = 4 * time.Minute

// bounded returns a context for one call, or for a few: nothing here may wait
// for a guest without end.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	t.Cleanup(cancel)
	return ctx
}

// boot starts a guest that is closed at the end of the test.
func boot(t *testing.T, c Config) *VM {
	t.Helper()
	v, err := Start(bounded(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func TestModulesSharesAndNetwork(t *testing.T) {
	shared, pcap := t.TempDir(), filepath.Join(t.TempDir(), "wire,1.pcap")
	if err := os.WriteFile(filepath.Join(shared, "from-host"), []byte("hello guest\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "the host speaks\n")
			c.Close()
		}
	}()

	v := boot(t, Config{
		Modules:  []string{"virtio_crypto", "virtio-rng"},
		Files:    []File{{Guest: "/opt/deep/file", Data: []byte("data"), Mode: 0o751}, {Host: "/usr/bin/env", Guest: "/opt/env"}},
		Shares:   []Share{{Host: shared, Guest: "/mnt/shared"}},
		NICs:     []NIC{{Pcap: pcap}},
		Hostname: "alice",
		CPUs:     2,
		Machine:  "q35",
		MemMB:    300,
	})
	for _, test := range []struct{ command, want string }{
		{"hostname", "alice"},
		{"nproc", "2"},
		{"awk '/MemTotal/ { print ($2 > 200000 && $2 < 300000) }' /proc/meminfo", "1"},
		{"grep -c '^virtio_crypto ' /proc/modules", "1"},
		{"grep -c '^crypto_engine ' /proc/modules", "1"}, // what it depends on
		{"grep -c '^virtio_rng ' /proc/modules", "1"},    // named with a hyphen
		{"stat -c '%a %U' /opt/deep/file; cat /opt/deep/file", "751 root\ndata"},
		{"A=b /opt/env | grep ^A=", "A=b"}, // a dynamically linked program of the host
		{"cat /mnt/shared/from-host; echo hello host > /mnt/shared/from-guest", "hello guest"},
		{"ip -4 addr show eth0 | awk '/inet/ { print $2 }'", "10.0.2.15/24"},
		{"ip addr show lo | grep -c 127.0.0.1/8", "1"},
		{fmt.Sprintf("nc 10.0.2.2 %d </dev/null", listener.Addr().(*net.TCPAddr).Port), "the host speaks"},
		{"ls /dev/pts/ptmx /dev/null /dev/shm -d | wc -l", "3"},
	} {
		out, err := v.Command(bounded(t), "sh", "-c", test.command).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.command, got, err, test.want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(shared, "from-guest")); err != nil || string(text) != "hello host\n" {
		t.Errorf("what the guest wrote to the share: %q, %v", text, err)
	}
	if wire, err := os.ReadFile(pcap); err != nil || !bytes.Contains(wire, []byte("the host speaks")) {
		t.Errorf("the captured packets (%d bytes, %v) lack what was sent", len(wire), err)
	}
	if _, err := v.WaitLog(bounded(t), regexp.MustCompile(`Linux version \d`)); err != nil {
		t.Error(err)
	}
}

func TestLink(t *testing.T) {
	a, b, err := NewLink()
	if err != nil {
		t.Fatal(err)
	}
	alice := boot(t, Config{Hostname: "alice", NICs: []NIC{{Link: a, Prefix: "192.168.7.1/24"}}})
	bob := boot(t, Config{Hostname: "bob", NICs: []NIC{{Link: b, Prefix: "192.168.7.2/24"}}})
	server := alice.Command(bounded(t), "sh", "-c", "echo from alice | nc -l -p 4000")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	// The server may need a moment until it listens.
	out, err := bob.Command(bounded(t), "sh", "-c",
		"for i in $(seq 100); do nc 192.168.7.1 4000 </dev/null && exit; sleep 0.1; done; exit 1").Output()
	if err != nil || string(out) != "from alice\n" {
		t.Errorf("bob read %q, %v", out, err)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}

func TestMonitorAndReset(t *testing.T) {
	v := boot(t, Config{Modules: []string{"virtio_rng"}})
	ctx := bounded(t)
	if out, err := v.Monitor(ctx, "info status"); err != nil || !strings.Contains(out, "running") {
		t.Errorf("info status: %q, %v", out, err)
	}
	var refused *QMPError
	if _, err := v.QMP(ctx, "device_add", map[string]string{"driver": "no-such-device"}); !errors.As(err, &refused) {
		t.Errorf("adding a device that does not exist: %v", err)
	}

	count := func(want string) {
		t.Helper()
		out, err := v.Command(ctx, "sh", "-c",
			fmt.Sprintf("for i in $(seq 300); do n=$(ls /sys/bus/virtio/drivers/virtio_rng | grep -c ^virtio); [ $n = %s ] && break; sleep 0.1; done; echo $n", want)).Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s devices in the guest, %v; want %s", got, err, want)
		}
	}
	for range 2 {
		count("0")
		if _, err := v.QMP(ctx, "device_add", map[string]string{"driver": "virtio-rng-pci", "id": "hot"}); err != nil {
			t.Fatal(err)
		}
		count("1")
		if err := v.Unplug(ctx, "hot"); err != nil {
			t.Fatal(err)
		}
	}

	// A guest that is stopped holds its calls up and then goes on.
	if _, err := v.Monitor(ctx, "stop"); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() { held <- v.Command(ctx, "true").Run() }()
	select {
	case err := <-held:
		t.Errorf("a command ran in a stopped guest: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	// Calls that have a deadline end with it, and say where the guest was.
	late := func(what string, call func(context.Context) error) {
		t.Helper()
		soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		err := call(soon)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "last lines of the guest's log:\n[") {
			t.Errorf("%s in a stopped guest: %v", what, err)
		}
	}
	late("a command", func(ctx context.Context) error { return v.Command(ctx, "true").Run() })
	late("unplugging", func(ctx context.Context) error {
		if _, err := v.QMP(ctx, "device_add", map[string]string{"driver": "virtio-rng-pci", "id": "stays"}); err != nil {
			return err
		}
		return v.Unplug(ctx, "stays")
	})
	if _, err := v.Monitor(ctx, "cont"); err != nil {
		t.Fatal(err)
	}
	if err := <-held; err != nil {
		t.Error(err)
	}

	for range 2 {
		if err := v.WriteFile(ctx, "/tmp/mark", "x", 0o644); err != nil {
			t.Fatal(err)
		}
		pending := v.Command(ctx, "sleep", "1000")
		if err := pending.Start(); err != nil {
			t.Fatal(err)
		}
		ctx := bounded(t)
		if err := v.Reset(ctx); err != nil {
			t.Fatal(err)
		}
		if err := pending.Wait(); err == nil || !strings.Contains(err.Error(), "the guest was reset") {
			t.Errorf("a command outlived a reset: %v", err)
		}
		if _, err := v.ReadFile(ctx, "/tmp/mark"); err == nil {
			t.Error("a file in memory outlived a reset")
		}
	}
	ctx = bounded(t)
	if err := v.Poweroff(ctx); err != nil {
		t.Error(err)
	}
	if err := v.Command(ctx, "true").Run(); err == nil || !strings.Contains(err.Error(), "QEMU ended") {
		t.Errorf("a command after poweroff: %v", err)
	}
}

func TestPanicIsReported(t *testing.T) {
	v := boot(t, Config{})
	pending := v.Command(bounded(t), "sleep", "1000")
	if err := pending.Start(); err != nil {
		t.Fatal(err)
	}
	v.Command(bounded(t), "sh", "-c", "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger").Run()
	err := pending.Wait()
	if err == nil || !strings.Contains(err.Error(), "sysrq triggered crash") || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("the error of a call that waited when the kernel panicked: %v", err)
	}
	if _, err := v.QMP(bounded(t), "query-status", nil); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("a monitor command after a panic: %v", err)
	}
	if !strings.Contains(v.Log(), "Kernel panic - not syncing") {
		t.Errorf("the log lacks the panic:\n%s", v.Log())
	}
}

func TestKilledQEMUIsReported(t *testing.T) {
	v := boot(t, Config{})
	pending := v.Command(bounded(t), "sleep", "1000")
	if err := pending.Start(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(v.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := pending.Wait(); err == nil || !strings.Contains(err.Error(), "QEMU ended (signal: killed)") {
		t.Errorf("the error of a call that waited: %v", err)
	}
}

// TestStartErrors checks that what can be wrong is said, with what to do about it.
func TestStartErrors(t *testing.T) {
	notModule := filepath.Join(t.TempDir(), "x.ko")
	if err := os.WriteFile(notModule, []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "qemu")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho it is broken >&2; exit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	emptyCache := t.TempDir()
	for _, test := range []struct {
		name string
		env  map[string]string
		c    Config
		want []string
	}{
		{"no QEMU", map[string]string{"PATH": "/nonexistent", "VCRYPTO_QEMU": "", "VCRYPTO_CACHE": emptyCache}, Config{}, []string{QEMUName, "make setup", "apt-get install qemu-system-x86"}},
		{"no kernel", map[string]string{"VCRYPTO_KERNEL": "", "VCRYPTO_CACHE": emptyCache}, Config{}, []string{"no guest kernel", "make setup", "fetch-guest-kernel"}},
		{"no init", map[string]string{"VCRYPTO_INIT": "/nonexistent"}, Config{}, []string{"/nonexistent"}},
		{"no busybox", map[string]string{"VCRYPTO_BUSYBOX": "/nonexistent"}, Config{}, []string{"apt-get install busybox-static"}},
		{"QEMU is gone", nil, Config{QEMU: "/nonexistent/qemu"}, []string{"/nonexistent/qemu", "make setup"}},
		{"QEMU fails", nil, Config{QEMU: script}, []string{"it is broken", "exit status 3"}},
		{"bad argument", nil, Config{Devices: []string{"-device", "no-such-device"}}, []string{"no-such-device", "not a valid device model name"}},
		{"unknown module", nil, Config{Modules: []string{"no_such_module"}}, []string{"has no module no_such_module"}},
		{"not a module", nil, Config{Insmod: []Insmod{{Path: notModule}}}, []string{notModule}},
		{"missing file", nil, Config{Files: []File{{Host: "/nonexistent/file"}}}, []string{"/nonexistent/file"}},
		{"missing share", nil, Config{Shares: []Share{{Host: "/nonexistent/dir"}}}, []string{"/nonexistent/dir"}},
		{"wrong machine", nil, Config{Machine: "vax"}, []string{"vax", "pc or q35"}},
		{"wrong address", nil, Config{NICs: []NIC{{Prefix: "::1/128"}}}, []string{"not an IPv4 address"}},
		{"wrong accelerator", map[string]string{"VCRYPTO_ACCEL": "magic"}, Config{}, []string{"VCRYPTO_ACCEL=magic"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			v, err := Start(bounded(t), test.c)
			if err == nil {
				v.Close()
				t.Fatal("it started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

func TestBootIsCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(bounded(t), 100*time.Millisecond)
	defer cancel()
	if v, err := Start(ctx, Config{}); err == nil {
		v.Close()
		t.Error("a guest booted in a tenth of a second")
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestModuleThatFailsToLoad is a setup error of the guest that Start returns.
func TestModuleThatFailsToLoad(t *testing.T) {
	k, err := FindKernel("", "")
	if err != nil {
		t.Fatal(err)
	}
	var module string
	filepath.WalkDir(k.Modules, func(p string, d fs.DirEntry, err error) error {
		if name, ok := moduleName(p); ok && name == "virtio_rng" {
			module = p
		}
		return nil
	})
	data, err := readModule(module)
	if err != nil {
		t.Fatal(err)
	}
	// A symbol that no kernel has, and no signature that would not fit any more.
	data = bytes.ReplaceAll(data, []byte("~Module signature appended~"), []byte("~Module signature removed~~"))
	broken := filepath.Join(t.TempDir(), "broken.ko")
	if err := os.WriteFile(broken, bytes.ReplaceAll(data, []byte("hwrng_register"), []byte("hwrng_reg1ster")), 0o644); err != nil {
		t.Fatal(err)
	}
	v, err := Start(bounded(t), Config{Insmod: []Insmod{{Path: broken}}})
	if err == nil {
		v.Close()
		t.Fatal("a broken module was loaded")
	}
	for _, want := range []string{"broken.ko", "hwrng_reg1ster"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

// TestNothingIsLeft boots and closes guests, with commands running, and counts
// what is left over.
func TestNothingIsLeft(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	use := func() {
		v := boot(t, Config{NICs: []NIC{{}}})
		c := v.Command(bounded(t), "cat")
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		c.Stdout, c.Stderr = io.Discard, io.Discard
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if out, err := v.Command(bounded(t), "echo", "hi").Output(); err != nil || string(out) != "hi\n" {
			t.Fatalf("%q, %v", out, err)
		}
		pid := v.Pid()
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err == nil {
			t.Error("a command outlived its VM")
		}
		in.Close()
		if err := v.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
		if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("QEMU, process %d, is still there: %v", pid, err)
		}
	}
	use() // what is made once and kept
	goroutines, fds := settle(runtime.NumGoroutine), settle(openFiles)
	use()
	for what, count := range map[string]struct{ before, after int }{
		"goroutines": {goroutines, settleTo(runtime.NumGoroutine, goroutines)},
		"open files": {fds, settleTo(openFiles, fds)},
	} {
		if count.after > count.before {
			stacks := make([]byte, 1<<20)
			t.Errorf("%s: %d before, %d after\n%s", what, count.before, count.after, stacks[:runtime.Stack(stacks, true)])
		}
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left in the temporary folder: %v", left)
	}
}

// settle returns a count once it has stopped changing.
func settle(count func() int) int {
	last := count()
	for {
		time.Sleep(200 * time.Millisecond)
		now := count()
		if now == last {
			return now
		}
		last = now
	}
}

// settleTo waits a while for a count to come down to want, and returns it.
func settleTo(count func() int, want int) int {
	for range 100 {
		if count() <= want {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return count()
}

func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

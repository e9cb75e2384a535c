// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

const root = "../.."

var (
	// testAll says whether everything is wanted, or what CI has time for.
	testAll = os.Getenv("VCRYPTO_TEST_ALL") != ""
	// testLong says whether there is time for the driver's long tests.
	testLong = testAll || debugKernel != ""
	// patience bounds what takes a moment; a boot under emulation on a busy
	// machine is what it is generous for.
	patience = 3 * time.Minute * time.Duration(slowness)
)

// way is a QEMU with a route by which it attaches a device.
type way struct {
	qemu  vm.QEMU
	route string
}

func (w way) String() string {
	return fmt.Sprintf("qemu-%d.%d-%s", w.qemu.Version.Major, w.qemu.Version.Minor, w.route)
}

// wholeDevice says whether the guest sees our device and not QEMU's.
func (w way) wholeDevice() bool { return w.route != vmm.RouteCryptodev }

// transport returns the transport of the way's route.
func (w way) transport() string {
	if w.route == vmm.RouteVFIOUser {
		return vmm.TransportVFIOUser
	}
	return vmm.TransportVhostUser
}

// serve starts a daemon that speaks the way's protocol.
func (w way) serve(t *testing.T, args ...string) *daemon {
	t.Helper()
	return serve(t, append([]string{"--transport", w.transport()}, args...)...)
}

// ways returns the QEMUs and routes to test: the system's through
// cryptodev-vhost-user and the newest through the generic device and over
// vfio-user, and with testAll every combination that there is.
func ways(t *testing.T) []way {
	t.Helper()
	system, err := vm.FindQEMU(vm.QEMUName)
	if err != nil {
		t.Fatalf("the system's QEMU: %v", err)
	}
	newest, err := vm.FindQEMUAtLeast(10, 2)
	if err != nil {
		t.Fatalf("a QEMU with the generic vhost-user device: %v", err)
	}
	if !testAll {
		return []way{{system, vmm.RouteCryptodev}, {newest, vmm.RouteGeneric}, {newest, vmm.RouteVFIOUser}}
	}
	var all []way
	for _, q := range vm.FindQEMUs() {
		routes, err := vmm.Routes(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			all = append(all, way{q, r.Name})
		}
	}
	return all
}

// eachWay runs f as a subtest for each way.
func eachWay(t *testing.T, f func(*testing.T, way)) {
	for _, w := range ways(t) {
		t.Run(w.String(), func(t *testing.T) { f(t, w) })
	}
}

// generic returns a way on which the whole device is ours.
func generic(t *testing.T) way {
	t.Helper()
	for _, w := range ways(t) {
		if w.route == vmm.RouteGeneric {
			return w
		}
	}
	t.Fatal("no QEMU with the generic vhost-user device")
	return way{}
}

// built returns the path of a binary that make put into bin.
func built(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build driver", err)
	}
	return path
}

// output is what a process printed so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// waitFor waits until the output matches.
func (o *output) waitFor(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if re.MatchString(o.String()) {
			return
		}
	}
	t.Fatalf("no %q in:\n%s", pattern, o)
}

// daemon is a running vcrypto serve.
type daemon struct {
	cmd    *exec.Cmd
	socket string
	log    output
	ended  bool
}

// serve starts a daemon, which the test's end stops.
func serve(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := &daemon{socket: filepath.Join(t.TempDir(), "s")}
	d.cmd = exec.Command(built(t, "vcrypto"), append([]string{"serve", "--socket-path", d.socket}, args...)...)
	d.cmd.Stderr = &d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !d.ended {
			d.stop(t)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.log.String())
		}
	})
	d.log.waitFor(t, "msg=serving")
	return d
}

// stop ends the daemon as an operator would, and checks that it ends well.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	d.ended = true
	d.cmd.Process.Signal(syscall.SIGTERM)
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("vcrypto serve: %v\n%s", err, d.log.String())
	}
}

// kill ends the daemon as a crash would.
func (d *daemon) kill() {
	d.ended = true
	d.cmd.Process.Kill()
	d.cmd.Wait()
}

// attach returns the arguments that vcrypto attach prints.
func attach(t *testing.T, w way, socket string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(built(t, "vcrypto"), append([]string{"attach", "--json", "--socket-path", socket,
		"--qemu", w.qemu.Path, "--route", w.route}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("vcrypto attach: %v", err)
	}
	var report struct{ Args []string }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("vcrypto attach --json printed %q: %v", out, err)
	}
	return report.Args
}

// bounded returns a context for one call, or for a few: nothing waits for a guest
// without end.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// boot starts a guest, which the test's end stops.
func boot(t *testing.T, c vm.Config) *vm.VM {
	t.Helper()
	v, err := vm.Start(bounded(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the guest's log ends with:\n%s", tail(v.Log(), 60))
		}
		v.Close()
	})
	return v
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// withDriver returns the configuration of a guest with our driver loaded.
func withDriver(t *testing.T, params string) vm.Config {
	t.Helper()
	c := vm.Config{
		Insmod: []vm.Insmod{{Path: builtModule(t, "virtio_cryptodev.ko"), Params: params}},
		Files:  []vm.File{{Host: built(t, "vcrypto"), Guest: "/usr/bin/vcrypto"}},
	}
	if debugKernel != "" {
		onDebugKernel(t, &c)
	}
	return c
}

// run runs a command in a guest and returns what it printed. It must succeed.
func run(t *testing.T, v *vm.VM, name string, args ...string) string {
	t.Helper()
	out, err := try(t, v, name, args...)
	if err != nil {
		t.Fatalf("in the guest: %s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// try runs a command in a guest.
func try(t *testing.T, v *vm.VM, name string, args ...string) (string, error) {
	t.Helper()
	out, err := v.Command(bounded(t), name, args...).CombinedOutput()
	return string(out), err
}

// testBinaries builds the tests of packages, without cgo, for guests: as
// /tests/NAME.test, where NAME has hyphens for slashes.
func testBinaries(t *testing.T, pkgs ...string) (files []vm.File) {
	t.Helper()
	dir := t.TempDir()
	var builds sync.WaitGroup
	for _, pkg := range pkgs {
		name := strings.ReplaceAll(pkg, "/", "-") + ".test"
		files = append(files, vm.File{Host: filepath.Join(dir, name), Guest: "/tests/" + name})
		builds.Go(func() {
			build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, name), "./"+pkg)
			build.Dir = root
			build.Env = append(build.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				t.Errorf("building %s: %v\n%s", name, err, out)
			}
		})
	}
	if builds.Wait(); t.Failed() {
		t.FailNow()
	}
	return files
}

// runTests runs a command in a guest, tests with -test.v among others. None may
// fail, or be skipped. One command may be thousands of tests, so that its bound is
// another than that of a call: it only ends what hangs.
func runTests(t *testing.T, v *vm.VM, command string) {
	t.Helper()
	const hang = 15 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	said, err := v.Command(ctx, "sh", "-c", command).CombinedOutput()
	out := string(said)
	if err != nil {
		t.Errorf("%s: %v\n%s", command, err, tail(out, 100))
	}
	if strings.Contains(out, "--- SKIP") {
		t.Errorf("%s skipped a test:\n%s", command, tail(out, 40))
	}
	if strings.Contains(out, "no tests to run") {
		t.Errorf("%s ran no test", command)
	}
}

// complaint is what a kernel's log has if something is wrong.
var complaint = regexp.MustCompile(`BUG:|WARNING:|UBSAN:|Oops|Call Trace|refcount_t|blocked for more than|general protection`)

// cleanLog fails the test if the guest's kernel complained. One that checks
// itself has its last looks first, for which the driver is unloaded.
func cleanLog(t *testing.T, v *vm.VM) {
	t.Helper()
	if debugKernel != "" {
		lastLooks(t, v)
	}
	log := v.Log()
	if at := complaint.FindStringIndex(log); at != nil {
		const before, after = 2000, 3000 // characters
		t.Errorf("the guest's kernel complained:\n%s", log[max(0, at[0]-before):min(len(log), at[1]+after)])
	}
}

// stopAndCont stops a guest and lets it go on, a few times, while a command
// runs in it. The error is what that did to the command.
func stopAndCont(t *testing.T, v *vm.VM, name string, args ...string) error {
	t.Helper()
	ctx := bounded(t)
	cmd := v.Command(ctx, name, args...)
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	for range 3 {
		for _, command := range []string{"stop", "cont"} {
			if _, err := v.Monitor(ctx, command); err != nil {
				return err
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("through stop and cont: %w\n%s", err, tail(out.String(), 30))
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/matrix"
	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// resultsEnv names the file that what was seen is added to, a line of JSON a row.
const resultsEnv = "VCRYPTO_RESULTS"

// TestMatrix boots a VM for each row of the plan: every QEMU with each of its
// routes, every kernel, both drivers, and the rest spread over them. What it can
// do in a VM that is up it does there: work, stop and cont, system_reset, unplug
// and plug.
func TestMatrix(t *testing.T) {
	if !testAll {
		t.Skip("make test-all runs the matrix; TestInTreeDriver and TestGuestDriver are its smallest useful part")
	}
	pkey := buildPkey(t)
	for _, r := range matrix.Plan() {
		name := fmt.Sprintf("qemu-%s-%s-linux-%s-%s-%s-%d-%s-%s", r.Way.QEMU, r.Way.Route, r.Kernel, r.Driver, r.Machine, r.CPUs, r.Rings, r.Interrupts)
		t.Run(name, func(t *testing.T) { runRow(t, r, pkey) })
	}
}

// buildPkey builds program pkey and returns its path.
func buildPkey(t *testing.T) string {
	t.Helper()
	pkey := filepath.Join(t.TempDir(), "pkey")
	build := exec.Command("go", "build", "-o", pkey, "./pkey")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building pkey: %v\n%s", err, out)
	}
	return pkey
}

// row is a row of the plan while its VM runs.
type row struct {
	*testing.T
	matrix.Row
	way    way
	daemon *daemon
	device []string // the arguments of the device itself: -device and its value
	vm     *vm.VM
	result *record
}

func runRow(t *testing.T, plan matrix.Row, pkey string) {
	w := way{qemu: findQEMU(t, plan.Way.QEMU), route: plan.Way.Route}
	k := findKernel(t, plan.Kernel)
	r := &row{T: t, Row: plan, way: w, result: newRecord(t, plan, "", w.qemu, k)}
	args := []string{}
	attachArgs := []string{}
	if w.wholeDevice() {
		args = append(args, "--queues", fmt.Sprint(plan.CPUs))
		attachArgs = append(attachArgs, "--queues", fmt.Sprint(plan.CPUs))
	}
	if plan.Rings == matrix.Packed {
		args = append(args, "--packed")
	}
	if w.route == vmm.RouteVFIOUser && plan.Interrupts == matrix.INTx {
		args = append(args, "--msix=false")
	}
	r.daemon = w.serve(t, args...)

	c := vm.Config{QEMU: w.qemu.Path, Kernel: k, Machine: plan.Machine, CPUs: plan.CPUs}
	c.Devices = r.arrange(attach(t, w, r.daemon.socket, attachArgs...))
	if plan.Driver == matrix.DriverOurs {
		c.Insmod = []vm.Insmod{{Path: driverFor(t, k)}}
		c.Files = []vm.File{{Host: built(t, "vcrypto"), Guest: "/usr/bin/vcrypto"}, driverTest(t, "api")}
	} else {
		c.Modules = []string{"virtio_crypto", "pkcs8_key_parser"}
		c.Files = []vm.File{{Host: pkey, Guest: "/tests/pkey"}}
	}
	r.vm = boot(t, c)
	r.work(true)
	r.stopAndCont()
	up := r.check("system_reset", func() (string, error) {
		if err := r.vm.Reset(bounded(t)); err != nil {
			return "", err
		}
		return "", r.ready()
	})
	if up {
		r.work(false)
		r.unplugAndPlug()
	}
	cleanLog(t, r.vm)
	r.check("kernel's log", func() (string, error) {
		if bad := complaint.FindString(r.vm.Log()); bad != "" {
			return "", errors.New(bad)
		}
		if bad := regexp.MustCompile(`(?m)^.*alg: .*fail.*$`).FindString(r.vm.Log()); bad != "" {
			return "", errors.New(bad)
		}
		return "clean", nil
	})
}

// findQEMU returns the QEMU of a version such as 7.2.
func findQEMU(t *testing.T, version string) vm.QEMU {
	t.Helper()
	for _, q := range vm.FindQEMUs() {
		if fmt.Sprintf("%d.%d", q.Version.Major, q.Version.Minor) == version {
			return q
		}
	}
	t.Fatalf("no QEMU %s: make test-all gets it", version)
	return vm.QEMU{}
}

// findKernel returns the newest kernel of a version such as 6.12.
func findKernel(t *testing.T, version string) vm.Kernel {
	t.Helper()
	for _, k := range vm.FindKernels() {
		if strings.HasPrefix(k.Version, version+".") {
			return k
		}
	}
	t.Fatalf("no kernel %s in the cache: make test-all gets it", version)
	return vm.Kernel{}
}

// driverFor returns our driver for a kernel.
func driverFor(t *testing.T, k vm.Kernel) string {
	t.Helper()
	usual := built(t, "virtio_cryptodev.ko")
	if v, err := vm.BuiltFor(usual); err == nil && v == k.Version {
		return usual
	}
	return built(t, filepath.Join("driver", k.Version, "virtio_cryptodev.ko"))
}

// arrange takes what attach printed apart, and puts the device where it can be
// unplugged from: q35 wants a port for that.
func (r *row) arrange(args []string) (devices []string) {
	const port = "port0"
	for i := 0; i+1 < len(args); i += 2 {
		option, value := args[i], args[i+1]
		if option == "-device" {
			if r.Machine == matrix.Q35 {
				devices = append(devices, "-device", "pcie-root-port,bus=pcie.0,chassis=1,id="+port)
				if strings.HasPrefix(value, "{") {
					value = strings.TrimSuffix(value, "}") + `,"bus":"` + port + `"}`
				} else {
					value += ",bus=" + port
				}
			}
			r.device = []string{option, value}
		}
		devices = append(devices, option, value)
	}
	return devices
}

// check does one thing and writes down what came of it.
func (r *row) check(name string, do func() (saw string, err error)) (ok bool) {
	r.Helper()
	return r.result.check(name, do)
}

// sh runs a line of shell in the guest.
func (r *row) sh(line string) (string, error) {
	r.Helper()
	out, err := try(r.T, r.vm, "sh", "-c", line)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, tail(out, 15))
	}
	return out, err
}

// ready waits until the driver serves: our node is there, or the self-test of what
// the in-tree driver registers last has passed.
func (r *row) ready() error {
	line := `for i in $(seq 600); do [ -c /dev/crypto ] && exit; sleep 0.1; done; ls -l /dev; exit 1`
	if r.Driver == matrix.DriverInTree {
		last := inTreeCBC
		if r.way.wholeDevice() {
			last = inTreeRSA
		}
		// While the thread that tested the cipher still holds it the driver
		// cannot leave: Linux warns then, and it stays half registered.
		line = `for i in $(seq 600); do
			grep -A5 ` + last + ` /proc/crypto | grep -q "selftest.*passed" &&
			grep -A5 ` + inTreeCBC + ` /proc/crypto | grep -q "refcnt.*: 1$" && exit
			sleep 0.1
		done; grep -A5 virtio /proc/crypto; exit 1`
	}
	_, err := r.sh(line)
	return err
}

// gone waits until the guest's driver has let go.
func (r *row) gone() error {
	line := `for i in $(seq 600); do [ -c /dev/crypto ] || exit 0; sleep 0.1; done; exit 1`
	if r.Driver == matrix.DriverInTree {
		line = `for i in $(seq 600); do grep -q ` + inTreeCBC + ` /proc/crypto || exit 0; sleep 0.1; done; exit 1`
	}
	_, err := r.sh(line)
	return err
}

// work does what the driver is for; all says how much.
func (r *row) work(all bool) {
	r.Helper()
	if r.Driver == matrix.DriverOurs {
		r.check("vcrypto test", func() (string, error) {
			_, err := r.sh("vcrypto test --procs 4")
			return "", err
		})
		if all {
			r.check("driver's API test", func() (string, error) {
				line := "/tests/api"
				if r.way.wholeDevice() {
					line += " --require-all"
				}
				_, err := r.sh(line)
				return "", err
			})
		}
		return
	}
	r.check("self-test of "+inTreeCBC, func() (string, error) {
		if err := r.ready(); err != nil {
			return "", err
		}
		text, err := r.sh("cat /proc/crypto")
		if err != nil {
			return "", err
		}
		if got := procCrypto(r.T, text, inTreeCBC)["selftest"]; got != "passed" {
			return "", errors.New(got)
		}
		return "passed", nil
	})
	const rsa = "RSA"
	if !r.way.wholeDevice() {
		if all {
			r.result.skip(rsa, "QEMU's device offers none")
		}
		return
	}
	r.check(rsa, func() (string, error) {
		text, err := r.sh("cat /proc/crypto")
		if err != nil {
			return "", err
		}
		if got := procCrypto(r.T, text, inTreeRSA); got["selftest"] != "passed" {
			return "", fmt.Errorf("the self-test of %s: %s", inTreeRSA, got["selftest"])
		}
		if _, err := r.sh("/tests/pkey"); err != nil {
			return "", err
		}
		// The template that the key was used with names the driver below it.
		if text, err = r.sh("cat /proc/crypto"); err != nil {
			return "", err
		}
		over := regexp.MustCompile(`driver +: (\S*\(` + inTreeRSA + `\S*\))`).FindStringSubmatch(text)
		if over == nil {
			return "", fmt.Errorf("nothing was done through %s:\n%s", inTreeRSA, tail(text, 60))
		}
		return "self-test passed, keyctl through " + over[1], nil
	})
}

// staysRegistered: Linux's own driver was seen to stay registered, with a warning
// of crypto_unregister_alg, each time that it left its device in a guest of 6.12
// with more than one CPU.
func (r *row) staysRegistered() bool { return r.Driver == matrix.DriverInTree && r.CPUs > 1 }

// rebind takes the in-tree driver off the device and puts it back, upon which its
// self-tests run again.
const rebind = `cd /sys/bus/virtio/drivers/virtio_crypto; for d in virtio*; do echo $d > unbind; echo $d > bind; done`

// stopAndCont stops the machine while the driver works.
func (r *row) stopAndCont() {
	r.Helper()
	line := "vcrypto test --size 16777216"
	switch {
	case r.staysRegistered():
		line = "sleep 2" // nothing that it does can be repeated
	case r.Driver == matrix.DriverInTree:
		line = rebind
		if err := r.ready(); err != nil {
			r.Error(err)
		}
	}
	r.check("stop and cont", func() (string, error) {
		if err := stopAndCont(r.T, r.vm, "sh", "-c", line); err != nil {
			return "", err
		}
		return "", r.ready()
	})
}

// unplugAndPlug takes the device out of the running guest and puts it back.
func (r *row) unplugAndPlug() {
	r.Helper()
	const name = "unplug and plug"
	if r.way.route == vmm.RouteVFIOUser && r.Interrupts == matrix.MSIX {
		r.result.skip(name, "QEMU aborts when such a device with MSI-X goes")
		return
	}
	if r.staysRegistered() {
		r.result.skip(name, "Linux's own driver stays registered, with a warning of its kernel")
		return
	}
	back := r.check(name, func() (string, error) {
		ctx := bounded(r.T)
		if err := r.vm.Unplug(ctx, "vcrypto0"); err != nil {
			return "", err
		}
		if err := r.gone(); err != nil {
			return "", fmt.Errorf("the guest's driver stays: %w", err)
		}
		if err := r.plug(); err != nil {
			return "", err
		}
		return "", r.ready()
	})
	if back {
		r.work(false)
	}
}

// plug adds the device again: the generic device with a fresh connection.
func (r *row) plug() error {
	ctx := bounded(r.T)
	value := r.device[1]
	if strings.HasPrefix(value, "{") {
		_, err := r.vm.QMP(ctx, "device_add", json.RawMessage(value))
		return err
	}
	if r.way.route == vmm.RouteGeneric {
		if err := r.reconnect(); err != nil {
			return err
		}
	}
	if said, err := r.vm.Monitor(ctx, "device_add "+value); err != nil || strings.TrimSpace(said) != "" {
		return fmt.Errorf("device_add %s: %q, %v", value, said, err)
	}
	return nil
}

// reconnect gives QEMU a fresh connection to the daemon, under the old name.
func (r *row) reconnect() error {
	ctx := bounded(r.T)
	const name = "vcrypto0-sock"
	address := map[string]any{"type": "unix", "data": map[string]any{"path": r.daemon.socket}}
	if _, err := r.vm.QMP(ctx, "chardev-remove", map[string]any{"id": name}); err != nil {
		return err
	}
	_, err := r.vm.QMP(ctx, "chardev-add", map[string]any{"id": name,
		"backend": map[string]any{"type": "socket", "data": map[string]any{"addr": address, "server": false}}})
	return err
}

// record is a result on its way.
type record struct {
	t     *testing.T
	r     matrix.Result
	start time.Time
}

// newRecord begins a result, which the test's end writes down.
func newRecord(t *testing.T, row matrix.Row, what string, q vm.QEMU, k vm.Kernel) *record {
	t.Helper()
	accel := "kvm"
	if why, _ := vm.WhyNoKVM(); why != "" || os.Getenv("VCRYPTO_ACCEL") == "tcg" {
		accel = "tcg"
	}
	rec := &record{t: t, start: time.Now(), r: matrix.Result{Row: row, Case: what, QEMU: q.Version.String(), Kernel: k.Version, Accel: accel}}
	t.Cleanup(func() {
		rec.r.Time = rec.start.UTC().Truncate(time.Second)
		rec.r.Seconds = time.Since(rec.start).Round(time.Second / 10).Seconds()
		if t.Failed() && rec.r.OK() {
			rec.r.Checks = append(rec.r.Checks, matrix.Check{Name: "the rest", Saw: "the test failed; its log says where"})
		}
		if path := os.Getenv(resultsEnv); path != "" {
			if err := matrix.Append(path, rec.r); err != nil {
				t.Error(err)
			}
		}
	})
	return rec
}

func (rec *record) check(name string, do func() (saw string, err error)) (ok bool) {
	rec.t.Helper()
	saw, err := do()
	c := matrix.Check{Name: name, OK: err == nil, Saw: saw}
	if err != nil {
		rec.t.Errorf("%s: %v", name, err)
		c.Saw, _, _ = strings.Cut(err.Error(), "\n")
	}
	for i := range rec.r.Checks {
		// What is done more than once failed if it ever did.
		if old := &rec.r.Checks[i]; old.Name == name {
			if old.OK {
				*old = c
			}
			return c.OK
		}
	}
	rec.r.Checks = append(rec.r.Checks, c)
	return c.OK
}

func (rec *record) skip(name, why string) {
	rec.r.Checks = append(rec.r.Checks, matrix.Check{Name: name, Skipped: true, Saw: why})
}

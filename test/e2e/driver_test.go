// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/internal/vm"
	"vcrypto/virtiocrypto"
)

// driverTest returns one of the driver's own test programs.
func driverTest(t *testing.T, name string) vm.File {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "guest/driver/tests", name))
	if err != nil {
		t.Fatal(err)
	}
	return vm.File{Host: path, Guest: "/tests/" + name}
}

// TestGuestDriver: our driver, on each way to attach a device and on each kernel:
// its own tests, programs that use it in all the manners there are, and its end.
func TestGuestDriver(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) { guestDriver(t, w, withDriver(t, "")) })
	moreKernels(t, "", func(t *testing.T, c vm.Config) { guestDriver(t, generic(t), c) })
}

// guestDriver is that for one of them.
func guestDriver(t *testing.T, w way, c vm.Config) {
	t.Helper()
	d := w.serve(t)
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	c.Devices = attach(t, w, d.socket)
	for _, name := range []string{"abi", "api", "compat", "modes", "async", "parallel", "lifecycle"} {
		c.Files = append(c.Files, driverTest(t, name))
	}
	v := boot(t, c)

	// The nodes of a device are there for everybody.
	nodes := run(t, v, "ls", "-l", "/dev/crypto", "/dev/cryptodev0")
	if strings.Count(nodes, "crw-rw-rw-") != 2 {
		t.Errorf("nodes: %s", nodes)
	}
	api, modes := []string{"/tests/api"}, []string{"/tests/modes"}
	if w.wholeDevice() {
		// Here the guest is told of all algorithms.
		api = append(api, "--require-all")
		modes = append(modes, "--require-all")
	}
	for _, command := range [][]string{
		{"vcrypto", "test"},
		{"vcrypto", "test", "/dev/cryptodev0"},
		{"vcrypto", "test", "--procs", "8"},
		{"vcrypto", "test", "--procs", "8", "--shared-fd"},
		{"vcrypto", "test", "--size", "3145728"},
		{"/tests/abi"},
		api,
		{"/tests/compat"},
		modes,
		{"/tests/async", "--quick"},
		{"/tests/parallel", "--quick"},
		{"/tests/lifecycle", "--quick"},
		{"vcrypto", "test"},
	} {
		if out, err := try(t, v, command[0], command[1:]...); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, tail(out, 30))
		}
	}
	run(t, v, "rmmod", "virtio_cryptodev")
	if out, err := try(t, v, "vcrypto", "test"); err == nil || !strings.Contains(out, "/dev/crypto") {
		t.Errorf("vcrypto test without a node: %v, %q", err, out)
	}
	cleanLog(t, v)
	v.Close()
	d.log.waitFor(t, `device reset.*counted.operations=[1-9]`)
}

// TestTooLong: what is longer than a request may be is split, hashed in the guest
// or EMSGSIZE, on a device that says how much it takes: ours, and one that counts
// what a request reads and writes together.
func TestTooLong(t *testing.T) {
	w := generic(t)
	const small, large = 64 << 10, 8 << 20 // large: beyond what the driver takes
	c := withDriver(t, "")
	c.QEMU = w.qemu.Path
	for i, socket := range []string{
		serve(t, "--max-size", fmt.Sprint(small)).socket,
		serveEngine(t, w, strictEngine{gocrypto.New()}),
		serve(t, "--max-size", fmt.Sprint(large)).socket,
	} {
		c.Devices = append(c.Devices, attach(t, w, socket, "--id", fmt.Sprint("dev", i))...)
	}
	c.Files = append(c.Files, driverTest(t, "toolong"))
	v := boot(t, c)
	for i, command := range []string{
		fmt.Sprintf("MAX_SIZE=%d /tests/toolong", small),
		fmt.Sprintf("STRICT=1 MAX_SIZE=%d /tests/toolong", virtiocrypto.DefaultMaxSize),
		fmt.Sprintf("MAX_SIZE=%d /tests/toolong --quick", large),
	} {
		command += fmt.Sprint(" /dev/cryptodev", i)
		if out, err := try(t, v, "sh", "-c", command); err != nil {
			t.Errorf("%s: %v\n%s", command, err, tail(out, 60))
		}
	}
	cleanLog(t, v)
}

// strictEngine fails requests that read and write more than DefaultMaxSize.
type strictEngine struct{ engine.Engine }

func (e strictEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	return strictWorker{w}, err
}

type strictWorker struct{ engine.Worker }

func (w strictWorker) Reap(done []*engine.Request, m engine.ReapMode) int {
	n := w.Worker.Reap(done, m)
	for _, r := range done[:n] {
		if len(r.Src)+len(r.Dst)+len(r.AAD)+int(r.IVLen) > virtiocrypto.DefaultMaxSize {
			r.Status = engine.Failed
		}
	}
	return n
}

// TestStopAndReset: a guest that is stopped goes on where it was; one that is
// reset starts anew, and finds a fresh device.
func TestStopAndReset(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		d := w.serve(t)
		c := withDriver(t, "")
		c.QEMU = w.qemu.Path
		c.Devices = attach(t, w, d.socket)
		v := boot(t, c)
		ctx := bounded(t)

		// A program that works on one session the whole time.
		if err := stopAndCont(t, v, "vcrypto", "test", "--size", "67108864"); err != nil {
			t.Error(err)
		}
		if err := v.Reset(ctx); err != nil {
			t.Fatalf("system_reset: %v", err)
		}
		run(t, v, "vcrypto", "test", "--procs", "4")
		cleanLog(t, v)
	})
}

// TestReconnect: a second guest on the same daemon finds a fresh device.
func TestReconnect(t *testing.T) {
	w := generic(t)
	d := serve(t, "--queues", "2")
	for range 2 {
		c := withDriver(t, "")
		c.QEMU = w.qemu.Path
		c.Devices = attach(t, w, d.socket, "--queues", "2")
		v := boot(t, c)
		run(t, v, "vcrypto", "test", "--procs", "4")
		v.Close()
	}
}

// TestDevcrypto: an engine that works through /dev/crypto. In the guest, whose
// /dev/crypto is our driver's, the engine's and the client's own tests run on
// it, and a second daemon serves a device that a front-end drives.
func TestDevcrypto(t *testing.T) {
	w := generic(t)
	d := serve(t)
	c := withDriver(t, "")
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	c.Devices = attach(t, w, d.socket)
	c.Files = append(c.Files, testBinaries(t, "cryptodev", "engine/devcrypto", "internal/chat/place", "virtiocrypto")...)
	v := boot(t, c)
	const env = "VCRYPTO_TEST_DEVICE=/dev/crypto VCRYPTO_TEST_CIPHERS=aes-cbc,aes-ctr,aes-ecb,aes-gcm,aes-ccm"
	for _, command := range []string{
		env + " /tests/cryptodev.test -test.v",
		env + " /tests/engine-devcrypto.test -test.v",
		env + " /tests/internal-chat-place.test -test.v",
		"vcrypto engines --json",
		env + " VCRYPTO_TEST_DAEMON=/usr/bin/vcrypto /tests/virtiocrypto.test -test.v -test.run TestDaemon",
	} {
		runTests(t, v, command)
	}
	cleanLog(t, v)
}

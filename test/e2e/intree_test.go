// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/sock"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/vhostcrypto"
)

const (
	inTreeCBC = "virtio_crypto_aes_cbc"
	inTreeRSA = "virtio-crypto-rsa"
)

// TestInTreeDriver: the kernel's own driver works on the device, and its
// self-test passes.
func TestInTreeDriver(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		d := w.serve(t)
		v := boot(t, vm.Config{
			QEMU:    w.qemu.Path,
			Modules: []string{"virtio_crypto"},
			Devices: attach(t, w, d.socket),
		})
		all := run(t, v, "cat", "/proc/crypto")
		got := procCrypto(t, all, inTreeCBC)
		for key, want := range map[string]string{"name": "cbc(aes)", "module": "virtio_crypto", "selftest": "passed"} {
			if got[key] != want {
				t.Errorf("%s: %s is %q, want %q", inTreeCBC, key, got[key], want)
			}
		}
		// RSA is there if the device has it, which takes OpenSSL, and QEMU
		// leaves the configuration space to it.
		if strings.Contains(all, inTreeRSA) {
			if got := procCrypto(t, all, inTreeRSA); got["selftest"] != "passed" {
				t.Errorf("%s: selftest is %q, want passed", inTreeRSA, got["selftest"])
			}
		}
		if bad := regexp.MustCompile(`(?m)^.*alg: .*fail.*$`).FindString(v.Log()); bad != "" {
			t.Errorf("the kernel complained of an algorithm: %s", bad)
		}
		cleanLog(t, v)
		v.Close()
		// The self-test's requests went through the device.
		d.log.waitFor(t, `device reset.*counted.operations=[1-9]`)
	})
}

// TestInTreeSelfTestRuns: this kernel does run self-tests, so that passing
// one says something: an engine that is wrong fails it.
func TestInTreeSelfTestRuns(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		socket := serveEngine(t, w, wrongEngine{gocrypto.New()})
		v := boot(t, vm.Config{
			QEMU:    w.qemu.Path,
			Modules: []string{"virtio_crypto"},
			Devices: attach(t, w, socket),
		})
		ctx := bounded(t)
		if _, err := v.WaitLog(ctx, regexp.MustCompile(`alg: skcipher: `+inTreeCBC+` .*(failed|wrong)`)); err != nil {
			t.Errorf("a wrong engine passed the kernel's self-test: %v", err)
		}
	})
}

// serveEngine serves a device with an engine of the test's, and returns its
// socket.
func serveEngine(t *testing.T, w way, e engine.Engine) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := sock.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	newDevice := func() (*virtiocrypto.Device, *virtio.Instance, error) {
		d, err := virtiocrypto.New(virtiocrypto.Options{Engine: e})
		if err != nil {
			return nil, nil, err
		}
		return d, virtio.NewInstance(d, virtio.Options{}), nil
	}
	done := make(chan error, 1)
	go func() {
		if w.route == vmm.RouteVFIOUser {
			done <- vfiouser.ServeListener(t.Context(), l, func() (vfiouser.Device, error) {
				_, in, err := newDevice()
				if err != nil {
					return nil, err
				}
				return virtiopci.New(in, virtiopci.Options{})
			}, vfiouser.Options{})
			return
		}
		done <- vhostuser.ServeListener(t.Context(), l, func() (*virtio.Instance, vhostuser.Extension, error) {
			d, in, err := newDevice()
			if err != nil {
				return nil, nil, err
			}
			return in, vhostcrypto.New(d, nil), nil
		}, vhostuser.Options{})
	}()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Close()
	})
	return socket
}

// wrongEngine gets the last bit of everything wrong.
type wrongEngine struct{ engine.Engine }

func (e wrongEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	return wrongWorker{w}, err
}

type wrongWorker struct{ engine.Worker }

func (w wrongWorker) Reap(done []*engine.Request, m engine.ReapMode) int {
	n := w.Worker.Reap(done, m)
	for _, r := range done[:n] {
		if len(r.Dst) > 0 {
			r.Dst[len(r.Dst)-1] ^= 1
		}
	}
	return n
}

// procCrypto returns the fields of a driver's entry in /proc/crypto.
func procCrypto(t *testing.T, text, driver string) map[string]string {
	t.Helper()
	for entry := range strings.SplitSeq(text, "\n\n") {
		if fields := procFields(entry); fields["driver"] == driver {
			return fields
		}
	}
	t.Fatal(fmt.Errorf("/proc/crypto has no driver %s:\n%s", driver, text))
	return nil
}

// procFields returns the fields of one entry of /proc/crypto.
func procFields(entry string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(entry) {
		key, value, _ := strings.Cut(line, ":")
		fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return fields
}

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
)

// TestStuckDevice: a device that keeps requests longer than the guest driver
// waits. The driver resets it before it lets go of their memory, its callers
// get EIO, and with restart=1 the device serves again.
func TestStuckDevice(t *testing.T) {
	w := generic(t)
	socket := serveEngine(t, w, &silentEngine{Engine: gocrypto.New()})
	// The kernel's own tests of what is registered would be the first to wait.
	c := withDriver(t, "timeout=3 restart=1 priority=0")
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	c.Devices = attach(t, w, socket)
	c.Files = append(c.Files, driverTest(t, "stuck"))
	v := boot(t, c)
	run(t, v, "/tests/stuck")
	run(t, v, "vcrypto", "test", "--procs", "4")
	cleanLog(t, v)
}

// silence is how long requests of a device's first life are kept: longer than
// the driver waits.
const silence = 6 * time.Second

// TestStuckUnderKernel: the same for requests of the kernel's users. Each ends,
// and what comes while the device is down waits for it.
func TestStuckUnderKernel(t *testing.T) {
	if !testLong {
		t.Skip("takes long, make test-all runs it: TestStuckDevice shows the reset, by callers of the node")
	}
	w := generic(t)
	e := &silentEngine{Engine: gocrypto.New()}
	e.talks.Store(true) // until the kernel's own tests are through
	c := withDriver(t, "timeout=3 restart=1")
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	c.Devices = attach(t, w, serveEngine(t, w, e))
	c.Modules = []string{"algif_skcipher"}
	c.Files = append(c.Files, driverTest(t, "kernel"))
	v := boot(t, c)
	tested(t, v)
	e.talks.Store(false)
	if out, err := try(t, v, "/tests/kernel", "silent"); err != nil {
		t.Errorf("/tests/kernel: %v\n%s", err, out)
	}
	cleanLog(t, v)
}

// silentEngine keeps for a while what its first worker is given from when on it
// does not talk.
type silentEngine struct {
	engine.Engine
	workers atomic.Int32
	talks   atomic.Bool
}

func (e *silentEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	if err != nil || e.workers.Add(1) > 1 {
		return w, err
	}
	return &silentWorker{Worker: w, wake: c.Wake, talks: &e.talks}, nil
}

type silentWorker struct {
	engine.Worker
	wake  func()
	talks *atomic.Bool
	until time.Time
	timer *time.Timer
}

func (w *silentWorker) Submit(reqs []*engine.Request) int {
	if w.until.IsZero() && len(reqs) > 0 && !w.talks.Load() {
		w.until = time.Now().Add(silence)
		w.timer = time.AfterFunc(silence, w.wake)
	}
	return w.Worker.Submit(reqs)
}

func (w *silentWorker) Reap(done []*engine.Request, m engine.ReapMode) int {
	if !w.until.IsZero() && time.Now().Before(w.until) {
		if m != engine.Wait {
			return 0
		}
		time.Sleep(time.Until(w.until))
	}
	return w.Worker.Reap(done, m)
}

func (w *silentWorker) Close() error {
	if w.timer != nil {
		w.timer.Stop()
	}
	return w.Worker.Close()
}

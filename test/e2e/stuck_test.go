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

// silentEngine keeps what its first worker is given for a while.
type silentEngine struct {
	engine.Engine
	workers atomic.Int32
}

func (e *silentEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	if err != nil || e.workers.Add(1) > 1 {
		return w, err
	}
	return &silentWorker{Worker: w, wake: c.Wake}, nil
}

type silentWorker struct {
	engine.Worker
	wake  func()
	until time.Time
	timer *time.Timer
}

func (w *silentWorker) Submit(reqs []*engine.Request) int {
	if w.until.IsZero() && len(reqs) > 0 {
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

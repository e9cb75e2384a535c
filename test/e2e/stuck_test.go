// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/internal/vm"
)

// TestStuckDevice: a device that keeps requests longer than the guest driver
// waits. The driver resets it before it lets go of their memory, its callers
// get EIO, and with restart=1 the device serves again.
func TestStuckDevice(t *testing.T) {
	w := generic(t)
	e := newSilentEngine()
	socket := serveEngine(t, w, e)
	// The kernel's own tests of what is registered would be the first to wait.
	c := withDriver(t, "timeout=3 restart=1 priority=0")
	c.QEMU = w.qemu.Path
	c.CPUs = 2
	c.Devices = attach(t, w, socket)
	c.Files = append(c.Files, driverTest(t, "stuck"))
	v := boot(t, c)
	e.untilGivenUp(t, v)
	run(t, v, "/tests/stuck")
	run(t, v, "vcrypto", "test", "--procs", "4")
	cleanLog(t, v)
}

// silence is how long requests of a device's first life are kept at most: the
// driver, which waits for seconds, has given up by then, also in a guest that got
// no CPU for a while; and its reset, which waits as long, is no lockup yet.
const silence = 15 * time.Second

// TestStuckUnderKernel: the same for requests of the kernel's users. Each ends,
// and what comes while the device is down waits for it.
func TestStuckUnderKernel(t *testing.T) {
	if !testLong {
		t.Skip("takes long, make test-all runs it: TestStuckDevice shows the reset, by callers of the node")
	}
	w := generic(t)
	e := newSilentEngine()
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
	e.untilGivenUp(t, v)
	if out, err := try(t, v, "/tests/kernel", "silent"); err != nil {
		t.Errorf("/tests/kernel: %v\n%s", err, out)
	}
	cleanLog(t, v)
}

// silentEngine keeps what its first worker is given, from when on it does not
// talk, until the guest's driver has given up.
type silentEngine struct {
	engine.Engine
	workers atomic.Int32
	talks   atomic.Bool
	givenUp context.Context
	giveUp  context.CancelFunc
}

func newSilentEngine() *silentEngine {
	e := &silentEngine{Engine: gocrypto.New()}
	e.givenUp, e.giveUp = context.WithCancel(context.Background())
	return e
}

// untilGivenUp has the silence end soon after the driver says that it waits no
// more: its reset is under way by then, and waits for the queue.
func (e *silentEngine) untilGivenUp(t *testing.T, v *vm.VM) {
	go func() {
		if _, err := v.WaitLog(t.Context(), regexp.MustCompile("no answer on")); err == nil {
			time.Sleep(time.Second)
			e.giveUp()
		}
	}()
}

func (e *silentEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	if err != nil || e.workers.Add(1) > 1 {
		return w, err
	}
	return &silentWorker{Worker: w, wake: c.Wake, e: e}, nil
}

type silentWorker struct {
	engine.Worker
	e      *silentEngine
	wake   func()
	silent context.Context // until it is done; nil before the first request
	end    context.CancelFunc
	woken  chan struct{}
}

func (w *silentWorker) Submit(reqs []*engine.Request) int {
	if w.silent == nil && len(reqs) > 0 && !w.e.talks.Load() {
		w.silent, w.end = context.WithTimeout(w.e.givenUp, silence)
		w.woken = make(chan struct{})
		go func() {
			defer close(w.woken)
			<-w.silent.Done()
			w.wake()
		}()
	}
	return w.Worker.Submit(reqs)
}

func (w *silentWorker) Reap(done []*engine.Request, m engine.ReapMode) int {
	if w.silent != nil && w.silent.Err() == nil {
		if m != engine.Wait {
			return 0
		}
		<-w.silent.Done()
	}
	return w.Worker.Reap(done, m)
}

func (w *silentWorker) Close() error {
	if w.silent != nil {
		w.end()
		<-w.woken
	}
	return w.Worker.Close()
}

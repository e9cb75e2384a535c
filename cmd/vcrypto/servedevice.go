// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
	"vcrypto/internal/config"
	"vcrypto/internal/supervisor"
	"vcrypto/virtiocrypto"
)

// parse sets what flags say in words.
func (o *serveOptions) parse() error {
	for _, size := range []struct {
		flag, text string
		value      *int
	}{
		{"--max-size", o.maxSize, &o.device.MaxSize},
		{"--rate-bytes", o.rateBytes, &o.device.Rates.Bytes},
		{"--burst-bytes", o.burstBytes, &o.device.Rates.ByteBurst},
	} {
		n, err := config.ParseSize(size.text)
		if err != nil {
			return fmt.Errorf("%s: %w", size.flag, err)
		}
		*size.value = int(n)
	}
	if o.services == nil && o.algorithms == nil {
		return nil
	}
	var kinds []engine.Kind
	for _, name := range o.services {
		k, err := engine.ParseKind(name)
		if err != nil {
			return fmt.Errorf("--services: %w", err)
		}
		kinds = append(kinds, k)
	}
	all := engine.Algorithms()
	if o.algorithms != nil {
		all = nil
		for _, name := range o.algorithms {
			a, err := engine.ParseAlgorithm(name)
			if err != nil {
				return fmt.Errorf("--algorithms: %w", err)
			}
			all = append(all, a)
		}
	}
	o.device.Allowed = make([]engine.Algorithm, 0, len(all))
	for _, a := range all {
		if o.services == nil || slices.Contains(kinds, a.Kind()) {
			o.device.Allowed = append(o.device.Allowed, a)
		}
	}
	return nil
}

// openEngine opens the engines that --engine and --engine-for name.
func openEngine(o serveOptions) (engine.Engine, error) {
	by := make(map[engine.Algorithm]string)
	for name, e := range o.engineFor {
		a, err := engine.ParseAlgorithm(name)
		if err != nil {
			return nil, fmt.Errorf("--engine-for: %w", err)
		}
		by[a] = e
	}
	return engine.OpenMix(o.engineName, by, o.engine)
}

// drainLook is how often a drained device is looked at.
const drainLook = 500 * time.Millisecond

// drain is whether the guest is asked to begin nothing new. It outlives a
// connection and its device.
type drain struct {
	log *slog.Logger

	mu     sync.Mutex
	on     bool
	told   bool                 // that the device is idle
	served *virtiocrypto.Device // the newest
}

func newDrain(on bool, log *slog.Logger) *drain { return &drain{on: on, log: log} }

// device makes a new device the one that is drained.
func (d *drain) device(served *virtiocrypto.Device) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.served = served
	served.SetReady(!d.on) // nobody to tell yet
}

func (d *drain) set(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.on == on {
		return
	}
	d.on, d.told = on, false
	d.log.Info("HW_READY changes", "ready", !on)
	if d.served == nil {
		return
	}
	if err := d.served.SetReady(!on); err != nil {
		d.log.Warn("the guest could not be told, and learns it when it looks", "err", err)
	}
}

// look logs, once, that a drained device has no session left.
func (d *drain) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.on || d.told || d.served == nil || d.served.OpenSessions() > 0 {
		return
	}
	d.told = true
	d.log.Info("drained: no session is open")
}

// commands takes signals, and with a supervisor its commands: the context
// returned ends when the supervisor does.
func (d *drain) commands(ctx context.Context, supervised bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1, unix.SIGUSR2)
	if supervised {
		// Who reads the log is the supervisor: when it is gone, there is still
		// an end to come to.
		signal.Ignore(unix.SIGPIPE)
		go func() {
			defer cancel()
			for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
				switch lines.Text() {
				case supervisor.Drain:
					d.set(true)
				case supervisor.Undrain:
					d.set(false)
				}
			}
		}()
	}
	go func() {
		defer signal.Stop(signals)
		look := time.NewTicker(drainLook)
		defer look.Stop()
		for {
			select {
			case s := <-signals:
				d.set(s == unix.SIGUSR1)
			case <-look.C:
				d.look()
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, cancel
}

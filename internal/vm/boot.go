// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"

	"vcrypto/internal/vm/proto"
)

const (
	// socketPoll is how often Start looks for a socket that QEMU is to make.
	socketPoll = 5 * time.Millisecond
	// outputDelay bounds how long after QEMU's end its output is awaited.
	outputDelay = 10 * time.Second
	// maxSocketPath is what fits into a sockaddr_un, without its final zero.
	maxSocketPath = 107
)

// patience bounds calls that wait for QEMU or for a guest to boot or to end, where
// the caller's context has no deadline: so long no guest takes, however busy the
// machine. Commands in the guest have no such bound.
var patience = 10 * time.Minute

// limited returns ctx with a deadline.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, patience)
}

// Start boots a guest and returns when it takes commands. ctx bounds the boot
// only, which fails after ten minutes in any case; the guest runs until
// [VM.Close]. It is an error if a module, a share or the network could not be
// set up.
func Start(ctx context.Context, c Config) (_ *VM, err error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	defer func() {
		for _, n := range c.NICs {
			if n.Link != nil {
				n.Link.Close()
			}
		}
	}()
	c, err = c.complete()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	if err := writeInitramfs(c, filepath.Join(dir, initramfsName)); err != nil {
		return nil, err
	}

	accels, err := accelerators()
	if err != nil {
		return nil, err
	}
	v, err := bootWith(ctx, c, dir, accels)
	if err != nil && len(accels) > 1 && ctx.Err() == nil && !errors.Is(err, errSetup) {
		// Where KVM is only half there QEMU does not fall back by itself.
		if v, err = bootWith(ctx, c, dir, accels[1:]); err == nil {
			rememberBrokenKVM()
		}
	}
	if err != nil {
		return nil, err
	}
	// QEMU has it in memory, for later resets too.
	os.Remove(filepath.Join(dir, initramfsName))
	return v, nil
}

// errSetup is a guest that booted, but could not be set up as asked.
var errSetup = errors.New("the guest could not be set up")

// bootWith starts QEMU with these accelerators and waits for the guest.
func bootWith(ctx context.Context, c Config, dir string, accels []string) (*VM, error) {
	v, err := launch(ctx, c, dir, accels)
	if err != nil {
		return nil, err
	}
	if len(accels) > 1 {
		v.wg.Go(v.watchFirstLine)
	}
	if err := v.waitReady(ctx); err != nil {
		v.closed.Store(true)
		v.kill()
		return nil, fmt.Errorf("booting a guest: %w", err)
	}
	return v, nil
}

// tempDir makes a folder for one VM, in which socket paths are short enough.
func tempDir() (string, error) {
	base := os.TempDir()
	if len(base)+len("/vcrypto-vm-0123456789/")+len(monitorSocket) > maxSocketPath {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "vcrypto-vm-")
	if err != nil {
		return "", fmt.Errorf("making a folder for the guest: %w", err)
	}
	return dir, nil
}

func writeInitramfs(c Config, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := buildInitramfs(c, f); err != nil {
		return err
	}
	return f.Close()
}

// launch starts QEMU and returns when its machine is there.
func launch(ctx context.Context, c Config, dir string, accels []string) (*VM, error) {
	args, inherit := qemuArgs(c, dir, accels)
	v := &VM{
		cfg: c, dir: dir,
		log:    newLogBuffer(c.LogWriter),
		stderr: newLogBuffer(nil),
		done:   make(chan struct{}),
	}
	for _, name := range []string{agentSocket, monitorSocket} {
		os.Remove(filepath.Join(dir, name))
	}
	v.cmd = exec.Command(c.QEMU, args...)
	v.cmd.ExtraFiles = inherit
	v.cmd.Stdout = v.log
	v.cmd.Stderr = v.stderr
	// What a wrapper leaves behind may hold its output open.
	v.cmd.WaitDelay = outputDelay
	// A process group of its own, so that a terminal's Ctrl-C does not reach
	// QEMU; and no QEMU outlives us.
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := v.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting QEMU: %w (make setup installs it)", err)
	}
	v.wg.Go(func() {
		v.cmd.Wait()
		v.log.end()
		v.stderr.end()
		close(v.done)
	})
	v.wg.Go(v.watchPanic)

	conn, err := v.dial(ctx, monitorSocket)
	if err == nil {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		if v.mon, err = newMonitor(conn); err == nil && !stop() {
			err = context.Cause(ctx)
		}
		stop()
		if err != nil {
			conn.Close()
		}
	}
	if err == nil {
		if _, err = v.mon.do(ctx, "qmp_capabilities", nil); err == nil {
			v.wg.Go(v.watchInternalError)
		}
	}
	if err != nil {
		err = v.failed(ctx, fmt.Errorf("starting QEMU: %w", err))
		v.closed.Store(true)
		v.kill()
		return nil, err
	}
	return v, nil
}

// dial connects to a socket that QEMU makes.
func (v *VM) dial(ctx context.Context, name string) (net.Conn, error) {
	for {
		conn, err := net.Dial("unix", filepath.Join(v.dir, name))
		if err == nil {
			return conn, nil
		}
		select {
		case <-v.done:
			return nil, errors.New("it ended")
		case <-ctx.Done():
			return nil, fmt.Errorf("connecting to its %s socket: %w", name, context.Cause(ctx))
		case <-time.After(socketPoll):
		}
	}
}

// waitReady connects to the agent and returns when the guest has booted.
func (v *VM) waitReady(ctx context.Context) error {
	conn, err := v.dial(ctx, agentSocket)
	if err != nil {
		return v.failed(ctx, err)
	}
	session, err := yamux.Client(conn, proto.Config())
	if err != nil {
		conn.Close()
		return err
	}
	v.mu.Lock()
	v.session = session
	v.mu.Unlock()
	var ev proto.Event
	if err := v.ask(ctx, proto.Request{Op: proto.OpPing}, &ev); err != nil {
		return err
	}
	if ev.Error != "" {
		return fmt.Errorf("%w:\n%s\nlast lines of its log:\n%s", errSetup, ev.Error, v.log.tail())
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/yamux"
)

// VM is a running guest. Its methods may be used by several goroutines at once.
type VM struct {
	cfg    Config
	dir    string // sockets and initramfs; removed by Close
	cmd    *exec.Cmd
	log    *logBuffer // the guest's console
	stderr *logBuffer // what QEMU says
	mon    *monitor

	done chan struct{} // closed when QEMU has ended
	wg   sync.WaitGroup

	lastID atomic.Uint64
	closed atomic.Bool

	mu        sync.Mutex
	session   *yamux.Session // nil while the guest is being reset
	resetting bool
	resets    int
}

// Log returns the guest's console, which is its kernel's log, as far as it is
// kept (the last 4 MiB at least).
func (v *VM) Log() string { return v.log.String() }

// WaitLog returns the first line of the log that matches, past ones included.
func (v *VM) WaitLog(ctx context.Context, re *regexp.Regexp) (string, error) {
	line, err := v.log.wait(ctx, re)
	if err != nil {
		return "", fmt.Errorf("%w; its last lines:\n%s", err, v.log.tail())
	}
	return line, nil
}

// Done returns a channel that is closed when QEMU has ended.
func (v *VM) Done() <-chan struct{} { return v.done }

// Pid returns the process id of QEMU.
func (v *VM) Pid() int { return v.cmd.Process.Pid }

// QEMU returns the path of the emulator that runs the guest.
func (v *VM) QEMU() string { return v.cfg.QEMU }

// Kernel returns the kernel that the guest runs.
func (v *VM) Kernel() Kernel { return v.cfg.Kernel }

// Close kills QEMU, fails the calls that wait for the guest, and removes the
// VM's temporary files. It may be called more than once.
func (v *VM) Close() error {
	if v.closed.Swap(true) {
		<-v.done
		return nil
	}
	v.kill()
	return os.RemoveAll(v.dir)
}

// kill ends QEMU and everything of ours that belongs to it.
func (v *VM) kill() {
	v.cmd.Process.Kill()
	v.wg.Wait()
	v.mu.Lock()
	session := v.session
	v.session = nil
	v.mu.Unlock()
	if session != nil {
		session.Close()
	}
	if v.mon != nil {
		v.mon.conn.Close()
	}
}

// life returns how often the guest was reset.
func (v *VM) life() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.resets
}

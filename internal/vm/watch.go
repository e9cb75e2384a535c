// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

const (
	// panicGrace is how long a guest that panicked may go on writing its log.
	panicGrace = 3 * time.Second
	// exitGrace is how long after the loss of the agent QEMU's end is awaited,
	// to tell why. It has ended, or is about to: a machine may be busy.
	exitGrace = time.Minute
	// firstLineGrace is how long a kernel may take to its first line with KVM.
	firstLineGrace = 8 * time.Second
)

// watchFirstLine ends a QEMU of which nothing is heard: with a KVM that does
// not work a guest may hang before its kernel's first line.
func (v *VM) watchFirstLine() {
	ctx, cancel := context.WithTimeout(context.Background(), firstLineGrace)
	defer cancel()
	if _, err := v.log.wait(ctx, firstLine); err != nil {
		v.cmd.Process.Kill()
	}
}

// watchInternalError ends a QEMU whose accelerator failed: it would keep a
// stopped guest for a debugger.
func (v *VM) watchInternalError() {
	for since := EventMark(0); ; since = v.mon.mark() {
		if _, err := v.mon.wait(context.Background(), since, func(e Event) bool { return e.Name == "STOP" }); err != nil {
			return // QEMU ended
		}
		status, err := v.mon.do(context.Background(), "query-status", nil)
		if err == nil && bytes.Contains(status, []byte(`"internal-error"`)) {
			fmt.Fprintln(v.stderr, "the accelerator failed (internal-error)")
			v.cmd.Process.Kill()
			return
		}
	}
}

// firstLine is how every kernel's log begins.
var firstLine = regexp.MustCompile(`Linux version `)

var panicPattern = regexp.MustCompile(`Kernel panic - not syncing.*|---\[ end Kernel panic.*|Attempted to kill init.*`)

// watchPanic ends a QEMU whose guest panicked but does not end by itself.
func (v *VM) watchPanic() {
	if _, err := v.log.wait(context.Background(), panicPattern); err != nil {
		return // the log ended
	}
	select {
	case <-v.done:
	case <-time.After(panicGrace):
		v.cmd.Process.Kill()
	}
}

// failed adds to an error of a call what the VM has to say: the end of its log if
// the time was up, why it ended if it did. A caller that gave up knows enough.
func (v *VM) failed(ctx context.Context, err error) error {
	switch ctx.Err() {
	case nil:
		return v.explain(err)
	case context.DeadlineExceeded:
		return fmt.Errorf("%w; last lines of the guest's log:\n%s", err, v.log.tail())
	}
	return err
}

// explain adds to an error why the VM ended, if it did or is just ending.
func (v *VM) explain(err error) error {
	if v.closed.Load() {
		return fmt.Errorf("%w: the VM was closed", err)
	}
	v.mu.Lock()
	resetting := v.resetting
	v.mu.Unlock()
	if resetting {
		return fmt.Errorf("%w: the guest was reset", err)
	}
	select {
	case <-v.done:
	case <-time.After(exitGrace):
		return err
	}
	if v.closed.Load() {
		return fmt.Errorf("%w: the VM was closed", err)
	}
	text := fmt.Sprintf("QEMU ended (%v)", v.cmd.ProcessState)
	if s := strings.TrimSpace(v.stderr.tail()); s != "" {
		text += ", it said:\n" + s
	}
	log := v.log.String()
	if p := panicPattern.FindString(log); p != "" {
		text = "the guest's kernel panicked (" + p + "): " + text
	}
	if log != "" {
		text += "\nlast lines of the guest's log:\n" + v.log.tail()
	}
	return fmt.Errorf("%w: %s", err, text)
}

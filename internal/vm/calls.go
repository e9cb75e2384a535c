// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/yamux"

	"vcrypto/internal/vm/proto"
)

const (
	// unplugAgain is how often a guest is asked again to let go of a device. One
	// that is not through with the device's arrival may miss the first time;
	// QEMU refuses to ask more often than each 1 s (pc) or 5 s (q35).
	unplugAgain = 2 * time.Second
	// deviceNotFound is the class of QEMU's error about a device that is not there.
	deviceNotFound = "DeviceNotFound"
)

// ask makes a request that has one answer.
func (v *VM) ask(ctx context.Context, req proto.Request, answer *proto.Event) error {
	s, err := v.open(ctx, req)
	if err != nil {
		return v.failed(ctx, err)
	}
	defer func() { go s.Close() }() // it may have to wait for a guest that is stopped
	defer context.AfterFunc(ctx, func() { s.SetDeadline(time.Unix(1, 0)) })()
	if err := proto.Receive(s, answer); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return v.failed(ctx, fmt.Errorf("waiting for the guest's agent: %w", err))
	}
	return nil
}

// open opens a stream to the agent with a request.
func (v *VM) open(ctx context.Context, req proto.Request) (*yamux.Stream, error) {
	v.mu.Lock()
	session := v.session
	v.mu.Unlock()
	if session == nil {
		return nil, errors.New("the guest is not running")
	}
	type result struct {
		s   *yamux.Stream
		err error
	}
	opened := make(chan result, 1)
	go func() {
		s, err := session.OpenStream()
		if err == nil {
			if err = proto.Send(s, req); err != nil {
				s.Close()
			}
		}
		opened <- result{s, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, fmt.Errorf("the guest's agent: %w", r.err)
		}
		return r.s, nil
	case <-ctx.Done():
		// What has not gone out by now ends with the session at the latest.
		go func() {
			if r := <-opened; r.err == nil {
				r.s.Close()
			}
		}()
		return nil, fmt.Errorf("calling the guest's agent: %w", context.Cause(ctx))
	}
}

// QMP runs a command of QEMU's monitor, such as device_add. args is what JSON
// makes an object of, or nil. An error that QEMU answered is a [*QMPError].
func (v *VM) QMP(ctx context.Context, execute string, args any) (json.RawMessage, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	out, err := v.mon.do(ctx, execute, args)
	var refused *QMPError
	if err != nil && !errors.As(err, &refused) {
		err = v.failed(ctx, err)
	}
	return out, err
}

// Monitor runs a command line of QEMU's human monitor, such as "info pci", and
// returns what it prints (also its complaints: QEMU does not tell them apart).
func (v *VM) Monitor(ctx context.Context, line string) (string, error) {
	out, err := v.QMP(ctx, "human-monitor-command", map[string]string{"command-line": line})
	if err != nil {
		return "", err
	}
	var text string
	if err := json.Unmarshal(out, &text); err != nil {
		return "", fmt.Errorf("QEMU command %q: decoding its output: %w", line, err)
	}
	return strings.ReplaceAll(text, "\r", ""), nil
}

// EventMark returns the present moment, for [VM.WaitEvent]: taken before a
// command, it has WaitEvent see what the command causes and nothing older.
func (v *VM) EventMark() EventMark { return v.mon.mark() }

// WaitEvent returns the first event of QEMU since a mark that match accepts. The
// mark 0 is the start of the machine.
func (v *VM) WaitEvent(ctx context.Context, since EventMark, match func(Event) bool) (Event, error) {
	e, err := v.mon.wait(ctx, since, match)
	if err != nil {
		err = v.failed(ctx, err)
	}
	return e, err
}

// Unplug removes a device by its QEMU id and returns when the guest has let go of
// it. A guest that does not is asked again.
func (v *VM) Unplug(ctx context.Context, id string) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	since := v.EventMark()
	for asked := 0; ; asked++ {
		_, err := v.QMP(ctx, "device_del", map[string]string{"id": id})
		var refused *QMPError
		if err != nil && (asked == 0 || !errors.As(err, &refused)) {
			return err
		}
		if refused != nil && refused.Class == deviceNotFound {
			return nil // gone between two questions
		}
		wait, stop := context.WithTimeout(ctx, unplugAgain)
		_, err = v.mon.wait(wait, since, func(e Event) bool {
			var gone struct {
				Device string `json:"device"`
			}
			return e.Name == "DEVICE_DELETED" && json.Unmarshal(e.Data, &gone) == nil && gone.Device == id
		})
		again := wait.Err() != nil && ctx.Err() == nil
		stop()
		if err == nil {
			return nil
		}
		if !again {
			return v.failed(ctx, fmt.Errorf("unplugging %s, asked %d times: %w", id, asked+1, err))
		}
	}
}

// Reset resets the machine, as its reset button would, and returns when the
// guest has booted again, or fails as [Start] does. Commands that run in it fail.
func (v *VM) Reset(ctx context.Context) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	v.mu.Lock()
	old := v.session
	v.session = nil
	v.resetting = true
	v.resets++
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.resetting = false
		v.mu.Unlock()
	}()
	if old != nil {
		old.Close()
	}
	// -no-reboot would make a reset the end of QEMU.
	onReboot := func(action string) error {
		_, err := v.QMP(ctx, "set-action", map[string]string{"reboot": action})
		return err
	}
	if err := onReboot("reset"); err != nil {
		return err
	}
	since := v.EventMark()
	if _, err := v.QMP(ctx, "system_reset", nil); err != nil {
		return err
	}
	if _, err := v.WaitEvent(ctx, since, func(e Event) bool { return e.Name == "RESET" }); err != nil {
		return err
	}
	// The firmware may reset once more, so this stays allowed until it is up.
	if err := v.waitReady(ctx); err != nil {
		return fmt.Errorf("booting the guest again: %w", err)
	}
	return onReboot("shutdown")
}

// Poweroff shuts the guest down and waits for QEMU to end.
func (v *VM) Poweroff(ctx context.Context) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	s, err := v.open(ctx, proto.Request{Op: proto.OpPoweroff})
	if err != nil {
		return v.failed(ctx, err)
	}
	defer func() { go s.Close() }()
	select {
	case <-v.done:
		return nil
	case <-ctx.Done():
		return v.failed(ctx, fmt.Errorf("waiting for the guest to power off: %w", context.Cause(ctx)))
	}
}

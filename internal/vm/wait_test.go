// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStartWithoutDeadline: a QEMU that never says anything does not hold up a
// caller whose context has no deadline.
func TestStartWithoutDeadline(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Second
	script := filepath.Join(t.TempDir(), "qemu")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho the last words\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		v, err := Start(context.Background(), Config{QEMU: script})
		if err == nil {
			v.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the last words") {
			t.Error(err)
		}
	case <-time.After(bootTimeout):
		t.Fatal("Start waits without end")
	}
}

// TestUnplugAsksAgain: a guest may miss that it is asked for a device, and QEMU
// may refuse to ask again too soon.
func TestUnplugAsksAgain(t *testing.T) {
	for name, test := range map[string]struct {
		answers []string // to device_del, one after another
		want    string   // in the error; none if empty
	}{
		"at once":      {[]string{`{"return": {}}` + deleted("other") + deleted("dev")}, ""},
		"missed":       {[]string{`{"return": {}}`, `{"return": {}}` + deleted("dev")}, ""},
		"too soon":     {[]string{`{"return": {}}`, `{"error": {"class": "GenericError", "desc": "already in the process of unplug"}}` + deleted("dev")}, ""},
		"gone between": {[]string{`{"return": {}}`, `{"error": {"class": "DeviceNotFound", "desc": "Device 'dev' not found"}}`}, ""},
		"never there":  {[]string{`{"error": {"class": "DeviceNotFound", "desc": "Device 'dev' not found"}}`}, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, qemus := net.Pipe()
			defer ours.Close()
			defer qemus.Close()
			go speakQMP(qemus, test.answers)
			mon, err := newMonitor(ours)
			if err != nil {
				t.Fatal(err)
			}
			v := &VM{mon: mon, log: newLogBuffer(nil)}
			err = v.Unplug(bounded(t), "dev")
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// deleted is QEMU's event about a device that is gone.
func deleted(id string) string {
	return fmt.Sprintf(`{"event": "DEVICE_DELETED", "data": {"device": %q}}`, id)
}

// speakQMP greets and answers commands, one after another, with what it is given.
func speakQMP(conn net.Conn, answers []string) {
	fmt.Fprintln(conn, `{"QMP": {}}`)
	for d := json.NewDecoder(conn); len(answers) > 0; answers = answers[1:] {
		var command struct{ ID uint64 }
		if d.Decode(&command) != nil {
			return
		}
		answer := strings.Replace(answers[0], "{", fmt.Sprintf(`{"id": %d, `, command.ID), 1)
		fmt.Fprintln(conn, answer)
	}
}

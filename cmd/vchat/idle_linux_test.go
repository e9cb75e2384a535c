// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// userHz is the unit of times in /proc/PID/stat: the same on all of Linux's
// architectures that Go has.
const userHz = 100

// processorTime returns what the process has used since it started.
func (p *process) processorTime() time.Duration {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	// Fields 14 and 15, see proc_pid_stat(5); 3 is the first behind the name.
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		p.t.Fatalf("%q has no processor time", stat)
	}
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		p.t.Fatalf("%q: %v", stat, err)
	}
	return time.Duration(user+system) * time.Second / userHz
}

// TestIdle: two ends with nothing to say use no processor time. What is left of
// their start may take some, and long on a slow machine: it ends, and they are
// idle then. Ends that spin never are.
func TestIdle(t *testing.T) {
	key := keyFile(t, testKey)
	l, addr := listen(t, held(t, ""), "--psk-file", key)
	c := start(t, held(t, "hello"), "connect", addr, "--psk-file", key)
	l.shows("hello")
	const (
		silence = 2 * time.Second
		most    = silence / 20
		times   = 30
	)
	used := func() time.Duration { return l.processorTime() + c.processorTime() }
	for i := 0; ; i++ {
		before := used()
		time.Sleep(silence)
		took := used() - before
		if took <= most {
			break
		}
		if i == times {
			t.Errorf("%v of processor time in %v of silence, again and again", took, silence)
			break
		}
	}
	c.signal(syscall.SIGTERM)
	c.exits(exitOK)
	l.signal(syscall.SIGTERM)
	l.exits(exitOK)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// startTerminal runs vchat on a terminal of its own. What is written to the
// returned file is typed; what the screen gets is the process's stdout.
func startTerminal(t *testing.T, args ...string) (*process, *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	p := &process{t: t, cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = tty, tty, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(&p.stdout, keyboard)
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
	})
	return p, keyboard
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
)

// TestTerminals: two people, one end on a terminal each.
func TestTerminals(t *testing.T) {
	key := keyFile(t, testKey)
	ann, annTypes := startTerminal(t, "listen", "--lines", "127.0.0.1:0", "--psk-file", key, "--nick", "ann")
	ann.says("listening on")
	addr := listeningOn.FindStringSubmatch(ann.stderr.String())[1]
	bob, bobTypes := startTerminal(t, "connect", "--lines", addr, "--psk-file", key, "--nick", "b\x1b[31mo\u202eb")
	ann.says("is b[31mob")

	bobTypes.WriteString("hello, ann\n")
	ann.shows("b[31mob> hello, ann\r\n")
	annTypes.WriteString("hello, bob\n")
	bob.shows("ann> hello, bob\r\n")

	bobTypes.WriteString(ctrlD)
	bob.exits(exitOK) // ann's end pauses, and ends, too
	ann.says("left")

	// Who comes next may be hostile: nothing it sends moves the cursor.
	eve := start(t, strings.NewReader("\x1b[2J\x1b]0;pwned\x07\rann> forged\xff\n"), "connect", addr, "--psk-file", key, "--nick", "eve")
	eve.exits(exitOK)
	ann.shows(`eve> \x1b[2J\x1b]0;pwned\a\rann> forged\xff`)
	if strings.Contains(ann.stdout.String(), "\x1b") {
		t.Errorf("an escape came through: %q", ann.stdout.String())
	}

	annTypes.WriteString("anybody?\n")
	ann.says("nobody is connected")
	annTypes.WriteString(ctrlC)
	ann.exits(exitOK)
}

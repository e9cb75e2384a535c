// SPDX-License-Identifier: Apache-2.0

// Package tmux runs a program in a real terminal, types into it and reads its
// screen, as a person would. It is for tests, and for the picture in the
// README.
package tmux

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Patience ends a wait for what does not come. Nothing is expected to take
// long.
const Patience = 3 * time.Minute

// Terminal is a terminal, of a tmux server of its own.
type Terminal struct {
	dir string
}

// settings of the server: nothing of the user's, no line of its own.
const settings = `set -g default-terminal screen-256color
set -g escape-time 0
set -g status off
`

// environment is what tmux, and what runs in it, has of ours.
func environment() []string {
	return []string{
		"LC_ALL=C.UTF-8", "TERM=xterm-256color", "SHELL=/bin/sh", "TZ=UTC",
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
	}
}

// New runs a shell's command in a terminal of that size. What env says
// (NAME=VALUE) is added to its environment. Close ends it.
func New(columns, rows int, command string, env ...string) (*Terminal, error) {
	if _, err := exec.LookPath("tmux"); err != nil {
		return nil, fmt.Errorf("%w: install it, or run scripts/setup tests", err)
	}
	dir, err := os.MkdirTemp("", "tmux") // a socket's path must be short
	if err != nil {
		return nil, err
	}
	t := &Terminal{dir}
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte(settings), 0o600); err != nil {
		return nil, err
	}
	args := []string{"-f", conf, "new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows)}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	if _, err := t.Run(append(args, command)...); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close ends the terminal, and what runs in it.
func (t *Terminal) Close() {
	t.Run("kill-server") // it may have gone by itself
	os.RemoveAll(t.dir)
}

// Run runs a command of tmux, and returns what that prints.
func (t *Terminal) Run(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-u", "-S", filepath.Join(t.dir, "socket")}, args...)...)
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %q: %w: %s", args, err, out)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// Type types text.
func (t *Terminal) Type(text string) error {
	_, err := t.Run("send-keys", "-l", text)
	return err
}

// Press presses keys, by tmux's names.
func (t *Terminal) Press(keys ...string) error {
	_, err := t.Run(append([]string{"send-keys"}, keys...)...)
	return err
}

// Screen returns what is on the screen, row by row.
func (t *Terminal) Screen() ([]string, error) {
	out, err := t.Run("capture-pane", "-p")
	return strings.Split(out, "\n"), err
}

// Await waits until the screen is as it should be, and returns it. What is
// said of it is for the error, which shows the screen.
func (t *Terminal) Await(what string, ok func(rows []string) bool) ([]string, error) {
	for deadline := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		rows, err := t.Screen()
		if err != nil {
			return nil, err
		}
		if ok(rows) {
			return rows, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s does not come:\n%s", what, strings.Join(rows, "\n"))
		}
	}
}

// Row returns the first row with text in it, or -1.
func Row(rows []string, text string) int {
	for i, r := range rows {
		if strings.Contains(r, text) {
			return i
		}
	}
	return -1
}

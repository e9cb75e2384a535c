// SPDX-License-Identifier: Apache-2.0

// Command screenshot draws the picture of the chat that the README shows: it
// runs the interface in a real terminal (tmux), types into it, and renders what
// is on the screen as an SVG. `make screenshot` calls it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	columns = 96
	rows    = 26
	// patience ends a hang.
	patience = 2 * time.Minute
)

func main() {
	out := flag.String("o", "docs/img/vchat.svg", "the file to write")
	play := flag.Bool("play", false, "show the scene in this terminal")
	flag.Parse()
	err := error(nil)
	if *play {
		err = playScene(context.Background())
	} else {
		err = shoot(*out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

// shoot plays the scene in a terminal and draws it.
func shoot(out string) error {
	dir, err := os.MkdirTemp("", "shot") // a socket's path must be short
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t := tmux(filepath.Join(dir, "tmux"))
	if _, err := t.run("-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows),
		fmt.Sprintf("TERM=xterm-256color '%s' -play", self)); err != nil {
		return err
	}
	defer t.run("kill-server")
	if err := t.await(lastShown); err != nil {
		return err
	}
	for _, keys := range sceneKeys {
		if _, err := t.run(append([]string{"send-keys"}, keys...)...); err != nil {
			return err
		}
	}
	if err := t.await(lastTyped); err != nil {
		return err
	}
	screen, err := t.run("capture-pane", "-p", "-e")
	if err != nil {
		return err
	}
	at, err := t.run("display-message", "-p", "#{cursor_x} #{cursor_y}")
	if err != nil {
		return err
	}
	var x, y int
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		return fmt.Errorf("where the cursor is: %q: %w", at, err)
	}
	return os.WriteFile(out, toSVG(screen, "vchat", columns, rows, x, y), 0o644)
}

// tmux is a server's socket.
type tmux string

func (t tmux) run(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-u", "-S", string(t)}, args...)...)
	cmd.Env = []string{"LC_ALL=C.UTF-8", "TERM=xterm-256color", "SHELL=/bin/sh", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s (scripts/setup terminal installs it)", args, err, out)
	}
	return string(out), nil
}

// await waits until text is on the screen.
func (t tmux) await(text string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		screen, err := t.run("capture-pane", "-p")
		if err != nil {
			return err
		}
		if strings.Contains(screen, text) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no %q on the screen:\n%s", text, screen)
		}
	}
}

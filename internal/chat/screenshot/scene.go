// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"vcrypto/internal/chat/tmux"
)

// The picture's size, in characters.
const (
	columns = 100
	rows    = 23
)

// scene is a hub and who is on it.
type scene struct {
	vchat, dir string
	stop       context.CancelFunc
	ctx        context.Context
	hub        string               // its address
	ann        *tmux.Terminal       // whose screen is drawn
	others     map[string]io.Writer // what they type
}

var underWay = regexp.MustCompile(` [3-9]\d%  `)

var listening = regexp.MustCompile(`listening on (\S+)`)

// newScene starts the hub, and ann at her terminal.
func newScene(ctx context.Context, vchat string) (*scene, error) {
	vchat, err := filepath.Abs(vchat)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "screenshot")
	if err != nil {
		return nil, err
	}
	s := &scene{vchat: vchat, dir: dir, others: map[string]io.Writer{}}
	s.ctx, s.stop = context.WithCancel(ctx)
	if err := s.begin(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scene) begin() error {
	if out, err := exec.CommandContext(s.ctx, s.vchat, "keygen", s.key()).CombinedOutput(); err != nil {
		return fmt.Errorf("make a key: %w: %s", err, out)
	}
	hub := exec.CommandContext(s.ctx, s.vchat, "hub", "127.0.0.1:0")
	messages, err := hub.StderrPipe()
	if err != nil {
		return err
	}
	if err := hub.Start(); err != nil {
		return fmt.Errorf("start the hub (make build makes it): %w", err)
	}
	for in := bufio.NewScanner(messages); in.Scan(); {
		if m := listening.FindStringSubmatch(in.Text()); m != nil {
			s.hub = m[1]
			break
		}
	}
	if s.hub == "" {
		return fmt.Errorf("the hub does not listen")
	}
	go io.Copy(io.Discard, messages)
	command := fmt.Sprintf("cd '%s' && exec '%s' join --psk-file '%s' --crypto gocrypto --nick ann %s '#lab' 2>messages", s.dir, s.vchat, s.key(), s.hub)
	s.ann, err = tmux.New(columns, rows, command)
	if err != nil {
		return err
	}
	return s.shown("you are in #lab")
}

func (s *scene) key() string { return filepath.Join(s.dir, "key") }

func (s *scene) close() {
	if s.ann != nil {
		s.ann.Close()
	}
	s.stop()
	os.RemoveAll(s.dir)
}

// join has somebody come to a room, who types lines into a pipe, and waits
// until ann sees what is given.
func (s *scene) join(nick, room, seen string) error {
	cmd := exec.CommandContext(s.ctx, s.vchat, "join", "--psk-file", s.key(), "--crypto", "gocrypto", "--nick", nick, "--stay", s.hub, room)
	cmd.Dir = s.dir
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	s.others[nick] = in
	if err := cmd.Start(); err != nil {
		return err
	}
	return s.shown(seen)
}

// say has somebody type a line, and waits until ann sees it, or of it what is
// given beside.
func (s *scene) say(nick, line, seen string) error {
	if _, err := fmt.Fprintln(s.others[nick], line); err != nil {
		return err
	}
	return s.shown(seen)
}

// shown waits until text is on the screen.
func (s *scene) shown(text string) error {
	_, err := s.ann.Await(fmt.Sprintf("%q", text), func(rows []string) bool { return tmux.Row(rows, text) >= 0 })
	return err
}

// types has ann type, and waits until the screen has what is given.
func (s *scene) types(seen string, keys ...[]string) error {
	for _, k := range keys {
		if err := s.ann.Press(k...); err != nil {
			return err
		}
	}
	return s.shown(seen)
}

// text is keys for what is to be typed as it stands.
func text(s string) []string { return []string{"-l", s} }

var enter = []string{"Enter"}

// play has them all talk.
func (s *scene) play() error {
	// The larger is still on its way when the picture is taken.
	for name, size := range map[string]int64{"build.log": 2200 << 10, "traces.img": 24 << 20} {
		path := filepath.Join(s.dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
			return err
		}
	}
	for _, step := range []func() error{
		func() error { return s.join("otto", "#lab", "otto has come") },
		func() error { return s.join("maja", "#lab", "maja has come") },
		func() error { return s.types("sets the topic", text("/topic AES for the guests"), enter) },
		func() error { return s.say("otto", "morning! vm1 is up", "vm1 is up") },
		func() error { return s.say("maja", "ann: which driver does yours say?", "which driver") },
		func() error {
			return s.types("│ the one", text("the one in the line at the bottom: it asks the device which engine serves it"), enter)
		},
		func() error { return s.say("otto", "/me has the numbers of last night", "numbers of last night") },
		func() error { return s.join("yuki", "#lab", "yuki has come") },
		func() error {
			return s.say("yuki", "おはよう! I see 8 queues here, one for each process, and they share nothing but the device. Is that what you have, too?", "too?")
		},
		func() error {
			return s.say("maja", "yes. And \x1b[2Jthis\x1b[0m is how an escape sequence looks \u202ehere", `\x1b[0m is how`)
		},
		func() error { return s.say("otto", "😄 harmless", "harmless") },
		func() error { return s.types("you are in #kitchen", text("/join #kitchen"), enter) },
		func() error { return s.types("you are in #lab", []string{"M-2"}) },
		func() error { return s.join("lena", "#kitchen", "#kitchen") },
		func() error { return s.say("lena", "coffee is ready", "#kitchen·1") },
		func() error { return s.say("otto", "/msg ann have a look at the plot", "otto·1!") },
		func() error { return s.say("otto", "/send traces.img", "Alt-Y") },
		func() error { return s.types("% ", []string{"M-y"}) },
		func() error { return s.say("maja", "/send build.log", "Alt-Y") },
		func() error {
			return s.types("as w", text("ma"), []string{"Tab"}, text("I have a look, then I run the self-test in vm2 as w"))
		},
		func() error {
			_, err := s.ann.Await("a part of the file", func(rows []string) bool { return underWay.MatchString(strings.Join(rows, "\n")) })
			return err
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// draw draws the screen.
func (s *scene) draw() ([]byte, error) {
	screen, err := s.ann.Run("capture-pane", "-p", "-e")
	if err != nil {
		return nil, err
	}
	at, err := s.ann.Run("display-message", "-p", "#{cursor_x} #{cursor_y}")
	if err != nil {
		return nil, err
	}
	var x, y int
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		return nil, fmt.Errorf("where the cursor is: %q: %w", at, err)
	}
	return toSVG(strings.TrimSuffix(screen, "\n"), "vchat", columns, rows, x, y), nil
}

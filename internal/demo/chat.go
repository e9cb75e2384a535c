// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// chatPatience bounds one chat.
const chatPatience = 90 * time.Second

func randomKey() string { return rand.Text() + rand.Text() }

// end is one end of a chat: a running vchat, of the host or of a guest.
type end struct {
	name   string
	args   []string
	in     io.WriteCloser
	out    io.ReadCloser
	notes  *log // what it said on stderr
	wait   func() error
	said   []string
	heard  []string
	reader *bufio.Reader
}

// onHost starts vchat on the host.
func (s *stage) onHost(ctx context.Context, args ...string) (*end, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "vchat"), args...)
	e := &end{name: "host", args: args, notes: new(log)}
	cmd.Stderr = e.notes
	return e, e.start(cmd)
}

// onGuest starts vchat in a guest.
func (m *machine) onGuest(ctx context.Context, args ...string) (*end, error) {
	cmd := m.guest.Command(ctx, "vchat", args...)
	e := &end{name: m.name, args: args, notes: new(log)}
	cmd.Stderr = e.notes
	return e, e.start(cmd)
}

// process is a command of the host or of a guest.
type process interface {
	StdinPipe() (io.WriteCloser, error)
	StdoutPipe() (io.ReadCloser, error)
	Start() error
	Wait() error
}

// start joins the end with a process and starts that.
func (e *end) start(p process) (err error) {
	if e.in, err = p.StdinPipe(); err != nil {
		return err
	}
	if e.out, err = p.StdoutPipe(); err != nil {
		return err
	}
	e.wait = p.Wait
	return p.Start()
}

// say sends a line.
func (e *end) say(line string) error {
	e.said = append(e.said, line)
	_, err := fmt.Fprintln(e.in, line)
	return err
}

// hear waits for a line.
func (e *end) hear() error {
	if e.reader == nil {
		e.reader = bufio.NewReader(e.out)
	}
	line, err := e.reader.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s hears nothing: %w\n%s", e.name, err, e.notes.text())
	}
	e.heard = append(e.heard, strings.TrimSuffix(line, "\n"))
	return nil
}

func (l *log) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// converse lets two ends talk, both ways at once, and checks that each heard
// what the other said.
func converse(a, b *end, linesA, linesB []string) error {
	var talk sync.WaitGroup
	errs := make([]error, 4)
	speak := func(e *end, lines []string) (err error) {
		for _, l := range lines {
			err = errors.Join(err, e.say(l))
		}
		return err
	}
	listen := func(e *end, n int) error {
		for range n {
			if err := e.hear(); err != nil {
				return err
			}
		}
		return nil
	}
	talk.Go(func() { errs[0] = speak(a, linesA) })
	talk.Go(func() { errs[1] = speak(b, linesB) })
	talk.Go(func() { errs[2] = listen(a, len(linesB)) })
	talk.Go(func() { errs[3] = listen(b, len(linesA)) })
	talk.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, pair := range [][2]*end{{a, b}, {b, a}} {
		if said, heard := strings.Join(pair[0].said, "\n"), strings.Join(pair[1].heard, "\n"); said != heard {
			return fmt.Errorf("%s said %q, %s heard %q", pair[0].name, said, pair[1].name, heard)
		}
	}
	// End of input on both sides ends the chat on both sides.
	if err := errors.Join(a.in.Close(), b.in.Close()); err != nil {
		return err
	}
	for _, e := range []*end{a, b} {
		rest, err := io.ReadAll(e.out)
		if e.reader != nil {
			more, _ := io.ReadAll(e.reader)
			rest = append(more, rest...)
		}
		if err = errors.Join(err, e.wait()); err != nil {
			return fmt.Errorf("%s: vchat %s: %w\n%s", e.name, strings.Join(e.args, " "), err, e.notes.text())
		}
		if len(bytes.TrimSpace(rest)) > 0 {
			return fmt.Errorf("%s heard more than was said: %q", e.name, rest)
		}
	}
	return nil
}

// dialogue is what the two ends say, in turns.
type dialogue struct{ listener, caller []string }

var (
	withHost = dialogue{
		[]string{"Hello from the host. Can you read this?", "Then so can everybody on the wire."},
		[]string{"Hello from the guest. Every word.", "Unless my host encrypts it for me."},
	}
	amongGuests = dialogue{
		[]string{"Alpha here. My key schedule lives outside of me.", "Do our hosts know what we say?"},
		[]string{"Beta here. So does mine.", "They compute it. The wire does not know."},
	}
)

// chat holds a conversation between a listener and who connects to it, and
// reports it.
func chat(ctx context.Context, d dialogue, listen, connect func(context.Context) (*end, error)) (a, b *end, err error) {
	ctx, cancel := context.WithTimeout(ctx, chatPatience)
	defer cancel()
	if a, err = listen(ctx); err != nil {
		return nil, nil, err
	}
	if err := a.ready(ctx); err != nil {
		return nil, nil, err
	}
	if b, err = connect(ctx); err != nil {
		return nil, nil, err
	}
	if err := converse(a, b, d.listener, d.caller); err != nil {
		return nil, nil, err
	}
	for _, e := range []*end{a, b} {
		ok("%s$ vchat %s", e.name, strings.Join(e.args, " "))
		show(e.notes.text())
	}
	for i := range d.listener {
		fmt.Printf("      <%s> %s\n      <%s> %s\n", a.name, d.listener[i], b.name, d.caller[i])
	}
	ok("both heard what the other said, both ways at once, and ended cleanly")
	return a, b, nil
}

// ready waits until a listener says that it listens.
func (e *end) ready(ctx context.Context) error {
	for !strings.Contains(e.notes.text(), "listening") {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w\n%s", e.name, context.Cause(ctx), e.notes.text())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// freePort finds a TCP port of the host's loopback that nobody uses.
func freePort() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

const hostAddr = "10.0.2.2" // the host's loopback, as a guest sees it

func (s *stage) plainChat(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	_, _, err = chat(ctx, withHost,
		func(ctx context.Context) (*end, error) {
			return s.onHost(ctx, "listen", "--plain", "--once", "127.0.0.1:"+port)
		},
		func(ctx context.Context) (*end, error) {
			return s.a.onGuest(ctx, "connect", "--plain", hostAddr+":"+port)
		})
	if err != nil {
		return err
	}
	return s.wire("host", port, withHost, true)
}

func (s *stage) encryptedChat(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	_, b, err := chat(ctx, withHost,
		func(ctx context.Context) (*end, error) {
			return s.onHost(ctx, "listen", "--once", "--psk-file", s.key, "--crypto", "gocrypto", "127.0.0.1:"+port)
		},
		func(ctx context.Context) (*end, error) {
			return s.a.onGuest(ctx, "connect", "--psk-file", "/root/key", "--crypto", "/dev/crypto", hostAddr+":"+port)
		})
	if err != nil {
		return err
	}
	if err := usesDevice(b); err != nil {
		return err
	}
	return s.wire("host", port, withHost, false)
}

func (s *stage) guestsChat(ctx context.Context) error {
	const port = "35001" // vchat's own
	a, b, err := chat(ctx, amongGuests,
		func(ctx context.Context) (*end, error) {
			return s.a.onGuest(ctx, "listen", "--once", "--psk-file", "/root/key", linkA)
		},
		func(ctx context.Context) (*end, error) {
			return s.b.onGuest(ctx, "connect", "--psk-file", "/root/key", linkA)
		})
	if err != nil {
		return err
	}
	for _, e := range []*end{a, b} {
		if err := usesDevice(e); err != nil {
			return err
		}
	}
	return s.wire("guests", port, amongGuests, false)
}

// usesDevice checks that an end said it uses the guest driver.
func usesDevice(e *end) error {
	if !strings.Contains(e.notes.text(), "virtio-cryptodev") {
		return fmt.Errorf("%s does not use the device: %s", e.name, e.notes.text())
	}
	ok("%s's AES ran on its virtio-crypto device", e.name)
	return nil
}

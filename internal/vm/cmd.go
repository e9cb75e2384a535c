// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"

	"vcrypto/internal/vm/proto"
)

// Cmd is a command in the guest. It is used like [os/exec.Cmd].
type Cmd struct {
	// Args is the program, found in the guest's $PATH, and its arguments.
	Args []string
	// Env is added to the guest's environment, as NAME=VALUE.
	Env []string
	// Dir is the working directory; empty: /root.
	Dir string
	// Stdin, Stdout and Stderr are the standard streams; nil is /dev/null. If
	// Stdout and Stderr are the same they become one stream, in order. A Read of
	// Stdin that blocks when the command has ended is not waited for.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// TTY gives the command a terminal: Stdin and Stdout are its two directions
	// and Stderr is not used.
	TTY *TTY
	// WaitDelay bounds how long Wait waits, after the command has ended, for
	// processes that it left behind to close its output; 0: without limit.
	WaitDelay time.Duration
	// Pid is the process id in the guest, once started.
	Pid int

	vm      *VM
	ctx     context.Context
	life    int // of the guest: a reset ends it
	control *yamux.Stream
	stdio   [3]*yamux.Stream
	copies  sync.WaitGroup // output
	stop    func() bool    // undoes the watch of ctx
	closers []io.Closer    // our ends of pipes, closed after Wait

	mu      sync.Mutex // guards what is below and writes to control
	copyErr error
}

// TTY describes a terminal.
type TTY struct {
	Rows, Cols uint16
	Term       string // value of $TERM
}

// ExitError is a command that ended with a code other than 0, or by a signal.
type ExitError struct {
	Name   string
	Code   int            // -1 if a signal ended it
	Signal syscall.Signal // 0 if none did
	Stderr []byte         // what it said, if Output ran it
}

func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != 0 {
		how = fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
	}
	if s := bytes.TrimSpace(e.Stderr); len(s) > 0 {
		how += ": " + string(s)
	}
	return fmt.Sprintf("%s in the guest: %s", e.Name, how)
}

// signalCodes is what shells add to a signal's number to make an exit code of it.
const signalCodes = 128

// ExitCode returns the exit code as a shell would report it.
func (e *ExitError) ExitCode() int {
	if e.Signal != 0 {
		return signalCodes + int(e.Signal)
	}
	return e.Code
}

// Command prepares a command. When ctx ends before the command does, the command
// and all of its process group are killed.
func (v *VM) Command(ctx context.Context, name string, args ...string) *Cmd {
	return &Cmd{Args: append([]string{name}, args...), vm: v, ctx: ctx}
}

// Run starts the command and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns what it writes to its standard output.
func (c *Cmd) Output() ([]byte, error) {
	var out, errOut bytes.Buffer
	c.Stdout = &out
	captured := c.Stderr == nil
	if captured {
		c.Stderr = &errOut
	}
	err := c.Run()
	var exit *ExitError
	if captured && errors.As(err, &exit) {
		exit.Stderr = errOut.Bytes()
	}
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns what it writes to either output.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// StdinPipe returns a writer to the command's standard input; closing it is the
// end of the input.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil || c.control != nil {
		return nil, errors.New("StdinPipe: Stdin is set, or the command was started")
	}
	r, w := io.Pipe()
	c.Stdin = r
	c.closers = append(c.closers, r)
	return w, nil
}

// StdoutPipe returns a reader of the command's standard output. It ends when the
// command's output does; Wait may be called before or after, but while nobody
// reads, neither the command nor Wait gets ahead.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) {
	if c.Stdout != nil || c.control != nil {
		return nil, errors.New("StdoutPipe: Stdout is set, or the command was started")
	}
	r, w := io.Pipe()
	c.Stdout = w
	return r, nil
}

// Start starts the command and returns when the guest has started it. A program
// that does not exist is an error that is [exec.ErrNotFound].
func (c *Cmd) Start() error {
	if c.control != nil {
		return errors.New("the command was started already")
	}
	if err := c.ctx.Err(); err != nil {
		return context.Cause(c.ctx)
	}
	c.life = c.vm.life()
	id := c.vm.lastID.Add(1)
	e := &proto.Exec{Args: c.Args, Env: c.Env, Dir: c.Dir}
	e.Stdio = [3]bool{c.Stdin != nil, c.Stdout != nil, c.Stderr != nil}
	if c.TTY != nil {
		e.TTY = &proto.TTY{Term: c.TTY.Term, Winsize: proto.Winsize{Rows: c.TTY.Rows, Cols: c.TTY.Cols}}
		e.Stdio[2] = false
	} else if c.Stdout != nil && sameWriter(c.Stdout, c.Stderr) {
		e.Merge, e.Stdio[2] = true, false
	}
	control, err := c.vm.open(c.ctx, proto.Request{Op: proto.OpExec, ID: id, Exec: e})
	if err != nil {
		return c.fail(c.vm.failed(c.ctx, err))
	}
	c.control = control
	for fd, wanted := range e.Stdio {
		if !wanted {
			continue
		}
		if c.stdio[fd], err = c.vm.open(c.ctx, proto.Request{Op: proto.OpStdio, ID: id, FD: fd}); err != nil {
			c.abandon()
			return c.fail(c.vm.failed(c.ctx, err))
		}
	}
	c.stop = context.AfterFunc(c.ctx, c.abandon)
	var ev proto.Event
	if err := proto.Receive(control, &ev); err != nil {
		err = c.lost(err)
		c.finish()
		return c.fail(err)
	}
	if !ev.Started {
		c.finish()
		if ev.NotFound {
			return c.fail(notFoundError(ev.Error))
		}
		return c.fail(fmt.Errorf("in the guest: %s", ev.Error))
	}
	c.Pid = ev.Pid
	c.copy()
	return nil
}

// notFoundError is a program that the guest does not have.
type notFoundError string

func (e notFoundError) Error() string { return "in the guest: " + string(e) }
func (e notFoundError) Unwrap() error { return exec.ErrNotFound }

// ExitCode is what shells make of it.
func (e notFoundError) ExitCode() int { return 127 }

// sameWriter is whether two writers are the same, as far as they can be compared.
func sameWriter(a, b io.Writer) bool {
	defer func() { _ = recover() }() // writers of a type that has no ==
	return a == b
}

// copy starts the goroutines that carry the streams.
func (c *Cmd) copy() {
	if s := c.stdio[0]; s != nil {
		go func() {
			_, err := io.Copy(s, c.Stdin)
			s.Close()
			if err != nil && !errors.Is(err, yamux.ErrStreamClosed) && !errors.Is(err, yamux.ErrConnectionReset) &&
				!errors.Is(err, yamux.ErrSessionShutdown) && !errors.Is(err, yamux.ErrTimeout) && !errors.Is(err, io.ErrClosedPipe) {
				c.noteError(fmt.Errorf("reading the input for %s: %w", c.Args[0], err))
			}
		}()
	}
	for fd, w := range []io.Writer{1: c.Stdout, 2: c.Stderr} {
		s := c.stdio[fd]
		if s == nil || fd == 0 {
			continue
		}
		c.copies.Go(func() {
			if _, err := io.Copy(onlyWriter{w}, s); err != nil && c.ctx.Err() == nil {
				// What follows is thrown away, so that the command does not hang.
				if _, drainErr := io.Copy(io.Discard, s); drainErr == nil {
					c.noteError(fmt.Errorf("writing the output of %s: %w", c.Args[0], err))
				}
			}
			if p, ok := w.(*io.PipeWriter); ok {
				p.Close()
			}
		})
	}
}

// onlyWriter keeps io.Copy from using ReadFrom, which may buffer without bound.
type onlyWriter struct{ io.Writer }

func (c *Cmd) noteError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.copyErr == nil {
		c.copyErr = err
	}
}

// Wait waits until the command has ended and its output has been copied. A code
// other than 0 is an [*ExitError].
func (c *Cmd) Wait() error {
	if c.control == nil || c.stop == nil {
		return errors.New("the command was not started")
	}
	defer c.finish()
	var ev proto.Event
	if err := proto.Receive(c.control, &ev); err != nil {
		return c.lost(err)
	}
	if s := c.stdio[0]; s != nil {
		s.Close() // ends a copy that nobody reads any more
	}
	if c.WaitDelay > 0 {
		t := time.AfterFunc(c.WaitDelay, c.abandon)
		defer t.Stop()
	}
	c.copies.Wait()
	if c.ctx.Err() != nil && ev.Signal == int(syscall.SIGKILL) {
		return c.lost(context.Cause(c.ctx))
	}
	if ev.Code != 0 {
		return &ExitError{Name: c.Args[0], Code: ev.Code, Signal: syscall.Signal(ev.Signal)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.copyErr
}

// lost explains the end of the control stream.
func (c *Cmd) lost(err error) error {
	if c.ctx.Err() != nil {
		return c.vm.failed(c.ctx, fmt.Errorf("running %s in the guest: %w", c.Args[0], context.Cause(c.ctx)))
	}
	if c.vm.life() != c.life {
		return fmt.Errorf("running %s in the guest: %w: the guest was reset", c.Args[0], err)
	}
	return c.vm.explain(fmt.Errorf("running %s in the guest: the agent was lost: %w", c.Args[0], err))
}

// fail closes the pipes of a command that did not start.
func (c *Cmd) fail(err error) error {
	if p, ok := c.Stdout.(*io.PipeWriter); ok {
		p.CloseWithError(err)
	}
	for _, p := range c.closers {
		p.Close()
	}
	return err
}

// finish lets go of everything. It waits for the output's goroutines, which by
// then have ended or are made to.
func (c *Cmd) finish() {
	c.stop()
	c.abandon()
	c.copies.Wait()
	for _, p := range c.closers {
		p.Close()
	}
}

// abandon ends all streams at once, upon which the guest kills the command. The
// closing itself may have to wait for a guest that is stopped: nobody waits for it.
func (c *Cmd) abandon() {
	past := time.Unix(1, 0)
	for _, s := range append(c.stdio[:], c.control) {
		if s != nil {
			s.SetDeadline(past)
			go s.Close()
		}
	}
}

// Signal sends a signal to the command's process group.
func (c *Cmd) Signal(sig syscall.Signal) error {
	return c.send(proto.Control{Signal: int(sig)})
}

// Resize tells the command's terminal its new size.
func (c *Cmd) Resize(rows, cols uint16) error {
	return c.send(proto.Control{Winsize: &proto.Winsize{Rows: rows, Cols: cols}})
}

func (c *Cmd) send(m proto.Control) error {
	if c.control == nil {
		return errors.New("the command was not started")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := proto.Send(c.control, m); err != nil {
		return fmt.Errorf("%s in the guest: %w", strings.Join(c.Args, " "), err)
	}
	return nil
}

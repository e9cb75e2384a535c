// SPDX-License-Identifier: Apache-2.0

// Package supervisor keeps child processes running, one for each device. It
// knows their names and their arguments and nothing of what they do: guest
// memory and keys are theirs alone.
//
// A child that ends is started again, after a pause that grows from one
// failure to the next and is short again after the child has run for a while.
// [Supervisor.Reload] changes which children there are; those that stay as
// they were are not touched.
//
// A child's standard input is a pipe from here. Each line on it is a command
// ([Drain], [Undrain]); its end says that the supervisor is gone, however that
// happened, and the child ends too.
package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Commands on a child's standard input.
const (
	Drain   = "drain"   // ask the guest to begin nothing new
	Undrain = "undrain" // take that back
)

// Child is a process to keep running.
type Child struct {
	// Name is what logs call it. No two children have the same.
	Name string
	// Args are its arguments. A child whose arguments change is replaced.
	Args []string
	// Drain is whether the child is to drain; a change is a command.
	Drain bool
}

// Options are settings of a Supervisor. Zero values stand for the defaults.
type Options struct {
	// Program is the file that children run.
	Program string
	// Log is told of children that start and end.
	Log *slog.Logger
	// Stderr is where the children's lines go, each with one Write; by
	// default os.Stderr. A line that is not a log record of theirs (a crash
	// is told of in such lines) goes to Log.
	Stderr io.Writer

	// MinPause and MaxPause bound the pause before a child is started again.
	// The pause is short again after a child that ran for Steady.
	MinPause, MaxPause, Steady time.Duration
	// Grace is how long a child may take to end before it is killed.
	Grace time.Duration
}

// Defaults of Options.
const (
	DefaultMinPause = 200 * time.Millisecond
	DefaultMaxPause = 30 * time.Second
	DefaultSteady   = time.Minute
	DefaultGrace    = 30 * time.Second
)

// Supervisor keeps children running.
type Supervisor struct {
	o Options

	mu      sync.Mutex
	running map[string]*keeper
}

// New returns a supervisor without children.
func New(o Options) *Supervisor {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	for _, d := range []struct {
		value *time.Duration
		unset time.Duration
	}{{&o.MinPause, DefaultMinPause}, {&o.MaxPause, DefaultMaxPause}, {&o.Steady, DefaultSteady}, {&o.Grace, DefaultGrace}} {
		if *d.value == 0 {
			*d.value = d.unset
		}
	}
	return &Supervisor{o: o, running: make(map[string]*keeper)}
}

// Changes is what Reload did, by the children's names.
type Changes struct{ Added, Removed, Replaced, Kept []string }

// Reload makes children what it is given. Children that are no longer there,
// or are to be replaced, are ended first, and have ended when others start, so
// that one may have what another had. It returns when all were started.
func (s *Supervisor) Reload(children []Child) Changes {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c Changes
	wanted := make(map[string]Child)
	for _, child := range children {
		wanted[child.Name] = child
	}
	var ending []*keeper
	for name, k := range s.running {
		child, stays := wanted[name]
		if stays && slices.Equal(child.Args, k.child.Args) {
			continue
		}
		if stays {
			c.Replaced = append(c.Replaced, name)
		} else {
			c.Removed = append(c.Removed, name)
		}
		k.cancel()
		ending = append(ending, k)
		delete(s.running, name)
	}
	for _, k := range ending {
		<-k.done
	}
	for _, child := range children {
		if k, ok := s.running[child.Name]; ok {
			k.drain(child.Drain)
			c.Kept = append(c.Kept, child.Name)
			continue
		}
		if !slices.Contains(c.Replaced, child.Name) {
			c.Added = append(c.Added, child.Name)
		}
		s.running[child.Name] = s.keep(child)
	}
	for _, names := range [][]string{c.Removed, c.Replaced} {
		slices.Sort(names)
	}
	return c
}

// Close ends all children and returns when they have ended.
func (s *Supervisor) Close() { s.Reload(nil) }

// lastWords is how long a child's last lines may take to be read.
const lastWords = time.Second

// keeper keeps one child running.
type keeper struct {
	o      *Options
	child  Child
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended for good

	mu      sync.Mutex
	drained bool
	stdin   io.Writer // of the process, nil if there is none
}

func (s *Supervisor) keep(c Child) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{o: &s.o, child: c, log: s.o.Log.With("device", c.Name), cancel: cancel, done: make(chan struct{}), drained: c.Drain}
	go func() {
		defer close(k.done)
		k.run(ctx)
	}()
	return k
}

// run starts the child again and again until ctx ends.
func (k *keeper) run(ctx context.Context) {
	pause := k.o.MinPause
	for {
		start := time.Now()
		err := k.once(ctx)
		if ctx.Err() != nil {
			if errors.Is(err, ctx.Err()) {
				err = nil // it was asked to end, and did
			}
			k.log.Info("device ended", "err", err)
			return
		}
		if time.Since(start) >= k.o.Steady {
			pause = k.o.MinPause
		}
		k.log.Error("device ended by itself and is started again", "err", err, "in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, k.o.MaxPause)
	}
}

// once runs the child until it ends.
func (k *keeper) once(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, k.o.Program, k.child.Args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = k.o.Grace
	// What a terminal sends to all of its foreground is for the supervisor.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stderr, w, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdin.Close())
	}
	defer stderr.Close()
	cmd.Stderr, cmd.Stdout = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		stdin.Close()
		return err
	}
	k.log.Info("device started", "pid", cmd.Process.Pid)
	k.attach(stdin)
	defer k.attach(nil)
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		k.copyLog(stderr)
	}()
	err = cmd.Wait()
	// All it said is in the pipe. Should somebody it started hold the other
	// end, that is not waited for.
	stderr.SetReadDeadline(time.Now().Add(lastWords))
	<-logged
	return err
}

// attach sets where commands go, and tells a new process what it must know.
func (k *keeper) attach(stdin io.Writer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stdin = stdin
	if stdin != nil && k.drained {
		k.command()
	}
}

// drain changes whether the child is to drain.
func (k *keeper) drain(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.drained == on {
		return
	}
	k.drained = on
	if k.stdin != nil {
		k.command()
	}
}

// command tells the child whether to drain. A pipe has room for many of them,
// so this does not wait.
func (k *keeper) command() {
	c := Undrain
	if k.drained {
		c = Drain
	}
	if _, err := fmt.Fprintln(k.stdin, c); err != nil {
		k.log.Warn("the device could not be told", "command", c, "err", err)
	}
}

// logRecord is how log records begin: as text, and as JSON.
func logRecord(line []byte) bool {
	return len(line) > 0 && line[0] == '{' || strings.HasPrefix(string(line[:min(len(line), 5)]), "time=")
}

// maxLine is the longest piece of a line that is handled at once, in bytes.
const maxLine = 64 << 10

// copyLog copies a child's lines until there are no more.
func (k *keeper) copyLog(r io.Reader) {
	for b := bufio.NewReaderSize(r, maxLine); ; {
		line, err := b.ReadSlice('\n')
		switch {
		case logRecord(line):
			k.o.Stderr.Write(line)
		case len(line) > 0:
			k.log.Error("device says", "line", strings.TrimSuffix(string(line), "\n"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

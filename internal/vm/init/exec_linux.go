// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"vcrypto/internal/vm/proto"
)

// exec runs one command: starts it, copies its streams, passes signals on, and
// reports its end. When the host lets go of the control stream before it has seen
// that and the end of the output, the command and what it started are killed.
func (a *agent) exec(control *yamux.Stream, id uint64, e *proto.Exec) {
	var streams [3]*yamux.Stream
	for fd, wanted := range e.Stdio {
		if !wanted {
			continue
		}
		if streams[fd] = a.take(stdioKey{id, fd}); streams[fd] == nil {
			return
		}
	}
	// Every stream is closed at the end, which also ends copies that still block.
	defer func() {
		for _, s := range streams {
			if s != nil {
				s.Close()
			}
		}
	}()

	cmd, std, err := start(e, streams)
	if err != nil {
		proto.Send(control, proto.Event{
			Error:    err.Error(),
			NotFound: errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist),
		})
		return
	}
	proto.Send(control, proto.Event{Started: true, Pid: cmd.Process.Pid})

	hangup := make(chan struct{})
	go func() {
		defer close(hangup)
		for {
			var c proto.Control
			if proto.Receive(control, &c) != nil {
				return
			}
			if c.Signal != 0 {
				unix.Kill(-cmd.Process.Pid, syscall.Signal(c.Signal))
			}
			if c.Winsize != nil && std.tty != nil {
				setWinsize(std.tty, *c.Winsize)
			}
		}
	}()
	outputs := make(chan struct{})
	go func() {
		std.outputs.Wait()
		close(outputs)
	}()
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		cmd.Wait()
		std.untold.Add(-1)
		proto.Send(control, exitEvent(cmd.ProcessState))
	}()

	// The command's end and the end of its output come in either order: what it
	// has left in the background may still hold its output.
	for exited, outputs := exited, outputs; exited != nil || outputs != nil; {
		select {
		case <-exited:
			exited = nil
		case <-outputs:
			outputs = nil
		case <-hangup:
			if std.untold.Load() > 0 {
				unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
			}
			exited, outputs = nil, nil
		}
	}
	<-exited
	std.close()
}

// exitEvent says how a command ended.
func exitEvent(state *os.ProcessState) proto.Event {
	ev := proto.Event{Exited: true, Code: state.ExitCode()}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		ev.Signal = int(ws.Signal())
	}
	return ev
}

// stdio is our side of a command's standard streams.
type stdio struct {
	ours    []*os.File
	tty     *os.File // the terminal's master, or nil
	outputs sync.WaitGroup
	// untold counts the ends that the host waits for, the command's and those of
	// its outputs, each until just before the host is told: once it has all it lets
	// go, and that may be seen before what told it is done here.
	untold atomic.Int32
}

// start starts the command in a process group of its own, with its streams
// joined to the host's.
func start(e *proto.Exec, streams [3]*yamux.Stream) (*exec.Cmd, *stdio, error) {
	if len(e.Args) == 0 {
		return nil, nil, errors.New("there is no command to run")
	}
	cmd := exec.Command(e.Args[0], e.Args[1:]...)
	cmd.Args = e.Args
	cmd.Dir = e.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/root"
	}
	// Otherwise the program would be what is said to be missing.
	if _, err := os.Stat(cmd.Dir); err != nil {
		return nil, nil, fmt.Errorf("the working folder: %w", err)
	}
	cmd.Env = os.Environ()
	if e.TTY != nil && e.TTY.Term != "" {
		cmd.Env = append(cmd.Env, "TERM="+e.TTY.Term)
	}
	cmd.Env = append(cmd.Env, problemsEnv+"=")
	cmd.Env = append(cmd.Env, e.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	s := new(stdio)
	var theirs []*os.File
	defer func() { closeAll(theirs) }()
	fail := func(err error) (*exec.Cmd, *stdio, error) {
		s.close()
		return nil, nil, err
	}

	if e.TTY != nil {
		master, slave, err := openPTY()
		if err != nil {
			return fail(err)
		}
		s.tty = master
		s.ours = append(s.ours, master)
		theirs = append(theirs, slave)
		setWinsize(master, e.TTY.Winsize)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	} else {
		for fd := range streams {
			if streams[fd] == nil {
				continue
			}
			r, w, err := os.Pipe()
			if err != nil {
				return fail(fmt.Errorf("making a pipe: %w", err))
			}
			if fd == 0 {
				cmd.Stdin = r
				s.ours, theirs = append(s.ours, w), append(theirs, r)
				continue
			}
			s.ours, theirs = append(s.ours, r), append(theirs, w)
			if fd == 1 {
				cmd.Stdout = w
				if e.Merge {
					cmd.Stderr = w
				}
			} else {
				cmd.Stderr = w
			}
		}
	}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	s.untold.Add(1)
	s.copy(e, streams)
	return cmd, s, nil
}

// copy starts the goroutines that carry the streams.
func (s *stdio) copy(e *proto.Exec, streams [3]*yamux.Stream) {
	next := 0
	for fd, stream := range streams {
		if stream == nil {
			continue
		}
		file := s.tty
		if file == nil {
			file = s.ours[next]
			next++
		}
		if fd == 0 {
			go func() {
				io.Copy(file, stream)
				if s.tty == nil {
					file.Close()
				}
			}()
			continue
		}
		s.untold.Add(1)
		s.outputs.Go(func() {
			// A terminal whose last user is gone gives EIO, a pipe end of file;
			// else the host takes no more.
			if _, err := io.Copy(stream, file); err == nil || errors.Is(err, unix.EIO) {
				s.untold.Add(-1)
			}
			stream.Close()
		})
	}
}

// close ends every copy.
func (s *stdio) close() { closeAll(s.ours) }

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

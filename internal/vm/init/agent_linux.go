// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"vcrypto/internal/vm/proto"
)

// connectPoll is how often the agent looks whether the host has connected: the
// port has no event that says so.
const connectPoll = 5 * time.Millisecond

// runAgent serves one host connection after another and returns only on an error.
func runAgent() error {
	path, err := findPort()
	if err != nil {
		return err
	}
	port, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for {
		if err := waitForHost(port); err != nil {
			return err
		}
		session, err := yamux.Server(unclosable{port}, proto.Config())
		if err != nil {
			return err
		}
		a := &agent{session: session, stdio: make(map[stdioKey]chan *yamux.Stream)}
		a.serve()
	}
}

// findPort returns the device of the port that the host has named for us. The
// driver finds its ports a moment after it is loaded.
func findPort() (string, error) {
	const class = "/sys/class/virtio-ports"
	for range int(10 * time.Second / connectPoll) {
		names, _ := filepath.Glob(class + "/*/name")
		for _, n := range names {
			if text, err := os.ReadFile(n); err == nil && strings.TrimSpace(string(text)) == proto.PortName {
				return "/dev/" + filepath.Base(filepath.Dir(n)), nil
			}
		}
		time.Sleep(connectPoll)
	}
	return "", fmt.Errorf("there is no virtio-serial port named %s below %s: is virtio_console loaded?", proto.PortName, class)
}

// waitForHost waits until the host's side of the port is connected: before,
// reads would say end of file.
func waitForHost(port *os.File) error {
	raw, err := port.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var ready bool
		var pollErr error
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}
			_, pollErr = unix.Poll(fds, 0)
			ready = fds[0].Revents&unix.POLLHUP == 0
		})
		if err == nil && !errors.Is(pollErr, unix.EINTR) {
			err = pollErr
		}
		if err != nil {
			return fmt.Errorf("polling the agent's port: %w", err)
		}
		if ready {
			return nil
		}
		time.Sleep(connectPoll)
	}
}

// unclosable keeps the port open over the end of one session.
type unclosable struct{ io.ReadWriter }

func (unclosable) Close() error { return nil }

// agent serves one connection of the host.
type agent struct {
	session *yamux.Session

	mu    sync.Mutex
	stdio map[stdioKey]chan *yamux.Stream // streams that came, or are waited for
}

// stdioKey names one standard stream of one command.
type stdioKey struct {
	id uint64
	fd int
}

// serve returns when the host disconnects and every command it had is dead.
func (a *agent) serve() {
	var wg sync.WaitGroup
	for {
		stream, err := a.session.AcceptStream()
		if err != nil {
			break
		}
		wg.Go(func() { a.handle(stream) })
	}
	a.session.Close()
	wg.Wait()
}

// handle serves one stream. A stdio stream passes to its command, which closes it.
func (a *agent) handle(stream *yamux.Stream) {
	var req proto.Request
	if err := proto.Receive(stream, &req); err != nil {
		stream.Close()
		return
	}
	switch req.Op {
	case proto.OpStdio:
		a.slot(stdioKey{req.ID, req.FD}) <- stream
		return
	case proto.OpExec:
		if req.Exec != nil {
			a.exec(stream, req.ID, req.Exec)
		}
	case proto.OpPing:
		proto.Send(stream, proto.Event{Error: os.Getenv(problemsEnv)})
	case proto.OpPoweroff:
		proto.Send(stream, proto.Event{})
		unix.Sync()
		if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
			complain(fmt.Sprintf("powering off: %v", err))
		}
	default:
		proto.Send(stream, proto.Event{Error: fmt.Sprintf("unknown request %q", req.Op)})
	}
	stream.Close()
}

// slot returns the channel over which one standard stream is handed to its
// command; either side may come first.
func (a *agent) slot(key stdioKey) chan *yamux.Stream {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.stdio[key]
	if !ok {
		c = make(chan *yamux.Stream, 1)
		a.stdio[key] = c
	}
	return c
}

// take waits for one standard stream of a command. It returns nil if the host
// disconnects first.
func (a *agent) take(key stdioKey) *yamux.Stream {
	c := a.slot(key)
	defer func() {
		a.mu.Lock()
		delete(a.stdio, key)
		a.mu.Unlock()
	}()
	select {
	case s := <-c:
		return s
	case <-a.session.CloseChan():
		return nil
	}
}

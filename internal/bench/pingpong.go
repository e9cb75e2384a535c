// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// pingPong is the least that two sleeping processes need to wake each other:
// an eventfd there, an eventfd back. The other process is this program's
// `bench echo`.
type pingPong struct {
	cmd   *exec.Cmd
	there *os.File
	back  *os.File
}

// startPingPong starts the other process, on a CPU if that is not negative.
func startPingPong(program string, cpu int) (_ *pingPong, err error) {
	p := new(pingPong)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.there, err = newEventFile("there"); err != nil {
		return nil, err
	}
	if p.back, err = newEventFile("back"); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(program, "bench", "echo", "--cpu", strconv.Itoa(cpu))
	p.cmd.ExtraFiles = []*os.File{p.there, p.back}
	p.cmd.Stderr = os.Stderr
	return p, p.cmd.Start()
}

func newEventFile(name string) (*os.File, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// measure does n round trips.
func (p *pingPong) measure(h *histogram, n int) error {
	there, back := int(p.there.Fd()), int(p.back.Fd())
	for range n {
		start := time.Now()
		if err := signal(there); err != nil {
			return err
		}
		if err := await(back); err != nil {
			return err
		}
		h.add(time.Since(start), 1)
	}
	return nil
}

func (p *pingPong) close() error {
	var errs []error
	if p.cmd != nil && p.cmd.Process != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
	for _, f := range []*os.File{p.there, p.back} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Echo is the other process: it answers each signal of its first inherited
// descriptor with one on the second, until it is killed or nothing comes any
// more.
func Echo(cpu int) error {
	runtime.LockOSThread()
	if cpu >= 0 {
		if _, err := pin(cpu); err != nil {
			return err
		}
	}
	const there, back = 3, 4 // the first two of exec.Cmd.ExtraFiles
	for {
		if err := await(there); err != nil {
			return err
		}
		if err := signal(back); err != nil {
			return err
		}
	}
}

// await waits for an eventfd as a queue does: poll, then read.
func await(fd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(deviceSilence.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = unix.ETIMEDOUT
		}
		var b [8]byte
		if err == nil {
			_, err = unix.Read(fd, b[:])
		}
		if err != nil {
			return fmt.Errorf("waiting for an eventfd: %w", err)
		}
		return nil
	}
}

func signal(fd int) error {
	_, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	return os.NewSyscallError("write", err)
}

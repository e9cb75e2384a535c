// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vcrypto/vhostuser"
	"vcrypto/virtiocrypto/cryptodrv"
)

// TestDaemon drives vcrypto serve itself, in a process of its own, with the
// vectors and with scattered requests. VCRYPTO_TEST_DAEMON names the program;
// without it the test builds it. VCRYPTO_TEST_ENGINE names the daemon's engine;
// with VCRYPTO_TEST_DEVICE it works through that cryptodev node: this is how the
// end-to-end tests run it in a guest.
func TestDaemon(t *testing.T) {
	args := []string{"--engine", cmp.Or(os.Getenv("VCRYPTO_TEST_ENGINE"), "gocrypto")}
	if node := os.Getenv("VCRYPTO_TEST_DEVICE"); node != "" {
		args = []string{"--engine", "devcrypto", "--device", node}
	}
	m := newMachine(t, options{}, func(m *machine) link { return newDaemon(m, args) })
	for _, wrong := range checkVectors(m) {
		m.Error(wrong)
	}
	job := m.cbcJob(64 << 10)
	shape := cryptodrv.Shape{IV: len(job.iv), Size: len(job.src), WriteCuts: []int{17, 4099}}
	m.check(job, m.request(shape), "64 KiB, scattered")
	if n := m.dev.Counters().Operations.Load(); n != 0 {
		t.Errorf("the device of this process counted %d operations: they did not reach the daemon", n)
	}
}

// newDaemon is the link to a daemon in another process.
func newDaemon(m *machine, args []string) link {
	program := os.Getenv("VCRYPTO_TEST_DAEMON")
	if program == "" {
		program = filepath.Join(m.TempDir(), "vcrypto")
		if out, err := exec.Command("go", "build", "-o", program, "vcrypto/cmd/vcrypto").CombinedOutput(); err != nil {
			m.Fatalf("building the daemon: %v\n%s", err, out)
		}
	}
	path := filepath.Join(m.TempDir(), "device")
	cmd := exec.Command(program, append([]string{"serve", "--socket-path", path}, args...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	s := &socket{m: m, done: make(chan error, 1), queues: make([]*vhostuser.FrontQueue, m.dev.Queues())}
	s.end = func() { cmd.Process.Signal(syscall.SIGTERM) }
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		err := cmd.Wait()
		if err != nil {
			err = errors.Join(err, errors.New(log.String()))
		}
		cancel()
		s.done <- err
	}()
	// The socket is made before it listens: its file is not enough.
	for {
		fe, err := vhostuser.Dial(path)
		if err == nil {
			fe.Close()
			break
		}
		select {
		case <-ctx.Done():
			s.end()
			m.Fatalf("no daemon on %s: %v\n%s", strings.Join(cmd.Args, " "), err, log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.connect(path)
	return s
}

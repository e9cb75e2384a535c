// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 3 * time.Minute

// buildFlags are for the program under test; -race where the tests have it.
var buildFlags []string

// program is the path of the built program.
var program string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "vchat-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "vchat")
	args := append([]string{"build", "-o", program}, buildFlags...)
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build vchat: %v\n%s", err, out)
		return 1
	}
	os.Unsetenv("VCHAT_PSK")
	os.Setenv("GORACE", "atexit_sleep_ms=0") // a second at each program's end otherwise
	return m.Run()
}

const testKey = "correct horse battery staple 0123"

// keyFile writes a key file.
func keyFile(t *testing.T, key string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// shared is a buffer that is read while a program writes to it.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *shared) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.buf.Bytes())
}

func (s *shared) String() string { return string(s.Bytes()) }

// process is a running vchat.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr shared
	exited         chan struct{}
}

// start runs vchat with in as its standard input, nil for an empty one.
func start(t *testing.T, in io.Reader, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = patience
	if f, ok := in.(*os.File); ok {
		p.cmd.Stdin = f
	} else if in != nil {
		w, err := p.cmd.StdinPipe() // exec's own copying would make Wait wait for in
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			io.Copy(w, in)
			w.Close()
		}()
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
		if bytes.Contains(p.stderr.Bytes(), []byte("DATA RACE")) || bytes.Contains(p.stderr.Bytes(), []byte("panic:")) {
			t.Errorf("vchat %s:\n%s", strings.Join(args, " "), p.stderr.String())
		}
		if t.Failed() {
			t.Logf("vchat %s said:\n%s", strings.Join(args, " "), p.stderr.String())
		}
	})
	return p
}

// status waits for the program's end.
func (p *process) status() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("vchat does not end; it said:\n%s", p.stderr.String())
		return -1
	}
}

// exits checks the program's status.
func (p *process) exits(want int) {
	p.t.Helper()
	if got := p.status(); got != want {
		p.t.Errorf("exit status %d, expected %d; it said:\n%s", got, want, p.stderr.String())
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// says waits for text on standard error.
func (p *process) says(text string) { p.t.Helper(); await(p.t, &p.stderr, text) }

// shows waits for text on standard output.
func (p *process) shows(text string) { p.t.Helper(); await(p.t, &p.stdout, text) }

func await(t *testing.T, s *shared, text string) {
	t.Helper()
	for begin := time.Now(); !strings.Contains(s.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("%q does not come; there is %.500q", text, s.String())
		}
	}
}

var listeningOn = regexp.MustCompile(`listening on (\S+)\n`)

// listen starts a listener and returns its address, too.
func listen(t *testing.T, in io.Reader, args ...string) (*process, string) {
	t.Helper()
	p := start(t, in, append([]string{"listen", "127.0.0.1:0"}, args...)...)
	p.says("listening on")
	return p, listeningOn.FindStringSubmatch(p.stderr.String())[1]
}

// held returns an input that stays open until the test's end.
func held(t *testing.T, text string) io.Reader {
	r, w := io.Pipe()
	go io.WriteString(w, text)
	t.Cleanup(func() { w.Close() })
	return r
}

// startHead runs vchat with its output into a pipe that nobody reads.
func startHead(t *testing.T, args ...string) *process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	p := &process{t: t, cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = w, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
	})
	return p
}

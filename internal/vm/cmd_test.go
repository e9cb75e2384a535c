// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestCommands runs everything that a command can do in one guest.
func TestCommands(t *testing.T) {
	v := boot(t, Config{})
	for name, test := range map[string]func(*testing.T, *VM){
		"exit codes":       testExitCodes,
		"streams":          testStreams,
		"all bytes":        testAllBytes,
		"large data":       testLargeData,
		"many at once":     testManyAtOnce,
		"stalled reader":   testStalledReader,
		"unwanted input":   testUnwantedInput,
		"cancel":           testCancel,
		"signal":           testSignal,
		"background child": testBackgroundChild,
		"daemon":           testDaemon,
		"environment":      testEnvironment,
		"pipes":            testPipes,
		"failing writer":   testFailingWriter,
		"terminal":         testTerminal,
		"orphans":          testOrphans,
		"files":            testFiles,
	} {
		t.Run(name, func(t *testing.T) { test(t, v) })
	}
}

func testExitCodes(t *testing.T, v *VM) {
	for _, code := range []int{0, 1, 42, 255} {
		err := v.Command(bounded(t), "sh", "-c", fmt.Sprintf("exit %d", code)).Run()
		var exit *ExitError
		switch {
		case code == 0 && err != nil:
			t.Errorf("exit 0: %v", err)
		case code != 0 && (!errors.As(err, &exit) || exit.Code != code || exit.ExitCode() != code):
			t.Errorf("exit %d: %v", code, err)
		}
	}
	if err := v.Command(bounded(t), "no-such-program").Run(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a program that does not exist: %v", err)
	}
	c := v.Command(bounded(t), "true")
	c.Dir = "/nonexistent"
	if err := c.Run(); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("a folder that does not exist: %v", err)
	}
	_, err := v.Command(bounded(t), "sh", "-c", "echo why >&2; exit 3").Output()
	var exit *ExitError
	if !errors.As(err, &exit) || string(exit.Stderr) != "why\n" || !strings.Contains(err.Error(), "why") {
		t.Errorf("Output of a command that fails: %v", err)
	}
}

func testStreams(t *testing.T, v *VM) {
	var out, errOut bytes.Buffer
	c := v.Command(bounded(t), "sh", "-c", "cat; echo to stderr >&2")
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader("to stdout\n"), &out, &errOut
	if err := c.Run(); err != nil || out.String() != "to stdout\n" || errOut.String() != "to stderr\n" {
		t.Errorf("stdout %q, stderr %q, %v", &out, &errOut, err)
	}
	// Streams that are not set are /dev/null.
	got, err := v.Command(bounded(t), "sh", "-c", "cat; echo lost >&2; echo end").Output()
	if err != nil || string(got) != "end\n" {
		t.Errorf("%q, %v", got, err)
	}
	// One writer for both keeps the order.
	got, err = v.Command(bounded(t), "sh", "-c", "for i in 1 2 3; do echo o$i; echo e$i >&2; done").CombinedOutput()
	if err != nil || string(got) != "o1\ne1\no2\ne2\no3\ne3\n" {
		t.Errorf("combined: %q, %v", got, err)
	}
}

func testAllBytes(t *testing.T, v *VM) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	c := v.Command(bounded(t), "cat")
	c.Stdin = bytes.NewReader(all)
	if got, err := c.Output(); err != nil || !bytes.Equal(got, all) {
		t.Errorf("got %x, %v", got, err)
	}
}

// random returns bytes that are the same in each run.
func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

func testLargeData(t *testing.T, v *VM) {
	data := random(16 << 20)
	c := v.Command(bounded(t), "cat")
	c.Stdin = bytes.NewReader(data)
	start := time.Now()
	got, err := c.Output()
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes of %d came back, %v", len(got), len(data), err)
	}
	t.Logf("%d MiB there and back in %v", len(data)>>20, time.Since(start))
}

func testManyAtOnce(t *testing.T, v *VM) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			data := random(256<<10 + i)
			c := v.Command(bounded(t), "sha256sum")
			c.Stdin = bytes.NewReader(data)
			got, err := c.Output()
			if want := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || !strings.HasPrefix(string(got), want) {
				t.Errorf("command %d: %s, %v; want %s", i, got, err, want)
			}
		})
	}
	wg.Wait()
}

// testStalledReader: a command whose output is not read holds up only itself.
func testStalledReader(t *testing.T, v *VM) {
	stalled := v.Command(bounded(t), "sh", "-c", "head -c 4000000 /dev/zero; echo end")
	out, err := stalled.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stalled.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // let it fill its window
	if got, err := v.Command(bounded(t), "seq", "100000").Output(); err != nil || len(got) != 588895 {
		t.Errorf("meanwhile: %d bytes, %v", len(got), err)
	}
	got, err := io.ReadAll(out)
	if err != nil || len(got) != 4000000+len("end\n") {
		t.Errorf("then: %d bytes, %v", len(got), err)
	}
	if err := stalled.Wait(); err != nil {
		t.Error(err)
	}
}

// testUnwantedInput: input that a command does not read does not hold it up.
func testUnwantedInput(t *testing.T, v *VM) {
	c := v.Command(bounded(t), "head", "-c", "3")
	c.Stdin = bytes.NewReader(random(8 << 20))
	if got, err := c.Output(); err != nil || len(got) != 3 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// Nor does input that never comes.
	r, w := io.Pipe()
	defer w.Close()
	c = v.Command(bounded(t), "true")
	c.Stdin = r
	if err := c.Run(); err != nil {
		t.Error(err)
	}
}

func testCancel(t *testing.T, v *VM) {
	ctx, cancel := context.WithCancelCause(bounded(t))
	c := v.Command(ctx, "sh", "-c", "sleep 1000 & sleep 1000; echo never")
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// count succeeds once there are as many processes of the group as it says.
	count := func(want int) error {
		return v.Command(bounded(t), "sh", "-c", fmt.Sprintf("for i in $(seq 100); do n=$(cat /proc/[0-9]*/stat 2>/dev/null | awk '$5 == %d' | wc -l); [ $n = %d ] && exit; sleep 0.1; done; exit 1", c.Pid, want)).Run()
	}
	if err := count(3); err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough of it")
	cancel(why)
	if err := c.Wait(); !errors.Is(err, why) || out.Len() > 0 {
		t.Errorf("%q, %v", &out, err)
	}
	if err := count(0); err != nil {
		t.Errorf("the command, or what it started, is still there: %v", err)
	}
	if err := v.Command(ctx, "true").Start(); !errors.Is(err, why) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func testSignal(t *testing.T, v *VM) {
	c := v.Command(bounded(t), "sh", "-c", `trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.05; done`)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, first); err != nil {
		t.Fatal(err)
	}
	// Only the shell traps it; the group's sleep dies of it.
	if err := c.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(out)
	var exit *ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.Code != 7 || !strings.Contains(string(rest), "caught") {
		t.Errorf("%q, %v", rest, err)
	}
	err = v.Command(bounded(t), "sh", "-c", "kill -9 $$").Run()
	if !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL || exit.ExitCode() != 128+9 {
		t.Errorf("a command that is killed: %v", err)
	}
}

// testBackgroundChild: what a command leaves behind may hold its output open.
func testBackgroundChild(t *testing.T, v *VM) {
	var out bytes.Buffer
	c := v.Command(bounded(t), "sh", "-c", "(sleep 0.5; echo late) & echo early")
	c.Stdout = &out
	if err := c.Run(); err != nil || out.String() != "early\nlate\n" {
		t.Errorf("%q, %v", &out, err)
	}
	// What is still open after the delay is given up. The command ends no sooner
	// than its own output is here, so that none of that is.
	out.Reset()
	in, end := io.Pipe()
	c = v.Command(bounded(t), "sh", "-c", "sleep 1000 & echo early; read x; exit 0")
	c.Stdin, c.WaitDelay = in, 200*time.Millisecond
	c.Stdout = writerFunc(func(p []byte) (int, error) {
		out.Write(p)
		if out.String() == "early\n" {
			end.Close()
		}
		return len(p), nil
	})
	if err := c.Run(); err != nil || out.String() != "early\n" {
		t.Errorf("with WaitDelay: %q, %v", &out, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// testDaemon: what a command leaves behind with no hold on its output outlives
// it, however soon the host is through with the command.
func testDaemon(t *testing.T, v *VM) {
	const daemons = 60
	script := "for pid; do kill $pid && n=$((n + 1)); done; echo $n"
	args := []string{"-c", script, "sh"}
	for i := range daemons {
		pid, err := v.Command(bounded(t), "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!").Output()
		if err != nil {
			t.Fatalf("daemon %d: %v", i, err)
		}
		args = append(args, strings.TrimSpace(string(pid)))
	}
	out, err := v.Command(bounded(t), "sh", args...).Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != fmt.Sprint(daemons) {
		t.Errorf("of %d daemons %s are left: %v", daemons, got, err)
	}
}

func testEnvironment(t *testing.T, v *VM) {
	c := v.Command(bounded(t), "sh", "-c", `echo "$A $PATH $HOME"; pwd`)
	c.Env = []string{"A=b c"}
	c.Dir = "/tmp"
	if got, err := c.Output(); err != nil || string(got) != "b c /usr/sbin:/usr/bin:/sbin:/bin /root\n/tmp\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func testPipes(t *testing.T, v *VM) {
	c := v.Command(bounded(t), "rev")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "abc")
	in.Close()
	got, err := io.ReadAll(out)
	if err := errors.Join(err, c.Wait()); err != nil || string(got) != "cba\n" {
		t.Errorf("%q, %v", got, err)
	}
	if err := v.Command(bounded(t), "true").Wait(); err == nil {
		t.Error("Wait before Start")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func testFailingWriter(t *testing.T, v *VM) {
	c := v.Command(bounded(t), "seq", "1000000")
	c.Stdout = failingWriter{}
	if err := c.Run(); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("writing output failed: %v", err)
	}
}

func testTerminal(t *testing.T, v *VM) {
	c := v.Command(bounded(t), "sh", "-c", `trap 'stty size' WINCH; tty; stty size; echo $TERM; until [ "$a" = end ]; do read a; done; echo "got $a"; sleep 1000`)
	c.TTY = &TTY{Rows: 30, Cols: 100, Term: "vt220"}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	until := func(want string) {
		t.Helper()
		for b := make([]byte, 1); !strings.Contains(seen.String(), want); {
			if _, err := out.Read(b); err != nil {
				t.Fatalf("no %q in %q: %v", want, &seen, err)
			}
			seen.Write(b)
		}
	}
	until("/dev/pts/")
	until("30 100")
	until("vt220")
	if err := c.Resize(50, 120); err != nil {
		t.Fatal(err)
	}
	// The shell, which has its trap by now, runs it after a read, which that may
	// interrupt. Size and input are not in order, so lines come until it did.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var lines sync.WaitGroup
	lines.Go(func() {
		for ctx.Err() == nil {
			fmt.Fprint(in, "line\n")
			time.Sleep(50 * time.Millisecond)
		}
	})
	until("50 120")
	cancel()
	lines.Wait()
	fmt.Fprint(in, "end\n")
	until("got end")
	fmt.Fprint(in, "\x03") // the terminal makes an interrupt of it
	rest, _ := io.ReadAll(out)
	err = c.Wait()
	var exit *ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 128+int(syscall.SIGINT) {
		t.Errorf("after Ctrl-C: %v, %q", err, rest)
	}
}

// testOrphans: process 1 reaps what has no parent any more.
func testOrphans(t *testing.T, v *VM) {
	if err := v.Command(bounded(t), "sh", "-c", "for i in $(seq 20); do (true &) ; done; (sleep 0.3 &)").Run(); err != nil {
		t.Fatal(err)
	}
	out, err := v.Command(bounded(t), "sh", "-c", "for i in $(seq 100); do grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null || exit 0; sleep 0.1; done; exit 1").Output()
	if err != nil {
		t.Errorf("zombies: %s, %v", out, err)
	}
}

func testFiles(t *testing.T, v *VM) {
	data := random(3 << 20)
	if err := v.Put(bounded(t), "/tmp/a file", bytes.NewReader(data), 0o640); err != nil {
		t.Fatal(err)
	}
	got, err := v.ReadFile(bounded(t), "/tmp/a file")
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
	}
	out, err := v.Command(bounded(t), "stat", "-c", "%a", "/tmp/a file").Output()
	if err != nil || string(out) != "640\n" {
		t.Errorf("mode %q, %v", out, err)
	}
	if _, err := v.ReadFile(bounded(t), "/nonexistent"); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := v.WriteFile(bounded(t), "/nonexistent/file", "x", 0o644); err == nil || !strings.Contains(err.Error(), "nonexistent") {
		t.Errorf("a folder that is not there: %v", err)
	}
	// A file of the kernel's.
	if err := v.WriteFile(bounded(t), "/proc/sys/kernel/hostname", "renamed", 0o644); err != nil {
		t.Error(err)
	}
	if got, err := v.ReadFile(bounded(t), "/proc/sys/kernel/hostname"); err != nil || string(got) != "renamed\n" {
		t.Errorf("%q, %v", got, err)
	}
}

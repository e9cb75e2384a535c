// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the scripts in testdata: the command line as a user sees
// it. Beyond testscript's own commands they have
//
//	listener FLAGS...   start `vchat listen` on a free port, its address in
//	                    $ADDR, its outputs in the files out and err
//	stop STATUS         end it with SIGTERM (or wait for --once), check its
//	                    status
//	status N PROGRAM... run a program that must exit with N
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Values[listenerKey{}] = &listener{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"listener": startListener,
			"stop":     stopListener,
			"status":   status,
		},
	})
}

// listener is the one of a script, which keeps it: scripts run at once.
type listener struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

type listenerKey struct{}

func startListener(ts *testscript.TestScript, neg bool, args []string) {
	out, err := os.Create(ts.MkAbs("out"))
	ts.Check(err)
	defer out.Close()
	errs, err := os.Create(ts.MkAbs("err"))
	ts.Check(err)
	defer errs.Close()
	l := ts.Value(listenerKey{}).(*listener)
	cmd, exited := exec.Command(program, append([]string{"listen", "127.0.0.1:0"}, args...)...), make(chan struct{})
	l.cmd, l.exited = cmd, exited
	l.cmd.Dir = ts.MkAbs(".")
	l.cmd.Stdout, l.cmd.Stderr = out, errs
	l.cmd.Env = append(os.Environ(), "VCHAT_PSK="+ts.Getenv("VCHAT_PSK"), "VCHAT_PASSPHRASE="+ts.Getenv("VCHAT_PASSPHRASE"))
	ts.Check(l.cmd.Start())
	go func() { cmd.Wait(); close(exited) }()
	ts.Defer(func() { cmd.Process.Kill(); <-exited })
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		said, err := os.ReadFile(errs.Name())
		ts.Check(err)
		if m := regexp.MustCompile(`listening on (\S+)\n`).FindSubmatch(said); m != nil {
			ts.Setenv("ADDR", string(m[1]))
			return
		}
		if time.Since(begin) > patience {
			ts.Fatalf("the listener does not start: %s", said)
		}
	}
}

func stopListener(ts *testscript.TestScript, neg bool, args []string) {
	l := ts.Value(listenerKey{}).(*listener)
	if !strings.Contains(strings.Join(l.cmd.Args, " "), "--once") {
		if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			ts.Fatalf("%v", err)
		}
	}
	select {
	case <-l.exited:
	case <-time.After(patience):
		ts.Fatalf("the listener does not end")
	}
	if got := strconv.Itoa(l.cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("the listener's exit status is %s, expected %s", got, args[0])
	}
}

func status(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit status %d, expected %s", code, args[0])
	}
}

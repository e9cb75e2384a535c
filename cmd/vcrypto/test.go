// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/selftest"
)

// testOptions are the flags of `vcrypto test`.
type testOptions struct {
	device   string
	cipher   cryptodev.Cipher
	alg      string
	size     int
	procs    int
	sharedFD bool
	json     bool
	child    int // this process is the child with that number
}

// testCiphers are the names --alg takes.
var testCiphers = map[string]cryptodev.Cipher{
	"aes-cbc": cryptodev.AESCBC,
	"aes-ctr": cryptodev.AESCTR,
	"aes-ecb": cryptodev.AESECB,
}

// maxTestProcs bounds --procs: more would only find the limits of the machine.
const maxTestProcs = 1000

func newTestCommand() *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test [DEVICE]",
		Short: "Encrypt, decrypt and compare over a cryptodev node",
		Long: `Test opens a cryptodev node (default ` + cryptodev.DefaultPath + `), makes a session, encrypts random
data under a random 128-bit key, compares the ciphertext with what Go's crypto
library makes of it, decrypts, compares with the data, and closes.

With --procs N it does so from N processes at once, each with its own open of
the node; with --shared-fd all of them use one descriptor that was opened
before they began. Each makes its own session in both cases.

It ends with 0 if everything was right in every process, otherwise it names
the process, the step and the reason.`,
		Example: `  vcrypto test
  vcrypto test /dev/cryptodev0 --procs 8
  vcrypto test --procs 8 --shared-fd --alg aes-ctr --size 1000001`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.device = cryptodev.DefaultPath
			if len(args) > 0 {
				o.device = args[0]
			}
			if err := o.check(); err != nil {
				return err
			}
			cmd.SilenceUsage = true
			return o.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.alg, "alg", "aes-cbc", "cipher: aes-cbc, aes-ctr or aes-ecb")
	f.IntVar(&o.size, "size", 16384, "`BYTES` to encrypt")
	f.IntVar(&o.procs, "procs", 1, "number of processes that test at once")
	f.BoolVar(&o.sharedFD, "shared-fd", false, "open the node once, before the processes begin")
	f.BoolVar(&o.json, "json", false, "print an object a process instead of text")
	f.IntVar(&o.child, "child", 0, "")
	f.MarkHidden("child")
	return cmd
}

func (o *testOptions) check() error {
	var ok bool
	if o.cipher, ok = testCiphers[o.alg]; !ok {
		return fmt.Errorf("--alg %s: there are aes-cbc, aes-ctr and aes-ecb", o.alg)
	}
	if o.procs < 1 || o.procs > maxTestProcs {
		return fmt.Errorf("--procs %d: from 1 to %d", o.procs, maxTestProcs)
	}
	if o.size < 1 || o.size > 1<<30 {
		return fmt.Errorf("--size %d: from 1 to %d bytes", o.size, 1<<30)
	}
	if b := o.cipher.BlockSize(); o.size%b != 0 {
		return fmt.Errorf("--size %d: %s takes multiples of %d bytes", o.size, o.alg, b)
	}
	return nil
}

func (o *testOptions) run(cmd *cobra.Command) error {
	if o.child > 0 {
		return o.runChild(cmd)
	}
	if o.procs > 1 || o.sharedFD {
		return o.runProcs(cmd)
	}
	out := cmd.OutOrStdout()
	report := func(s selftest.Step) {
		if s.Err != nil {
			fmt.Fprintf(out, "  ✗ %s\n", s.Name)
			return
		}
		line := fmt.Sprintf("  ✓ %-33s %9s  %s", s.Name, roundDuration(s.Took), s.Detail)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	if o.json {
		report = func(selftest.Step) {}
	} else {
		fmt.Fprintf(out, "%s: %s, 128-bit key, %d bytes\n", o.device, o.alg, o.size)
	}
	r := o.testOnce(report)
	if o.json {
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return err
		}
	}
	if !r.OK {
		return fmt.Errorf("%s failed: %s", o.device, r.Error)
	}
	if !o.json {
		fmt.Fprintf(out, "✓ %s works\n", o.device)
	}
	return nil
}

// testResult is what a process found, and what --json prints.
type testResult struct {
	Device   string     `json:"device"`
	Process  int        `json:"process"` // from 1
	PID      int        `json:"pid"`
	SharedFD bool       `json:"shared_fd"`
	Alg      string     `json:"alg"`
	Bytes    int        `json:"bytes"`
	Driver   string     `json:"driver,omitempty"`
	OK       bool       `json:"ok"`
	Error    string     `json:"error,omitempty"` // begins with the step that failed
	Steps    []testStep `json:"steps"`
}

type testStep struct {
	Name string  `json:"name"`
	US   float64 `json:"us"` // microseconds
}

func (r *testResult) took() time.Duration {
	var us float64
	for _, s := range r.Steps {
		us += s.US
	}
	return time.Duration(us * float64(time.Microsecond))
}

// testOnce is the test of one process.
func (o *testOptions) testOnce(report func(selftest.Step)) *testResult {
	r := &testResult{Device: o.device, Process: max(o.child, 1), PID: os.Getpid(), SharedFD: o.sharedFD, Alg: o.alg, Bytes: o.size}
	open := func() (*cryptodev.Device, error) { return cryptodev.Open(o.device) }
	if o.sharedFD {
		open = func() (*cryptodev.Device, error) { return cryptodev.FromFD(sharedTestFD, o.device) }
	}
	err := selftest.Run(open, o.cipher, o.size, func(s selftest.Step) {
		if s.Detail != "" {
			r.Driver = s.Detail
		}
		r.Steps = append(r.Steps, testStep{s.Name, float64(s.Took.Nanoseconds()) / 1000})
		report(s)
	})
	r.OK = err == nil
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// sharedTestFD is where a child finds the descriptor of --shared-fd: the
// first after the standard three.
const sharedTestFD = 3

// runChild waits until the parent closes the pipe that is standard input, so
// that all children begin together, and writes its result as JSON. A failed
// test is no failure of this process.
func (o *testOptions) runChild(cmd *cobra.Command) error {
	if _, err := io.Copy(io.Discard, cmd.InOrStdin()); err != nil {
		return fmt.Errorf("wait for the parent: %w", err)
	}
	return json.NewEncoder(cmd.OutOrStdout()).Encode(o.testOnce(func(selftest.Step) {}))
}

// runProcs starts the processes and gathers their results.
func (o *testOptions) runProcs(cmd *cobra.Command) error {
	// What is wrong for all of them is said once.
	dev, err := cryptodev.Open(o.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	shared, err := dev.File()
	if err != nil {
		return err
	}
	defer shared.Close()

	out := cmd.OutOrStdout()
	how := "each with its own open of the node"
	if o.sharedFD {
		how = "all with the same open file"
	}
	if !o.json {
		fmt.Fprintf(out, "%s: %s, 128-bit key, %d bytes, %d processes at once, %s\n", o.device, o.alg, o.size, o.procs, how)
	}
	results, err := o.startChildren(cmd, shared)
	if err != nil {
		return err
	}
	var failed []string
	for range o.procs {
		r := <-results
		if !r.OK {
			failed = append(failed, fmt.Sprintf("process %d: %s", r.Process, r.Error))
		}
		switch {
		case o.json:
			if err := json.NewEncoder(out).Encode(r); err != nil {
				return err
			}
		case r.OK:
			fmt.Fprintf(out, "  ✓ process %-3d pid %-7d %9s  %s\n", r.Process, r.PID, roundDuration(r.took()), r.Driver)
		default:
			fmt.Fprintf(out, "  ✗ process %-3d pid %-7d %s\n", r.Process, r.PID, r.Error)
		}
	}
	if failed != nil {
		return fmt.Errorf("%s: %d of %d processes failed:\n  %s", o.device, len(failed), o.procs, strings.Join(failed, "\n  "))
	}
	if !o.json {
		fmt.Fprintf(out, "✓ %s works from %d processes\n", o.device, o.procs)
	}
	return nil
}

// startChildren starts this program once for each process and lets all of
// them go at the same moment. Each sends one result.
func (o *testOptions) startChildren(cmd *cobra.Command, shared *os.File) (<-chan *testResult, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start it again: %w", err)
	}
	wait, start, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the pipe that starts the processes: %w", err)
	}
	defer start.Close() // now they go
	defer wait.Close()

	results := make(chan *testResult, o.procs)
	for i := range o.procs {
		args := append(strings.Fields(cmd.CommandPath())[1:],
			"--alg", o.alg, "--size", fmt.Sprint(o.size), "--child", fmt.Sprint(i+1))
		if o.sharedFD {
			args = append(args, "--shared-fd")
		}
		c := exec.CommandContext(cmd.Context(), self, append(args, "--", o.device)...)
		c.Stdin, c.Stderr = wait, cmd.ErrOrStderr()
		if o.sharedFD {
			c.ExtraFiles = []*os.File{shared} // the child's sharedTestFD
		}
		var text strings.Builder
		c.Stdout = &text
		if err := c.Start(); err != nil {
			results <- &testResult{Process: i + 1, Error: fmt.Sprintf("start: %v", err)}
			continue
		}
		go func() {
			err := c.Wait()
			r := new(testResult)
			if bad := json.Unmarshal([]byte(text.String()), r); err != nil || bad != nil {
				r = &testResult{Process: i + 1, PID: c.Process.Pid, Error: fmt.Sprintf("ended without a result: %v", errors.Join(err, bad))}
			}
			results <- r
		}()
	}
	return results, nil
}

// roundDuration makes a duration short enough to read.
func roundDuration(d time.Duration) time.Duration {
	switch {
	case d > 100*time.Millisecond:
		return d.Round(time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}

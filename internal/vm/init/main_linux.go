// SPDX-License-Identifier: Apache-2.0

// Program init is process 1 of the guests that package vm boots.
//
// Process 1 mounts the usual file systems, loads the kernel modules and sets up
// the network as the boot file says, and then does what only process 1 can:
// reap the orphans. Everything else is done by a second process of the same
// program, the agent, which runs commands for the host. They are two so that
// the one may reap any process while the other waits for its own children.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"vcrypto/internal/vm/proto"
)

// agentArg tells the program that it is the agent, and not process 1.
const agentArg = "--agent"

// problemsEnv carries what went wrong during setup to the agent, which tells the host.
const problemsEnv = "VCRYPTO_BOOT_PROBLEMS"

func main() {
	if len(os.Args) == 2 && os.Args[1] == agentArg {
		fatal("the agent ended", runAgent())
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "vcrypto-init is the first process of a vcrypto VM and of no use elsewhere; see vcrypto vm --help")
		os.Exit(2)
	}
	os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
	os.Setenv("HOME", "/root")
	os.Setenv("TERM", "linux")

	problems := setUp()
	for _, p := range problems {
		complain(p)
	}
	os.Setenv(problemsEnv, strings.Join(problems, "\n"))
	agent, err := os.StartProcess("/init", []string{"/init", agentArg}, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Env:   os.Environ(),
	})
	if err != nil {
		fatal("starting the agent", err)
	}
	reap(agent.Pid)
}

// setUp makes a plain Linux system of the bare kernel. It goes on after a
// failure: an agent that can tell of it is worth more than a silent guest.
func setUp() (problems []string) {
	note := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	for _, err := range mountAll() {
		note(err)
	}
	var boot proto.Boot
	text, err := os.ReadFile(proto.BootFile)
	if err == nil {
		err = json.Unmarshal(text, &boot)
	}
	if err != nil {
		note(fmt.Errorf("reading the boot file %s: %w", proto.BootFile, err))
		return problems
	}
	if boot.Hostname != "" {
		note(os.NewSyscallError("sethostname", unix.Sethostname([]byte(boot.Hostname))))
	}
	for _, m := range boot.Modules {
		note(loadModule(m))
	}
	for _, m := range boot.Mounts {
		note(mountShare(m))
	}
	note(linkUp("lo", ""))
	for _, n := range boot.NICs {
		note(configure(n))
	}
	return problems
}

// reap waits for every process that has no parent left, until the agent ends.
func reap(agent int) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			fatal("waiting for processes", err)
		case pid == agent:
			fatal("running the agent", fmt.Errorf("it ended with status %#x", uint32(status)))
		}
	}
}

// complain writes a line to the kernel's log, where the host sees it.
func complain(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		// <3> is KERN_ERR: shown on the console at any usual log level.
		if err := os.WriteFile("/dev/kmsg", []byte("<3>vcrypto-init: "+line+"\n"), 0); err != nil {
			fmt.Fprintln(os.Stderr, "vcrypto-init: "+line)
		}
	}
}

// fatal ends the guest: without its init or agent it is of no use.
func fatal(what string, err error) {
	complain(fmt.Sprintf("fatal: %s: %v", what, err))
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	os.Exit(1)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// proc returns what a file of /proc says of a process.
func proc(t *testing.T, pid int, file string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mapping is one of /proc/PID/smaps.
type mapping struct {
	name, access string
	flags        []string
}

func mappings(t *testing.T, pid int) (all []mapping) {
	t.Helper()
	for line := range strings.Lines(proc(t, pid, "smaps")) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 5 && strings.Contains(f[0], "-"):
			all = append(all, mapping{access: f[1], name: strings.Join(f[5:], " ")})
		case f[0] == "VmFlags:":
			all[len(all)-1].flags = f[1:]
		}
	}
	return all
}

// mayLock reports whether this process, and what it starts, may lock what it
// likes.
func mayLock() bool {
	var limit unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit)
	b, _ := os.ReadFile("/proc/self/status")
	_, caps, _ := strings.Cut(string(b), "CapEff:")
	effective, _ := strconv.ParseUint(strings.Fields(caps)[0], 16, 64)
	return limit.Max == unix.RLIM_INFINITY || effective&(1<<unix.CAP_IPC_LOCK) != 0
}

// TestMemoryIsKept looks at a device's process from outside while it has a
// session: all memory it may write to is locked, but for the guest's, which is
// not in core files, and there are no core files. Where memory may not be
// locked the log says so.
func TestMemoryIsKept(t *testing.T) {
	dir := t.TempDir()
	d := startProgram(t, "serve", "--config", settings(t, dir, strings.ReplaceAll(deviceA, `default = "gocrypto"`, `default = "auto"`)))
	g := connect(t, dir+"/a", 1)
	session := g.session()
	g.works(session)
	pid := d.pid("a")

	if limit := proc(t, pid, "limits"); !strings.Contains(strings.Join(strings.Fields(limit), " "), "Max core file size 0 0 bytes") {
		t.Errorf("limits are\n%s", limit)
	}
	guests, locked := 0, 0
	for _, m := range mappings(t, pid) {
		has := func(flag string) bool { return slices.Contains(m.flags, flag) }
		switch {
		case strings.Contains(m.name, "memfd:"):
			guests++
			if has("lo") || !has("dd") {
				t.Errorf("the guest's memory has flags %v", m.flags)
			}
		case strings.HasPrefix(m.name, "/") || strings.HasPrefix(m.name, "[v") || !strings.Contains(m.access, "w"):
			// Programs and what the kernel lends.
		case has("lo"):
			locked++
		case mayLock():
			t.Errorf("memory at %q is not locked: %v", m.name, m.flags)
		}
	}
	if guests == 0 {
		t.Error("the guest's memory was not found")
	}
	const warning = "memory that holds keys cannot be locked"
	if mayLock() {
		if locked == 0 || !strings.Contains(proc(t, pid, "status"), "VmLck:") || strings.Contains(d.said(), warning) {
			t.Errorf("%d mappings are locked, and the log says\n%s", locked, d.said())
		}
	} else {
		d.says(warning, 1)
	}
	g.works(session)
	d.end()
}

// TestNobodyReadsMemory: another process of the user that a device runs as
// cannot read its memory, as it can that of one that was told to allow it; and
// without the right to lock memory it is served all the same.
func TestNobodyReadsMemory(t *testing.T) {
	const nobody = 65534
	as := &syscall.SysProcAttr{}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		// Where such a user can come to it.
		program := filepath.Join(dir, "vcrypto")
		if b, err := exec.Command("cp", self, program).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		self = program
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, open := range []bool{false, true} {
		socket := fmt.Sprintf("%s/%t", dir, open)
		cmd := exec.Command(self, "serve", "--engine=gocrypto", "--socket-path="+socket, fmt.Sprintf("--dumpable=%t", open))
		cmd.SysProcAttr = as
		d := runProgram(t, cmd)
		d.says("msg=serving", 1)
		look := exec.Command("cat", fmt.Sprintf("/proc/%d/maps", cmd.Process.Pid))
		look.SysProcAttr = as
		out, err := look.CombinedOutput()
		if open != (err == nil) || open != strings.Contains(string(out), "[stack]") {
			t.Errorf("dumpable %t, its memory as another process sees it: %v, %.200s", open, err, out)
		}
		g := connect(t, socket, 1)
		g.works(g.session())
		g.close()
		d.end()
	}
}

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	"vcrypto/internal/vm"
)

// TestCUSE: /dev/crypto from a program, without a driver of ours and without
// a device. The driver's own tests of the API pass on it.
func TestCUSE(t *testing.T) {
	v := boot(t, vm.Config{CPUs: 2, Modules: []string{"cuse"}, Files: cuseFiles(t)})
	d := startCUSE(t, v)
	if nodes := run(t, v, "ls", "-l", "/dev/crypto"); !strings.HasPrefix(nodes, "crw-rw-rw-") {
		t.Errorf("node: %s", nodes)
	}
	useCUSE(t, v, true)
	if out, err := try(t, v, "vcrypto", "cuse"); err == nil || !strings.Contains(out, "there already") {
		t.Errorf("a second one: %v, %q", err, out)
	}
	run(t, v, "sh", "-c", "kill -TERM $(pidof vcrypto)")
	if err := d.Wait(); err != nil {
		t.Errorf("vcrypto cuse: %v", err)
	}
	if out, err := try(t, v, "ls", "/dev/crypto"); err == nil {
		t.Errorf("the node stayed: %s", out)
	}

	// One that dies under its callers: they get an error, and nobody hangs.
	startCUSE(t, v)
	busy := v.Command(t.Context(), "vcrypto", "speed", "--time", "1h", "--size", "512")
	var said output
	busy.Stdout, busy.Stderr = &said, &said
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	said.waitFor(t, "cbc")
	run(t, v, "sh", "-c", "for p in $(pidof vcrypto); do if grep -q cuse /proc/$p/cmdline; then kill -KILL $p; fi; done")
	if err := busy.Wait(); err == nil {
		t.Errorf("a caller ended well: %s", said.String())
	}
	cleanLog(t, v)
}

// cuseFiles are what a guest needs for vcrypto cuse and useCUSE.
func cuseFiles(t *testing.T) []vm.File {
	t.Helper()
	files := []vm.File{{Host: built(t, "vcrypto"), Guest: "/usr/bin/vcrypto"}}
	for _, name := range []string{"abi", "api", "compat", "modes", "async"} {
		files = append(files, driverTest(t, name))
	}
	return files
}

// useCUSE runs on /dev/crypto of vcrypto cuse what is run on a driver's, with an
// engine that has all that the API has: everything, or what depends on the engine.
func useCUSE(t *testing.T, v *vm.VM, everything bool) {
	t.Helper()
	commands := [][]string{
		{"vcrypto", "test", "--procs", "8"},
		{"/tests/modes", "--cuse", "--require-all"},
	}
	if everything {
		commands = append(commands, [][]string{
			{"vcrypto", "test"},
			{"vcrypto", "test", "--procs", "8", "--shared-fd"},
			{"vcrypto", "test", "--size", "3145728"},
			{"/tests/abi"},
			{"/tests/api", "--cuse", "--require-all"},
			{"/tests/compat", "--cuse"},
			{"vcrypto", "speed", "--async", "--time", "20ms", "--size", "512,65536"},
			{"vcrypto", "test"},
		}...)
	}
	if testAll {
		commands = append(commands, []string{"/tests/async", "--cuse", "--quick"})
	}
	for _, command := range commands {
		if out, err := try(t, v, command[0], command[1:]...); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, failures(out))
		}
	}
}

// startCUSE has the guest make /dev/crypto by vcrypto cuse.
func startCUSE(t *testing.T, v *vm.VM, args ...string) *vm.Cmd {
	t.Helper()
	d := v.Command(t.Context(), "vcrypto", append([]string{"cuse"}, args...)...)
	log := new(output)
	d.Stdout, d.Stderr = log, log
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("vcrypto cuse:\n%s", log)
		}
	})
	log.waitFor(t, "msg=serving")
	return d
}

// failures returns what a test program said that is not good.
func failures(out string) string {
	var bad []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "ok ") {
			bad = append(bad, line)
		}
	}
	return tail(strings.Join(bad, ""), 40)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUnit has systemd read the unit of docs, and the program the command line
// that is in it.
func TestUnit(t *testing.T) {
	b, err := os.ReadFile("../../docs/vcrypto.service")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const installed = "/usr/local/bin/vcrypto"
	commands := regexp.MustCompile(`(?m)^Exec\w+=`+installed+` (.*)$`).FindAllStringSubmatch(string(b), -1)
	if len(commands) != 2 {
		t.Fatalf("the unit runs %q", commands)
	}
	for _, c := range commands {
		line := strings.ReplaceAll(c[1], "/etc/vcrypto.toml", "../../docs/vcrypto.toml")
		if !strings.Contains(line, "--check-config") {
			line += " --check-config"
		}
		cmd := exec.Command(self, strings.Fields(line)...)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("vcrypto %s: %v\n%s", line, err, out)
		}
	}

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd here to read the unit")
	}
	unit := filepath.Join(t.TempDir(), "vcrypto.service")
	text := strings.ReplaceAll(string(b), installed, self)
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	verify := func() string {
		// It exits with 0 where it only warns of keys that it does not know.
		out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
		if err != nil {
			return err.Error() + ": " + string(out)
		}
		return string(out)
	}
	if out := verify(); strings.Contains(out, "vcrypto.service") {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	// A mistake would be found.
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, "LimitMEMLOCK=infinity", "LimitMEMLOCK=lots")), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := verify(); !strings.Contains(out, "Failed to parse") {
		t.Errorf("a limit that is none passes: %s", out)
	}
}

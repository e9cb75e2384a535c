// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDemo runs the demo, which checks each of its steps: the chats among
// host and VMs, and what of them can be read on the wire.
func TestDemo(t *testing.T) {
	cmd := exec.Command("go", "run", "./internal/demo")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "All of it worked") {
		t.Errorf("the demo: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "✗") {
		t.Errorf("a step of the demo failed, but the demo did not:\n%s", out)
	}
}

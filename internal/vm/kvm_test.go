// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhyNoKVM: each reason has its own words, and a fix.
func TestWhyNoKVM(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	node := file("kvm", "")
	for _, test := range []struct{ node, cpuinfo, want string }{
		{node, file("intel", "processor : 0\nflags\t: fpu vmx sse\n"), ""},
		{node, file("amd", "processor : 0\nflags\t: fpu svm\n"), ""},
		{node, file("nested", "processor : 0\nflags\t: fpu vmx2 sse\nbugs : svm\n"), "no virtualization"},
		{filepath.Join(dir, "none"), file("any", "flags : vmx\n"), "there is no "},
		{dir, file("any", "flags : vmx\n"), "is a directory"},
	} {
		why, fix := kvmProblem(test.node, test.cpuinfo)
		if (why == "") != (test.want == "") || !strings.Contains(why, test.want) || (why != "") != (fix != "") {
			t.Errorf("%s, %s: %q, fix %q; want %q", test.node, test.cpuinfo, why, fix, test.want)
		}
	}
}

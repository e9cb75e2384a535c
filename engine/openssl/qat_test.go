// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo && amd64

package openssl

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/cpu"
)

// inTrixie runs tests of this program again, with the libraries that
// scripts/fetch-qatengine unpacks. Their OpenSSL is newer, but of the same ABI.
func inTrixie(t *testing.T, preload string, environment []string, args ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("downloads packages of another suite")
	}
	fetch := exec.Command("../../scripts/fetch-qatengine")
	fetch.Stderr = os.Stderr
	out, err := fetch.Output()
	if err != nil {
		t.Fatalf("scripts/fetch-qatengine: %v", err)
	}
	libraries := filepath.Join(strings.TrimSpace(string(out)), "root/usr/lib/x86_64-linux-gnu")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	loader := []string{"--inhibit-cache", "--library-path", libraries}
	if preload != "" {
		loader = append(loader, "--preload", preload)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(libraries, "ld-linux-x86-64.so.2"),
		append(append(loader, self, "-test.v"), args...)...)
	cmd.Env = append(os.Environ(), append(environment, "OPENSSL_ENGINES="+libraries+"/engines-3", "OPENSSL_MODULES="+libraries+"/ossl-modules")...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the tests failed: %v\n%s", err, output)
	}
	if bytes.Count(output, []byte("--- PASS")) == 0 {
		t.Errorf("no test ran:\n%s", output)
	}
	return string(output)
}

// TestNewerOpenSSL runs all tests with a newer OpenSSL than this program was
// built with.
func TestNewerOpenSSL(t *testing.T) {
	inTrixie(t, "", nil, "-test.skip", "Leak|NewerOpenSSL|QATEngine")
}

// TestQATEngine has qatengine do RSA, in the mode that needs no hardware, and
// sees that requests reach it together.
func TestQATEngine(t *testing.T) {
	if !cpu.X86.HasAVX512IFMA || !cpu.X86.HasAVX512VAES {
		t.Skip("qatengine's software mode needs a CPU with AVX512-IFMA and VAES")
	}
	preload := filepath.Join(t.TempDir(), "qat.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", preload, "testdata/qat.c", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	use := []string{engineVariable + "=qatengine"}
	inTrixie(t, preload, use, "-test.run", "^Test(HasEverything|SelfTest|Depth|PoolLoad|Turns|RSARaw|RSAPKCS1|AEADs)$")

	// Alone, as it waits the less for company the less it had of it.
	output := inTrixie(t, preload, use, "-test.run", "^TestLongWorkDelaysNothing$")
	calls, full := 0, 0
	for line := range strings.Lines(output) {
		if _, n, ok := strings.Cut(strings.TrimSpace(line), "qat lanes "); ok {
			calls++
			if lanes, err := strconv.Atoi(n); err == nil && lanes == 8 {
				full++
			}
		}
	}
	if full == 0 {
		t.Errorf("of %d calls of qatengine's multi-buffer library none had all lanes full", calls)
	}
}

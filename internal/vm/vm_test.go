// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMain builds the guest's init once, as the Makefile does.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "vcrypto-vm-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		init := filepath.Join(dir, "vcrypto-init")
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", init, "./init")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64", "GOOS=linux")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the guest's init: %v\n%s", err, out)
			return 1
		}
		os.Setenv("VCRYPTO_INIT", init)
		return m.Run()
	}())
}

// bootTimeout is generous: it only has to end a test that hangs.
const bootTimeout = 3 * time.Minute

// boot starts a guest that is closed at the end of the test.
func boot(t *testing.T, c Config) *VM {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	v, err := Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func TestBoot(t *testing.T) {
	start := time.Now()
	v := boot(t, Config{})
	t.Logf("booted in %v", time.Since(start))
	out, err := v.Command(t.Context(), "uname", "-a").Output()
	t.Logf("%s %v", out, err)
	start = time.Now()
	out, err = v.Command(t.Context(), "true").Output()
	t.Logf("true took %v", time.Since(start))
	out, err = v.Command(t.Context(), "dmesg").Output()
	t.Logf("%s %v", out, err)
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vcrypto/engine"
	_ "vcrypto/engine/gocrypto"
	_ "vcrypto/engine/ipsecmb"
	_ "vcrypto/engine/openssl"
)

var buildDir string // of the program, for all tests

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "vcrypto-bench"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(buildDir)
	os.Exit(code)
}

// available are the engines that can be opened here.
func available() (names []string) {
	for _, d := range engine.Drivers() {
		if d.Rank > 0 && d.Probe(engine.Options{}) == nil {
			names = append(names, d.Name)
		}
	}
	return names
}

var build = sync.OnceValues(func() (string, error) {
	program := filepath.Join(buildDir, "vcrypto")
	// The engines that are built into this test are built into the program.
	tags := strings.Join(available(), " ")
	out, err := exec.Command("go", "build", "-tags", tags, "-o", program, "vcrypto/cmd/vcrypto").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building vcrypto: %w\n%s", err, out)
	}
	return program, nil
})

// program is vcrypto: what VCRYPTO_TEST_DAEMON names, or a fresh one.
func program(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("VCRYPTO_TEST_DAEMON"); p != "" {
		return p
	}
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start starts a daemon and all that loads it, until the test ends.
func start(t *testing.T, c DeviceCase) *deviceBench {
	t.Helper()
	b, err := openDevice(t.Context(), program(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	if err := b.verify(); err != nil {
		t.Fatal(err)
	}
	return b
}

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vcrypto/internal/vm"
)

// afalgModules are those of Debian's kernels that engine afalg needs, for all that
// it may have. No kernel has all of them: names change, and some are built in.
var afalgModules = []string{
	"algif_skcipher", "algif_hash", "algif_aead",
	"aes_generic", "ecb", "ctr", "xts", "cmac", "gcm", "ghash-generic", "ccm",
	"sha512_generic", "sha3_generic", "sha3", "des_generic",
	"chacha20poly1305", "chacha_generic", "chacha", "poly1305_generic",
}

// modulesOf returns those of the modules that a kernel has as files.
func modulesOf(t *testing.T, k vm.Kernel, names []string) (have []string) {
	t.Helper()
	err := filepath.WalkDir(k.Modules, func(path string, d fs.DirEntry, err error) error {
		name, _, ok := strings.Cut(filepath.Base(path), ".ko")
		if ok && slices.Contains(names, name) {
			have = append(have, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// TestAFALG: the engine that works through the kernel's crypto API, in a guest:
// few hosts that tests run on have it. There its own tests run, a daemon serves a
// device with it, and the API's tests pass on a node that it does the ciphers of.
func TestAFALG(t *testing.T) {
	own, err := vm.FindKernel("", "")
	if err != nil {
		t.Fatal(err)
	}
	if !testAll {
		testAFALG(t, own, false)
		return
	}
	t.Run("default", func(t *testing.T) { testAFALG(t, own, true) })
	for _, version := range []string{"6.12", "7.2"} {
		t.Run(version, func(t *testing.T) { testAFALG(t, findKernel(t, version), true) })
	}
}

// testAFALG is TestAFALG on a kernel: everything, or what takes little time.
func testAFALG(t *testing.T, k vm.Kernel, everything bool) {
	tests := []string{"engine/afalg"}
	if everything {
		tests = append(tests, "virtiocrypto")
	}
	v := boot(t, vm.Config{
		Kernel:  k,
		CPUs:    2,
		Modules: append(modulesOf(t, k, afalgModules), "cuse"),
		Files:   append(cuseFiles(t), testBinaries(t, tests...)...),
	})
	// A session has two file descriptors, and a test thousands of sessions.
	const test = "ulimit -n 20000 && VCRYPTO_TEST_AFALG=1 /tests/engine-afalg.test -test.v"
	if everything {
		// Each part is a command, so that a failure is easily found.
		for _, part := range []string{"Published", "Lengths", "Big", "ManyKeys"} {
			runTests(t, v, test+" -test.run TestConformance/"+part)
		}
		runTests(t, v, test+" -test.skip 'TestConformance/(Published|Lengths|Big|ManyKeys)'")
		runTests(t, v, "VCRYPTO_TEST_ENGINE=afalg VCRYPTO_TEST_DAEMON=/usr/bin/vcrypto /tests/virtiocrypto.test -test.v -test.run TestDaemon")
	} else {
		runTests(t, v, test+" -test.skip 'TestConformance/(Published|Lengths|Big|Many)'")
	}
	startCUSE(t, v, "--engine", "afalg")
	useCUSE(t, v, everything)
	cleanLog(t, v)
}

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"

	"vcrypto/internal/vm"
)

// afalgModules are those of Debian's kernel that engine afalg needs, for all that
// it may have.
var afalgModules = []string{
	"algif_skcipher", "algif_hash", "algif_aead",
	"aes_generic", "ecb", "ctr", "xts", "cmac", "gcm", "ghash_generic", "ccm",
	"sha512_generic", "sha3_generic", "chacha20poly1305", "chacha_generic", "poly1305_generic", "des_generic",
}

// TestAFALG: the engine that works through the kernel's crypto API, in a guest:
// few hosts that tests run on have it. There its own tests run, a daemon serves a
// device with it, and the API's tests pass on a node that it does the ciphers of.
func TestAFALG(t *testing.T) {
	tests := []string{"engine/afalg"}
	if testAll {
		tests = append(tests, "virtiocrypto")
	}
	v := boot(t, vm.Config{
		CPUs:    2,
		Modules: append([]string{"cuse"}, afalgModules...),
		Files:   append(cuseFiles(t), testBinaries(t, tests...)...),
	})
	// A session has two file descriptors, and a test thousands of sessions.
	const test = "ulimit -n 20000 && VCRYPTO_TEST_AFALG=1 /tests/engine-afalg.test -test.v"
	if testAll {
		// Each part is a command, which has its own time.
		for _, part := range []string{"Published", "Lengths", "Big", "ManyKeys"} {
			runTests(t, v, test+" -test.run TestConformance/"+part)
		}
		runTests(t, v, test+" -test.skip 'TestConformance/(Published|Lengths|Big|ManyKeys)'")
		runTests(t, v, "VCRYPTO_TEST_ENGINE=afalg VCRYPTO_TEST_DAEMON=/usr/bin/vcrypto /tests/virtiocrypto.test -test.v -test.run TestDaemon")
	} else {
		runTests(t, v, test+" -test.skip 'TestConformance/(Published|Lengths|Big|Many)'")
	}
	startCUSE(t, v, "--engine", "afalg")
	useCUSE(t, v, testAll)
	cleanLog(t, v)
}

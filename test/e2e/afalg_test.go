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
// few hosts that tests run on have it.
func TestAFALG(t *testing.T) {
	v := boot(t, vm.Config{
		CPUs:    2,
		Modules: afalgModules,
		Files:   append(testBinaries(t, "engine/afalg"), vm.File{Host: built(t, "vcrypto"), Guest: "/usr/bin/vcrypto"}),
	})
	// A session has two file descriptors, and a test thousands of sessions.
	runTests(t, v, "ulimit -n 20000 && VCRYPTO_TEST_AFALG=1 /tests/engine-afalg.test -test.v")
	cleanLog(t, v)
}

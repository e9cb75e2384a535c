// SPDX-License-Identifier: Apache-2.0

package classic

import (
	"slices"
	"testing"
)

func TestSpeeds(t *testing.T) {
	const output = `Testing NULL cipher: 
	Encrypting in chunks of 256 bytes: done. 12.50 MB in 0.50 secs: 25.00 MB/sec

Testing AES-128-CBC cipher: 
	Encrypting in chunks of 65536 bytes: done. 1.00 GiB in 0.50 secs: 2.00 GiB/sec
	Encrypting in chunks of 131072 bytes: ioctl(CIOCASYNCCRYPT): Input/output error
`
	want := []Speed{
		{"NULL cipher", 256, 25e6},
		{"AES-128-CBC cipher", 65536, 2 << 30},
	}
	if got := speeds(output); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Programs that say so when something is wrong, and end with a code of 0.
func TestTrouble(t *testing.T) {
	for _, line := range []string{
		"HMAC test 1: failed",
		"FAIL: Decrypted data are different from the input data.",
		"\tEncrypting in chunks of 512 bytes: ioctl(CIOCCRYPT): Input/output error",
		"poll(): Interrupted system call",
	} {
		if !trouble.MatchString(line) {
			t.Errorf("%q is taken for a success", line)
		}
	}
	for _, line := range []string{
		"requested hash CRYPTO_SHA1, got sha1 with driver virtio-cryptodev-sha1",
		"Computing digest using update/copy/final with different texts",
		"AES Test passed",
	} {
		if trouble.MatchString(line) {
			t.Errorf("%q is taken for a failure", line)
		}
	}
}

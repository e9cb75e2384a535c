// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package bench

import (
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/ipsecmb"
)

// TestEngineTable prints the engine's rates beside the raw ones.
func TestEngineTable(t *testing.T) {
	e, err := ipsecmb.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, d := range []engine.Direction{engine.Encrypt, engine.Decrypt} {
		for _, size := range []int{64, 256, 1024, 4096, 16384, 65520} {
			r, err := Engine(t.Context(), e, Case{Algorithm: engine.AESCBC, Direction: d, Size: size, Depth: 256}, Rounds{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s %6d B: engine %7.2f M/s %6.2f GB/s %6.1f ns, raw %7.2f M/s %6.2f GB/s %6.1f ns, ratio %.3f",
				d, size, r.Requests/1e6, r.GBps(r.Requests), 1e9/r.Requests, r.Raw/1e6, r.GBps(r.Raw), 1e9/r.Raw, r.Ratio)
		}
	}
}

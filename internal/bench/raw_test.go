// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package bench

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/ipsecmb"
)

// TestRawDoesTheSame: what the engine and the raw loop leave in memory is the
// same, for every kind of work that the loop has.
func TestRawDoesTheSame(t *testing.T) {
	e, err := ipsecmb.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, a := range []engine.Algorithm{engine.AESCBC, engine.AESCTR, engine.AESGCM} {
		for _, keySize := range a.KeySizes() {
			for _, d := range []engine.Direction{engine.Encrypt, engine.Decrypt} {
				for _, size := range []int{16, 64, 4096, 65536, 131072} {
					c := Case{Algorithm: a, Direction: d, KeySize: keySize, Keys: 3, Size: size, Depth: 21}
					t.Run(fmt.Sprintf("%s/%d/%s/%d", a, keySize, d, size), func(t *testing.T) { compareRaw(t, e, c) })
				}
			}
		}
	}
}

func compareRaw(t *testing.T, e engine.Engine, c Case) {
	b, err := newEngineBench(e, c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if b.noRaw != nil {
		t.Fatal(b.noRaw)
	}
	dst := b.memory[c.Depth*c.Size:]
	if _, err := b.raw.Run(1); err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(dst)
	clear(dst)
	if _, err := b.run(1); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dst, want) {
		t.Error("the raw loop's results are not the engine's")
	}
}

// TestEngineRates measures a little of everything, and that what comes out can
// be: it says nothing of how fast.
func TestEngineRates(t *testing.T) {
	e, err := ipsecmb.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, a := range []engine.Algorithm{engine.AESCBC, engine.AESCTR, engine.AESGCM, engine.HMACSHA256, engine.SHA256, engine.AESECB} {
		r, err := Engine(t.Context(), e, Case{Algorithm: a, Direction: engine.Encrypt, Size: 256, Depth: 64}, Rounds{Count: 3, Time: 100 * time.Microsecond})
		if err != nil {
			t.Errorf("%s: %v", a, err)
			continue
		}
		if r.Requests <= 0 || r.GBps(r.Requests) <= 0 {
			t.Errorf("%s: %+v", a, r)
		}
		if noRaw := a == engine.AESECB; noRaw != (r.NoRaw != nil) || noRaw != (r.Raw == 0) || noRaw != (r.Ratio == 0) {
			t.Errorf("%s: raw %v, ratio %v, error %v", a, r.Raw, r.Ratio, r.NoRaw)
		}
	}
	if _, err := Engine(t.Context(), e, Case{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Size: 17, Depth: 4}, Rounds{}); err == nil {
		t.Error("CBC of 17 bytes was measured")
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"bytes"
	"crypto"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/vectors"
)

func digest(h crypto.Hash, msg []byte) []byte {
	d := h.New()
	d.Write(msg)
	return d.Sum(nil)
}

// TestPublishedPublicKeys: what is published of public keys. The conformance
// test has the rest.
func TestPublishedPublicKeys(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 1, nil)
	files, err := vectors.Files()
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, f := range files {
		for _, v := range f.Vectors {
			if v.Params.Algorithm.Kind() != engine.PublicKey {
				continue
			}
			tested++
			s, err := e.NewSession(v.Params)
			if err != nil {
				if !v.Invalid {
					t.Errorf("%s: %v", v.Name, err)
				}
				continue
			}
			r := &engine.Request{Session: s, Op: v.Op, Src: v.In, AAD: v.AAD, Dst: make([]byte, rsaMaxBits/8)}
			if v.Op == engine.OpVerify {
				r.Dst = nil
			}
			st := do(t, w, r)
			// With implicit rejection what is invalid decrypts, to something.
			good := st == engine.OK && bytes.Equal(r.Dst[:r.N], v.Out)
			if good == v.Invalid && !(v.Unclear && st == engine.BadSignature) {
				t.Errorf("%s: status %d, %x, invalid %t", v.Name, st, r.Dst[:r.N], v.Invalid)
			}
			s.Close()
		}
	}
	if tested < 5000 {
		t.Errorf("only %d vectors", tested)
	}
}

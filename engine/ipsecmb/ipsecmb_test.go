// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package ipsecmb

import (
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB) engine.Engine {
		e, err := New()
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}

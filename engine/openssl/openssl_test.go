// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"slices"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

func open(t testing.TB) *Engine {
	t.Helper()
	e, err := New(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// covered is an engine of those algorithms that enginetest has tests for.
// Those of this package test the others.
type covered struct{ *Engine }

func (c covered) Algorithms() []engine.Support {
	return slices.DeleteFunc(c.Engine.Algorithms(), func(s engine.Support) bool {
		return s.Algorithm.Kind() != engine.Cipher || s.Algorithm == engine.AESXTS
	})
}

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB) engine.Engine { return covered{open(t)} })
}

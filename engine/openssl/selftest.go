// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import "vcrypto/engine"

func (e *Engine) selfTest() ([]engine.Support, error) {
	var all []engine.Support
	for _, a := range engine.Algorithms() {
		all = append(all, engine.Support{Algorithm: a, KeySizes: a.KeySizes()})
	}
	return all, nil
}

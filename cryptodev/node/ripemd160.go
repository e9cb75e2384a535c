// SPDX-License-Identifier: Apache-2.0

package node

import (
	"hash"
	"reflect"

	//lint:ignore SA1019 it is old, as the programs are that ask for it
	"golang.org/x/crypto/ripemd160"
)

// ripemd is RIPEMD-160, which can be copied while it runs.
type ripemd struct{ hash.Hash }

func newRIPEMD160() hash.Hash { return ripemd{ripemd160.New()} }

// Clone copies the running hash. The library has no way to do that; its struct
// holds all there is by value.
func (r ripemd) Clone() (hash.Cloner, error) {
	running := reflect.ValueOf(r.Hash).Elem()
	c := reflect.New(running.Type())
	c.Elem().Set(running)
	return ripemd{c.Interface().(hash.Hash)}, nil
}

// SPDX-License-Identifier: Apache-2.0

// Package rawmb is the yardstick: a plain C loop over libipsec-mb, as fast as
// the library lets a program be. Engines and the device are measured against
// it, in the same process, on the same memory.
//
// The loop has an array of requests, each with its source, destination, IV,
// length and key, and goes over it again and again: it makes the library's jobs
// of the requests, submits them as one burst, and looks at the outcome. It uses
// the fastest call that the library has for the algorithm. Nothing is checked
// and nothing is decided at run time.
//
// It is built with the tag ipsecmb; without, [New] returns an error.
package rawmb

import "vcrypto/engine"

// Config says what the loop does.
type Config struct {
	Algorithm engine.Algorithm
	Direction engine.Direction
	Depth     int      // requests in a batch
	Size      int      // bytes of each
	Src, Dst  []byte   // Depth times Size bytes each, not of Go's heap
	Keys      [][]byte // request i has key i modulo their number
	TagSize   int      // of an AEAD, in bytes
}

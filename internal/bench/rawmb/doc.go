// SPDX-License-Identifier: Apache-2.0

// Package rawmb is the yardstick: a plain C loop over libipsec-mb, as fast as
// the library lets a program be. Engines and the device are measured against
// it, in the same process, on the same memory.
//
// The loop has an array of requests, each with its source, destination, IV,
// length and key, and goes over it again and again: it makes the library's jobs
// of the requests, submits them, and looks at the outcome. Nothing is decided at
// run time.
//
// For CBC and CTR there are two forms. The plain one submits a job at a time,
// with the library's checks, as most programs that use the library do. The burst
// submits up to 256 unchecked jobs of one kind at once, which is the fastest that
// the library offers. For other algorithms both are the same: the fastest.
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
	Burst     bool     // the burst form, not the plain one
}

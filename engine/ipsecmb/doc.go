// SPDX-License-Identifier: Apache-2.0

// Package ipsecmb is the engine of Intel's multi-buffer library, libipsec-mb:
// AES in ECB, CBC, CTR, GCM and CCM, ChaCha20-Poly1305, SHA-1 and SHA-2, HMAC
// with them, and AES-CMAC.
//
// What is serial within one message, such as CBC encryption or a hash, the
// library does for up to 16 messages side by side, in the lanes of the CPU's
// vector units. That is many times as fast as one after the other, and the
// reason why package engine takes requests in batches.
//
// # Batches
//
// Submit only notes requests. Reap does them, on the caller's thread, in one
// call of C for all that are there, of whatever sessions, sizes and algorithms
// they are. Requests of one algorithm, direction and size of key share lanes.
// Which requests a call of Reap does, is this:
//
//   - What needs no lanes (CBC decryption, CTR, ECB, GCM, ChaCha20-Poly1305) it
//     does at once, and so what ends without work, such as a bad request.
//   - Of each algorithm that works in lanes, Poll does a multiple of 16
//     requests, the oldest. Up to 15 stay for company from the next batch.
//   - Flush and Wait do everything. So does Poll when the oldest request that
//     stayed did so 20 µs ago.
//
// A worker has no thread of its own: it sees that 20 µs are over when it is
// polled. Nothing is left in the library between calls.
//
// # Limits
//
// The library counts bytes of a lane in 16 bits, and blocks of a counter in 32.
// Ciphers' requests beyond that are done in pieces. For others, a request ends
// NotSupported, for another engine to do, if it is longer than 65,534 bytes
// (SHA, HMAC, CMAC, CCM), or if CCM's additional data is longer than 46 bytes.
// AES-192 has no CMAC and no CCM.
//
// # Memory
//
// C reads requests where Go has them, and the library reads and writes Src,
// Dst, AAD, IV and Tag in place, all only while Reap runs. Pinning each of
// these would cost more than the cryptography does for a short request. It is
// not needed: the worker keeps requests, and requests keep their memory, from
// being freed; Go does not move what is on its heap; and nothing that a
// request names may be on a stack (see [vcrypto/engine.Request]), where it
// cannot be anyhow if it got here through an interface.
//
// Expanded keys are in memory of their own, locked as far as the process's
// limit allows, absent from core files, and zeroed when a session is closed.
//
// # Building
//
// The engine needs cgo, libipsec-mb 1.3 or later with its header, and the build
// tag ipsecmb, which the Makefile sets where they are there. Without them the
// program builds too, and says what is missing when asked for the engine.
package ipsecmb

const (
	name  = "ipsecmb"
	about = "Intel's multi-buffer library: many requests at once, in vector lanes"
	rank  = 100
)

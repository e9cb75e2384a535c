// SPDX-License-Identifier: Apache-2.0

// Package openssl is the engine of OpenSSL's libcrypto, 3.0 or later: all that
// the device can carry, and the only engine of raw RSA. What
// OpenSSL itself hands on, to hardware or to another library, is reached
// through it: see Providers.
//
// # Symmetric and long work
//
// Ciphers, hashes, MACs and AEADs are done in Submit, on the caller's thread,
// in one call of C for the whole batch. RSA and ECDSA take from tens of
// microseconds to tens of milliseconds. They go to a pool of up to four
// threads, which all workers of the engine share, in turns; Submit only notes
// them, as many as the worker's depth allows, and Reap returns those that are
// done. Neither waits for the pool, but for Reap in mode Wait; the worker's
// Wake function is called when one is ready.
//
// # Choices where standards leave one
//
//   - AES-XTS takes 16 bytes to 16 MiB (2^20 blocks, SP 800-38E). A key whose
//     halves are the same is refused for encryption, by OpenSSL.
//   - AES-GCM takes nonces of 1 to 16 bytes; one of 16 bytes is a nonce of that
//     length (it passes GHASH), not a counter block. AES-CCM takes nonces of 7
//     to 13 bytes, and no more text than what the nonce leaves for its length.
//   - RSA: keys of 512 to 8192 bits with two primes, in DER without anything
//     behind them. A private key does the public operations too.
//   - RSA raw: Src is a number below the modulus, without its leading zeros if
//     need be; Dst gets as many bytes as the modulus has. It encrypts and
//     decrypts only.
//   - RSA PKCS #1 v1.5: Src to sign is the digest; without a hash in the session
//     it is what stands in DigestInfo's place. What does not decrypt ends
//     Failed before OpenSSL 3.2, where implicit rejection came: from then on it
//     decrypts to random bytes, so that nobody can use the answer as an oracle.
//     The library's own work takes constant time in both.
//   - ECDSA: a private key is a scalar of up to the field's length, big-endian.
//     Src is the digest, 1 to 64 bytes, of which as many bits count as the order
//     has. A signature is the DER form of RFC 3279 section 2.2.3, as Linux's
//     ecdsa algorithms have it. Dst must have room for the longest one: 56, 64,
//     72, 104 and 139 bytes for P-192, P-224, P-256, P-384 and P-521.
//
// # Providers
//
// [engine.Options] has a configuration file, a provider, a property query and
// an ENGINE. Providers are loaded into a library context of this engine alone.
// A legacy ENGINE becomes the default of the whole process, until that ends;
// OpenSSL 4.0 has them no longer. With one or the other, public-key requests run as OpenSSL's
// asynchronous jobs, up to 16 at once a thread: hardware gets them all before
// the first one is done.
//
// Intel's qatengine has a software mode, with which this is tested. Debian's
// version 2.0.0 takes it on CPUs that call themselves Intel's only, and has
// faults: a session with an ECDSA private key of 1 fails, and so do RSA
// signatures close to the modulus. OpenSSL alone has none of these.
//
// # Memory
//
// C reads requests where Go has them, and the library reads and writes Src,
// Dst, AAD, IV and Tag in place, all only while a call of C runs. Pinning each
// of these would cost more than the cryptography does for a short request. It
// is not needed: the worker keeps requests, and requests keep their memory,
// from being freed; Go does not move what is on its heap; and nothing that a
// request names may be on a stack (see [vcrypto/engine.Request]). Input of
// public-key operations is copied first.
//
// OpenSSL zeroes its contexts when they are freed; our copies of keys are
// zeroed with the session.
//
// # Building
//
// The engine needs cgo, OpenSSL's header files, and the build tag openssl,
// which the Makefile sets where they are there. Without them the program builds
// too, and says what is missing when asked for the engine.
package openssl

const (
	name  = "openssl"
	about = "OpenSSL's libcrypto: everything, and what its providers reach"
	rank  = 20
)

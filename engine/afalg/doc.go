// SPDX-License-Identifier: Apache-2.0

// Package afalg is the engine that hands its work to the Linux kernel's own
// crypto API, over AF_ALG sockets. What the kernel has it has: code for the
// CPU's instructions, drivers of hardware, modules that are loaded when they
// are asked for. It needs no library and no device node.
//
//	socket ─ bind("skcipher", "cbc(aes)") ─ setsockopt(ALG_SET_KEY)   a session
//	   └ accept ─> operation socket: sendmsg(IV, source), recvmsg(destination)
//
// A session has two sockets, and so two file descriptors. The key is in the
// kernel from the moment the session is open, and nowhere else. A request is
// one sendmsg(2) and one recvmsg(2), made in Submit, during which the worker's
// thread may sleep; requests of one session are done one after the other. A
// socket on which anything went wrong is replaced before the next request: what
// it still holds is nobody's.
//
// What the kernel has of the algorithms is found out by trying when the engine
// is opened. Of XTS and AEADs it takes what fits a socket's buffers at once
// (128 KiB, if net.core.wmem_default and rmem_default are what Linux makes
// them); longer requests end NotSupported. Ciphers and hashes go in pieces. GCM
// takes nonces of 12 bytes. No SHAKE, no ARC4 (the kernel keeps it from
// programs), no public keys.
//
// The source of a request is copied by the kernel, the destination's pages are
// pinned: of memory that a guest took away a request fails.
//
// From Linux 7.2 on AF_ALG is called deprecated. There, and on some older
// kernels that a distribution keeps up, it does not use drivers of hardware any
// more.
package afalg

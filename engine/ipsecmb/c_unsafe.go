// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package ipsecmb

// #cgo LDFLAGS: -lIPSec_MB
// #cgo noescape vc_worker_run
// #cgo nocallback vc_worker_run
// #include "imb.h"
import "C"

import (
	"errors"
	"runtime"
	"unsafe"

	"vcrypto/engine"
)

type (
	cKind    = C.enum_vc_kind
	cHash    = C.enum_vc_hash
	cSession = *C.struct_vc_session
)

const (
	kindCBCEncrypt = C.VC_CBC_ENC
	kindCBCDecrypt = C.VC_CBC_DEC
	kindCTR        = C.VC_CTR
	kindECB        = C.VC_ECB
	kindHMAC       = C.VC_HMAC
	kindSHA        = C.VC_SHA
	kindCMAC       = C.VC_CMAC
	kindGCM        = C.VC_GCM
	kindCCM        = C.VC_CCM
	kindChaChaPoly = C.VC_CHACHA_POLY

	hashSHA1   = C.VC_SHA1
	hashSHA224 = C.VC_SHA224
	hashSHA256 = C.VC_SHA256
	hashSHA384 = C.VC_SHA384
	hashSHA512 = C.VC_SHA512

	lanes = C.VC_LANES
)

// C reads engine.Request: the compiler refuses these if an offset or a status
// differs.
const (
	_ = -(unsafe.Offsetof(engine.Request{}.Session) ^ unsafe.Offsetof(C.struct_vc_request{}._type))
	_ = -(unsafe.Offsetof(engine.Request{}.Src) ^ unsafe.Offsetof(C.struct_vc_request{}.src))
	_ = -(unsafe.Offsetof(engine.Request{}.Dst) ^ unsafe.Offsetof(C.struct_vc_request{}.dst))
	_ = -(unsafe.Offsetof(engine.Request{}.IV) ^ unsafe.Offsetof(C.struct_vc_request{}.iv))
	_ = -(unsafe.Offsetof(engine.Request{}.IVLen) ^ C.VC_OFFSET_IV_LEN)
	_ = -(unsafe.Offsetof(engine.Request{}.TagLen) ^ C.VC_OFFSET_TAG_LEN)
	_ = -(unsafe.Offsetof(engine.Request{}.Status) ^ C.VC_OFFSET_STATUS)
	_ = -(unsafe.Offsetof(engine.Request{}.Tag) ^ unsafe.Offsetof(C.struct_vc_request{}.tag))
	_ = -(unsafe.Offsetof(engine.Request{}.AAD) ^ unsafe.Offsetof(C.struct_vc_request{}.aad))
	_ = -(unsafe.Sizeof(engine.Request{}.IV) ^ unsafe.Sizeof(C.struct_vc_request{}.iv))
	_ = -(unsafe.Sizeof(engine.Request{}.Tag) ^ unsafe.Sizeof(C.struct_vc_request{}.tag))
	_ = -(unsafe.Offsetof(session{}.c))

	_ = -(uint(engine.OK) ^ C.VC_OK)
	_ = -(uint(engine.Failed) ^ C.VC_FAILED)
	_ = -(uint(engine.BadRequest) ^ C.VC_BAD_REQUEST)
	_ = -(uint(engine.NotSupported) ^ C.VC_NOT_SUPPORTED)
	_ = -(uint(engine.BadTag) ^ C.VC_BAD_TAG)
)

// sessionType is the first word of an interface that holds one of our
// sessions, by which C knows them.
func sessionType() uintptr {
	var s engine.Session = (*session)(nil)
	return *(*uintptr)(unsafe.Pointer(&s))
}

func cError(n C.int) error { return errors.New(C.GoString(C.vc_strerror(n))) }

func cVersion() string { return C.GoString(C.vc_version()) }

func cProbe() error {
	if n := C.vc_probe(); n != 0 {
		return cError(n)
	}
	return nil
}

// cClosed stands for a session that was closed.
var cClosed cSession = &C.vc_closed

// cPool holds sessions. Its methods must not overlap.
type cPool struct{ c *C.struct_vc_pool }

func cPoolOpen() (cPool, error) {
	var n C.int
	c := C.vc_pool_open(&n)
	if c == nil {
		return cPool{}, cError(n)
	}
	return cPool{c}, nil
}

// open returns nil if there is no memory. The key is read in the call only.
func (p cPool) open(kind cKind, encrypt bool, hash cHash, tagSize int, key []byte) cSession {
	enc := C.int(0)
	if encrypt {
		enc = 1
	}
	return C.vc_session_open(p.c, C.int(kind), enc, C.int(hash), C.int(tagSize),
		(*C.uint8_t)(unsafe.SliceData(key)), C.size_t(len(key)))
}

func (p cPool) close(s cSession) { C.vc_session_close(p.c, s) }

func (p *cPool) free() {
	if p.c != nil {
		C.vc_pool_close(p.c)
		p.c = nil
	}
}

// cWorker does batches.
type cWorker = *cWorkerOf

type cWorkerOf struct{ c *C.struct_vc_worker }

func cWorkerOpen(depth int) (cWorker, error) {
	var n C.int
	c := C.vc_worker_open(C.uint32_t(depth), C.uintptr_t(sessionType()), &n)
	if c == nil {
		return nil, cError(n)
	}
	return &cWorkerOf{c}, nil
}

func (w *cWorkerOf) close() { C.vc_worker_close(w.c) }

// run does requests, at most the worker's depth, and returns how many are
// done. If not all are, order says which.
//
// C gets the slice's address as a number: its elements point to memory that
// points to memory, none of it pinned. The package comment says why this holds.
func (w *cWorkerOf) run(reqs []*engine.Request, flush bool) int {
	f := C.int(0)
	if flush {
		f = 1
	}
	n := C.vc_worker_run(w.c, C.uintptr_t(uintptr(unsafe.Pointer(unsafe.SliceData(reqs)))), C.uint32_t(len(reqs)), f)
	runtime.KeepAlive(reqs)
	return int(n)
}

// order returns indices of the n requests of the last run: of those done, and
// behind them, in order, of those left out. It is valid until the next.
func (w *cWorkerOf) order(n int) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(C.vc_worker_order(w.c))), n)
}

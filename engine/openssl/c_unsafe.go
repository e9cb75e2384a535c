// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

// #cgo LDFLAGS: -lcrypto
// #cgo noescape vco_run
// #cgo nocallback vco_run
// #cgo noescape vco_pk_run
// #cgo nocallback vco_pk_run
// #include <stdlib.h>
// #include "ossl.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"vcrypto/engine"
)

type (
	cKind    = C.enum_vco_kind
	cSession = *C.struct_vco_session
)

const (
	kindECB        = C.VCO_ECB
	kindCBC        = C.VCO_CBC
	kindCTR        = C.VCO_CTR
	kindXTS        = C.VCO_XTS
	kindHash       = C.VCO_HASH
	kindXOF        = C.VCO_XOF
	kindHMAC       = C.VCO_HMAC
	kindCMAC       = C.VCO_CMAC
	kindGCM        = C.VCO_GCM
	kindCCM        = C.VCO_CCM
	kindChaChaPoly = C.VCO_CHACHA_POLY
	kindRSARaw     = C.VCO_RSA_RAW
	kindRSAPKCS1   = C.VCO_RSA_PKCS1
	kindECDSA      = C.VCO_ECDSA

	rsaMinBits = C.VCO_RSA_MIN_BITS
	rsaMaxBits = C.VCO_RSA_MAX_BITS

	pkBatch = C.VCO_PK_BATCH
)

// C reads engine.Request: the compiler refuses these if an offset or a value
// differs.
const (
	_ = -(unsafe.Offsetof(engine.Request{}.Session) ^ unsafe.Offsetof(C.struct_vco_request{}._type))
	_ = -(unsafe.Offsetof(engine.Request{}.Src) ^ unsafe.Offsetof(C.struct_vco_request{}.src))
	_ = -(unsafe.Offsetof(engine.Request{}.Dst) ^ unsafe.Offsetof(C.struct_vco_request{}.dst))
	_ = -(unsafe.Offsetof(engine.Request{}.IV) ^ unsafe.Offsetof(C.struct_vco_request{}.iv))
	_ = -(unsafe.Offsetof(engine.Request{}.IVLen) ^ unsafe.Offsetof(C.struct_vco_request{}.iv_len))
	_ = -(unsafe.Offsetof(engine.Request{}.TagLen) ^ unsafe.Offsetof(C.struct_vco_request{}.tag_len))
	_ = -(unsafe.Offsetof(engine.Request{}.Op) ^ unsafe.Offsetof(C.struct_vco_request{}.op))
	_ = -(unsafe.Offsetof(engine.Request{}.Status) ^ unsafe.Offsetof(C.struct_vco_request{}.status))
	_ = -(unsafe.Offsetof(engine.Request{}.Tag) ^ unsafe.Offsetof(C.struct_vco_request{}.tag))
	_ = -(unsafe.Offsetof(engine.Request{}.N) ^ unsafe.Offsetof(C.struct_vco_request{}.n))
	_ = -(unsafe.Offsetof(engine.Request{}.AAD) ^ unsafe.Offsetof(C.struct_vco_request{}.aad))
	_ = -(unsafe.Sizeof(engine.Request{}.IV) ^ unsafe.Sizeof(C.struct_vco_request{}.iv))
	_ = -(unsafe.Sizeof(engine.Request{}.Tag) ^ unsafe.Sizeof(C.struct_vco_request{}.tag))
	_ = -(unsafe.Sizeof(engine.Request{}.N) ^ unsafe.Sizeof(C.struct_vco_request{}.n))
	_ = -(unsafe.Offsetof(session{}.c))

	_ = -(uint(engine.Pending) ^ C.VCO_PENDING)
	_ = -(uint(engine.OK) ^ C.VCO_OK)
	_ = -(uint(engine.Failed) ^ C.VCO_FAILED)
	_ = -(uint(engine.BadRequest) ^ C.VCO_BAD_REQUEST)
	_ = -(uint(engine.NotSupported) ^ C.VCO_NOT_SUPPORTED)
	_ = -(uint(engine.BadTag) ^ C.VCO_BAD_TAG)
	_ = -(uint(engine.BadSignature) ^ C.VCO_BAD_SIGNATURE)

	_ = -(uint(engine.OpEncrypt) ^ C.VCO_ENCRYPT)
	_ = -(uint(engine.OpDecrypt) ^ C.VCO_DECRYPT)
	_ = -(uint(engine.OpSign) ^ C.VCO_SIGN)
	_ = -(uint(engine.OpVerify) ^ C.VCO_VERIFY)
)

// sessionType is the first word of an interface that holds one of our
// sessions, by which C knows them.
var sessionType = func() C.uintptr_t {
	var s engine.Session = (*session)(nil)
	return C.uintptr_t(*(*uintptr)(unsafe.Pointer(&s)))
}()

func cVersion() string { return C.GoString(C.vco_version()) }

// cString is nil for "".
func cString(s string) *C.char {
	if s == "" {
		return nil
	}
	return C.CString(s)
}

// cLib is the library, opened.
type cLib struct{ c *C.struct_vco_lib }

func cOpen(o engine.Options) (cLib, error) {
	co := C.struct_vco_options{
		config:     cString(o.OpenSSLConfig),
		provider:   cString(o.OpenSSLProvider),
		properties: cString(o.OpenSSLProperties),
		engine:     cString(o.OpenSSLEngine),
	}
	defer func() {
		C.free(unsafe.Pointer(co.config))
		C.free(unsafe.Pointer(co.provider))
		C.free(unsafe.Pointer(co.properties))
		C.free(unsafe.Pointer(co.engine))
	}()
	var err [512]C.char
	c := C.vco_open(&co, &err[0], C.size_t(len(err)))
	if c == nil {
		return cLib{}, errors.New(C.GoString(&err[0]))
	}
	return cLib{c}, nil
}

func (l *cLib) close() {
	C.vco_close(l.c)
	l.c = nil
}

// open opens a session. The key is read in the call only.
func (l cLib) open(kind cKind, algorithm string, p engine.Params) (cSession, error) {
	cName := cString(algorithm)
	defer C.free(unsafe.Pointer(cName))
	encrypt, private := C.int(0), C.int(0)
	if p.Direction != engine.Decrypt {
		encrypt = 1
	}
	if p.Private {
		private = 1
	}
	var s cSession
	switch n := C.vco_session_open(l.c, C.int(kind), cName, encrypt, C.int(p.TagSize), private,
		(*C.uint8_t)(unsafe.SliceData(p.Key)), C.size_t(len(p.Key)), &s); n {
	case 0:
		return s, nil
	case C.VCO_NO_ALGORITHM:
		return nil, fmt.Errorf("no provider has it: %w", engine.ErrNotSupported)
	case C.VCO_KEY_SIZE:
		return nil, fmt.Errorf("RSA keys must have %d to %d bits: %w", rsaMinBits, rsaMaxBits, engine.ErrNotSupported)
	case C.VCO_BAD_KEY:
		return nil, engine.ErrKey
	default:
		return nil, errors.New("no memory for the session")
	}
}

func cSessionClose(s cSession) { C.vco_session_close(s) }

// cRun does what is symmetric of reqs, in order, and returns the number of
// others: those are Pending.
//
// C gets the slice's address as a number: its elements point to memory that
// points to memory, none of it pinned. The package comment says why this holds.
func cRun(reqs []*engine.Request) int {
	n := C.vco_run(sessionType, C.uintptr_t(uintptr(unsafe.Pointer(unsafe.SliceData(reqs)))), C.uint32_t(len(reqs)))
	runtime.KeepAlive(reqs)
	return int(n)
}

// cRunPK does requests of public-key sessions, at most pkBatch, on the calling
// thread.
func cRunPK(reqs []*engine.Request, async bool) {
	a := C.int(0)
	if async {
		a = 1
	}
	C.vco_pk_run(C.uintptr_t(uintptr(unsafe.Pointer(unsafe.SliceData(reqs)))), C.uint32_t(len(reqs)), a)
	runtime.KeepAlive(reqs)
}

func (l cLib) threadEnd() { C.vco_thread_end(l.c) }

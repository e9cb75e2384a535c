// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// serviceParser is what a data queue's thread needs for requests that are not
// plain cipher requests in the form that most drivers use.
type serviceParser struct {
	flf    [maxDataFLF]byte // the copy of the fixed part that is being parsed
	fields fields
	keys   *keyMemory // of stateless requests; nil until there is one
}

func (p *serviceParser) close() {
	if p.keys != nil {
		p.keys.free()
		p.keys = nil
	}
}

// fields is what a request's fixed part says, whatever its form. All are
// copies of what the guest wrote and not checked yet. Lengths count bytes.
type fields struct {
	used   uint64 // of the readable part, by header and keys
	opType uint32 // of the CIPHER service

	iv, src, dst, aad uint32
	result            uint32 // a hash's or MAC's result
	tag               uint32 // an AEAD's tag

	// Of a chain.
	cipherStart, cipherLen uint32
	hashStart, hashLen     uint32
	aadFirst               bool // AAD lies before the source, not behind it
}

// extra is the state of a request that is not a plain cipher request.
type extra struct {
	kind    kind
	own     *session // of a stateless request: opened for it, closed with it
	copied  bool     // Dst is not the guest's memory: to be written to dst
	written uint32   // instead of all of the writable part, if not 0
	chain   chain
	digest  [maxDigest]byte
}

// maxDigest is the longest result of a hash or MAC that is not of the kind
// that gives any length, in bytes.
const maxDigest = 64

// parseLegacy takes apart a request in the form without revision 1 whose
// header is in hdr.
func (w *dataWorker) parseLegacy(r *request, hdr *[dataSize]byte, in virtq.Cursor) Status {
	op := le.Uint32(hdr[dataOpcode:])
	service, ok := serviceOf(op)
	if !ok {
		return StatusNotSupp
	}
	f := &w.service.fields
	sessionFields(f, service, hdr[dataHdrSize:])
	f.used = dataSize
	f.aadFirst = true // as QEMU's device has it, the only one such drivers met
	s := w.acquire(r, le.Uint64(hdr[dataSessionID:]))
	if s == nil {
		return StatusInvSess
	}
	return w.parseService(r, s, op, in)
}

// parseRevision1 takes apart a request in a form with revision 1.
func (w *dataWorker) parseRevision1(r *request, in virtq.Cursor) Status {
	hdr := w.hdr[:dataHdrSize]
	if in.Read(hdr) != dataHdrSize {
		return StatusErr
	}
	op := le.Uint32(hdr[dataOpcode:])
	service, ok := serviceOf(op)
	if !ok {
		return StatusNotSupp
	}
	flf := w.service.flf[:w.layout.dataFLF(service)]
	if in.Read(flf) != len(flf) {
		return StatusErr
	}
	f := &w.service.fields
	stateless := w.layout.isStateless(service)
	if stateless {
		statelessFields(f, service, flf)
	} else {
		sessionFields(f, service, flf)
	}
	f.used = dataHdrSize + uint64(len(flf))
	if le.Uint32(hdr[dataFlag:])&flagSessionMode == 0 {
		if !stateless {
			return StatusNotSupp
		}
		return w.parseStateless(r, service, op, flf, in)
	}
	s := w.acquire(r, le.Uint64(hdr[dataSessionID:]))
	if s == nil {
		return StatusInvSess
	}
	return w.parseService(r, s, op, in)
}

// serviceOf returns the service of a data request's opcode.
func serviceOf(op uint32) (Service, bool) {
	switch op {
	case opCipherEncrypt, opCipherDecrypt:
		return ServiceCipher, true
	case opHash:
		return ServiceHash, true
	case opMAC:
		return ServiceMAC, true
	case opAEADEncrypt, opAEADDecrypt:
		return ServiceAEAD, true
	case opAKEncrypt, opAKDecrypt, opAKSign, opAKVerify:
		return ServiceAKCipher, true
	}
	return 0, false
}

// sessionFields reads a fixed part of a request with a session: struct
// virtio_crypto_*_data_flf, all of le32.
func sessionFields(f *fields, s Service, flf []byte) {
	at := func(i int) uint32 { return le.Uint32(flf[4*i:]) }
	*f = fields{}
	switch s {
	case ServiceCipher:
		if f.opType = at(10); f.opType == SymOpChain {
			chainFields(f, flf)
			return
		}
		f.iv, f.src, f.dst = at(0), at(1), at(2)
	case ServiceHash, ServiceMAC:
		f.src, f.result = at(0), at(1)
	case ServiceAEAD:
		f.iv, f.aad, f.src, f.dst, f.tag = at(0), at(1), at(2), at(3), at(4)
	case ServiceAKCipher:
		f.src, f.dst = at(0), at(1)
	}
}

// chainFields reads what is the same in both forms of a chain.
func chainFields(f *fields, p []byte) {
	at := func(i int) uint32 { return le.Uint32(p[4*i:]) }
	f.iv, f.src, f.dst = at(0), at(1), at(2)
	f.cipherStart, f.cipherLen = at(3), at(4)
	f.hashStart, f.hashLen = at(5), at(6)
	f.aad, f.result = at(7), at(8)
}

// statelessFields reads a fixed part in stateless form: struct
// virtio_crypto_*_data_flf_stateless. What it says of the session is read by
// statelessParams.
func statelessFields(f *fields, s Service, flf []byte) {
	at := func(i int) uint32 { return le.Uint32(flf[4*i:]) }
	*f = fields{}
	switch s {
	case ServiceCipher:
		if f.opType = at(18); f.opType == SymOpChain {
			chainFields(f, flf[4*8:])
			f.aadFirst = true
			return
		}
		f.iv, f.src, f.dst = at(3), at(4), at(5)
	case ServiceHash:
		f.src, f.result = at(1), at(2)
	case ServiceMAC:
		f.src, f.result = at(2), at(3)
	case ServiceAEAD:
		f.iv, f.tag, f.aad, f.src, f.dst = at(3), at(4), at(5), at(6), at(7)
	case ServiceAKCipher:
		f.src, f.dst = at(5), at(6)
	}
}

// parseService fills in a request of a session of any kind. What follows the
// header, and the keys if there are any, is at in.
func (w *dataWorker) parseService(r *request, s *session, op uint32, in virtq.Cursor) Status {
	r.special = true
	r.extra.kind = s.kind
	r.Session, r.IVLen = s.engine, 0
	// What is left of another request is not this one's to read, or to clear
	// when it is refused.
	r.Src, r.Dst = nil, nil
	f := &w.service.fields
	service, _ := serviceOf(op)
	if service == ServiceCipher && f.opType != SymOpCipher && f.opType != SymOpChain {
		return StatusNotSupp
	}
	if s.kind != kindOf(service, f.opType) {
		return StatusInvSess // of another service
	}
	switch s.kind {
	case kindChain:
		return w.parseChain(r, s, op, f, in)
	case kindHash, kindMAC:
		return w.parseHash(r, s, f, in)
	case kindAEAD:
		return w.parseAEAD(r, s, op, f, in)
	case kindAKCipher:
		return w.parseAKCipher(r, s, op, f, in)
	}
	h := dataHeader{op: op, ivLen: f.iv, srcLen: f.src, dstLen: f.dst}
	return w.parseCipher(r, s, h, f.used, in)
}

// kindOf returns the kind of sessions that a service's requests need.
func kindOf(s Service, opType uint32) kind {
	switch s {
	case ServiceHash:
		return kindHash
	case ServiceMAC:
		return kindMAC
	case ServiceAEAD:
		return kindAEAD
	case ServiceAKCipher:
		return kindAKCipher
	}
	if opType == SymOpChain {
		return kindChain
	}
	return kindCipher
}

// finishSpecial answers a request that comes back from the engine, or gives
// it the second half of a chain.
func (w *dataWorker) finishSpecial(r *request) {
	x := r.extra
	status := StatusErr
	switch r.Status {
	case engine.OK:
		if x.kind == kindChain && w.nextInChain(r) {
			return
		}
		w.deliver(r)
		status = StatusOK
		w.tally.operations++
		w.tally.bytes += uint64(len(r.Src))
	case engine.NotSupported:
		status = StatusNotSupp
	case engine.BadTag:
		status = StatusBadMsg
	case engine.BadSignature:
		status = StatusKeyRejected
	}
	w.answer(r, status)
}

// deliver writes what the engine did not write itself.
func (w *dataWorker) deliver(r *request) {
	x := r.extra
	switch x.kind {
	case kindCipher:
		if r.scratch > 0 {
			r.dst.Write(r.Dst)
		}
	case kindChain:
		if x.copied {
			r.dst.Write(x.chain.text)
		}
		r.dst.Write(x.chain.result)
	case kindHash, kindMAC:
		r.dst.Write(r.Dst)
	case kindAEAD:
		if x.copied {
			r.dst.Write(r.Dst)
		}
		if x.chain.tag {
			r.dst.Write(r.Tag[:r.TagLen])
		}
	case kindAKCipher:
		// An engine's word for a length is checked too.
		n := min(max(r.N, 0), len(r.Dst))
		x.written = uint32(r.dst.Write(r.Dst[:n])) + statusSize
	}
}

// endSpecial gives back what only such requests have, and returns the number
// of bytes written.
func (r *request) endSpecial(s Status, written uint32) uint32 {
	x := r.extra
	if s == StatusOK && x.written > 0 {
		written = x.written
	}
	if x.kind == kindAKCipher {
		clear(r.Src)
		clear(r.Dst)
	}
	if x.own != nil {
		x.own.close()
	}
	clear(x.digest[:])
	r.AAD, r.Op, r.TagLen, r.N = nil, 0, 0, 0
	x.kind, x.own, x.copied, x.written, x.chain = 0, nil, false, 0, chain{}
	r.special = false
	return written
}

// SPDX-License-Identifier: Apache-2.0

package cryptodrv

import (
	"fmt"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
)

// Form is the form of requests that driver and device negotiated, section
// 5.9.7. The zero Form is the one without VIRTIO_CRYPTO_F_REVISION_1, whose
// fixed parts are padded to one size.
type Form struct {
	Revision1 bool
	Stateless bool // of all services
}

// Features returns the device type's feature bits that stand for the form.
func (f Form) Features() uint64 {
	switch {
	case f.Stateless:
		return 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5
	case f.Revision1:
		return 1 << 0
	}
	return 0
}

// words appends le32 values.
func words(b []byte, values ...uint32) []byte {
	for _, v := range values {
		b = le.AppendUint32(b, v)
	}
	return b
}

// pad appends zeros up to a length.
func pad(b []byte, n int) []byte { return append(b, make([]byte, max(0, n-len(b)))...) }

// Control returns the readable part of a control request that creates a
// session: header, fixed part and keys.
func (f Form) Control(p virtiocrypto.SessionParams) []byte {
	var op uint32
	var flf, keys []byte
	size := 56
	switch p := p.(type) {
	case virtiocrypto.CipherParams:
		op, keys = OpCipherCreate, p.Key
		flf = words(nil, uint32(p.Algo), uint32(len(p.Key)), p.Direction, 0)
		flf = words(pad(flf, 48), virtiocrypto.SymOpCipher, 0)
	case virtiocrypto.ChainParams:
		op = OpCipherCreate
		keys = append(keys, p.Cipher.Key...)
		flf = words(nil, p.Order, p.HashMode, uint32(p.Cipher.Algo), uint32(len(p.Cipher.Key)), p.Cipher.Direction, 0)
		if p.HashMode == virtiocrypto.HashModeAuth {
			flf = words(flf, uint32(p.MAC.Algo), p.MAC.Result, uint32(len(p.MAC.Key)), 0)
			keys = append(keys, p.MAC.Key...)
		} else {
			flf = words(flf, uint32(p.Hash.Algo), p.Hash.Result, 0, 0)
		}
		flf = words(pad(flf, 48), virtiocrypto.SymOpChain, 0)
	case virtiocrypto.HashParams:
		op, size = OpHashCreate, 8
		flf = words(nil, uint32(p.Algo), p.Result)
	case virtiocrypto.MACParams:
		op, size, keys = OpMACCreate, 16, p.Key
		flf = words(nil, uint32(p.Algo), p.Result, uint32(len(p.Key)), 0)
	case virtiocrypto.AEADParams:
		op, size, keys = OpAEADCreate, 24, p.Key
		flf = words(nil, uint32(p.Algo), uint32(len(p.Key)), p.Tag, 0, p.Direction, 0)
	case virtiocrypto.AKCipherParams:
		op, keys = OpAKCreate, p.Key
		flf = words(nil, uint32(p.Algo), p.KeyType, uint32(len(p.Key)))
		flf = append(flf, akPara(p)...)
	}
	if !f.Revision1 {
		size = 56
	}
	b := words(nil, op, 0, 0, 0)
	b = append(b, pad(flf, size)...)
	return append(b, keys...)
}

// akPara is the union of what RSA and ECDSA need.
func akPara(p virtiocrypto.AKCipherParams) []byte {
	if p.Algo == virtiocrypto.AKCipherRSA {
		return words(nil, p.Padding, p.Hash)
	}
	return words(nil, p.Curve, 0)
}

// Destroy returns the readable part of a control request that destroys a
// session.
func (f Form) Destroy(opcode uint32, id uint64) []byte {
	b := le.AppendUint64(words(nil, opcode, 0, 0, 0), id)
	if f.Revision1 {
		return b
	}
	return pad(b, ControlSize)
}

// Work is a data request of any service: what is in it, in no form yet.
type Work struct {
	Opcode  uint32
	Session uint64
	// Params, if not nil, make it a stateless request.
	Params virtiocrypto.SessionParams

	IV, Src, AAD []byte
	Dst          int // bytes of the destination
	Result       int // bytes of a hash's or MAC's result
	Tag          int // bytes of an AEAD's tag, 0 to leave it to the session

	// Signed is what was signed: of a verification, with the signature in
	// Src.
	Signed []byte

	// Chain makes it a chain.
	Chain                  bool
	CipherStart, CipherLen int
	HashStart, HashLen     int
}

// Data returns a request's readable part, and how much room its writable part
// has before the status. Where the source begins in the readable part is at.
func (f Form) Data(w Work) (readable []byte, room, at int) {
	iv, src, dst, aad := uint32(len(w.IV)), uint32(len(w.Src)), uint32(w.Dst), uint32(len(w.AAD))
	result, tag := uint32(w.Result), uint32(w.Tag)
	flag := uint32(1)
	if w.Params != nil {
		flag = 0
	}
	if !f.Revision1 {
		flag = 0
	}
	chain := words(nil, iv, src, dst, uint32(w.CipherStart), uint32(w.CipherLen), uint32(w.HashStart), uint32(w.HashLen), aad, result, 0)
	var flf []byte
	var keys []byte
	aadFirst := !f.Revision1 || f.Stateless
	service := w.Opcode >> 8
	switch {
	case service == 0 && f.Stateless:
		sess := make([]byte, 32)
		opType := uint32(virtiocrypto.SymOpCipher)
		switch p := w.Params.(type) {
		case virtiocrypto.CipherParams:
			sess = words(nil, uint32(p.Algo), uint32(len(p.Key)), p.Direction)
			keys = p.Key
		case virtiocrypto.ChainParams:
			sess = words(nil, p.Order, aad, uint32(p.Cipher.Algo), uint32(len(p.Cipher.Key)), p.Cipher.Direction)
			keys = append(keys, p.Cipher.Key...)
			if p.HashMode == virtiocrypto.HashModeAuth {
				sess = words(sess, uint32(p.MAC.Algo), uint32(len(p.MAC.Key)), p.HashMode)
				keys = append(keys, p.MAC.Key...)
			} else {
				sess = words(sess, uint32(p.Hash.Algo), 0, p.HashMode)
			}
		}
		if w.Chain {
			flf = append(pad(sess, 32)[:32], chain...)
			opType = virtiocrypto.SymOpChain
		} else {
			flf = words(pad(sess, 12)[:12], iv, src, dst)
		}
		flf = words(pad(flf, 72), opType)
	case service == 0 && w.Chain:
		flf = words(chain, virtiocrypto.SymOpChain, 0)
	case service == 0:
		flf = words(pad(words(nil, iv, src, dst, 0), 40), virtiocrypto.SymOpCipher, 0)
	case service == 1 && f.Stateless:
		p, _ := w.Params.(virtiocrypto.HashParams)
		flf = words(nil, uint32(p.Algo), src, result, 0)
	case service == 2 && f.Stateless:
		p, _ := w.Params.(virtiocrypto.MACParams)
		flf, keys = words(nil, uint32(p.Algo), uint32(len(p.Key)), src, result), p.Key
	case service == 1, service == 2:
		flf = words(nil, src, result)
	case service == 3 && f.Stateless:
		p, _ := w.Params.(virtiocrypto.AEADParams)
		flf, keys = words(nil, uint32(p.Algo), uint32(len(p.Key)), p.Direction, iv, tag, aad, src, dst), p.Key
	case service == 3:
		flf = words(nil, iv, aad, src, dst, tag, 0)
		aadFirst = false
	case service == 4:
		if w.Opcode == OpAKVerify {
			dst = uint32(len(w.Signed))
		}
		if f.Stateless {
			p, _ := w.Params.(virtiocrypto.AKCipherParams)
			flf = append(words(nil, uint32(p.Algo), p.KeyType, uint32(len(p.Key))), akPara(p)...)
			keys = p.Key
		}
		flf = words(flf, src, dst)
	}
	if service == 3 {
		aadFirst = false
	}
	if !f.Revision1 {
		flf = pad(flf, 48)
	}
	b := words(nil, w.Opcode, 0)
	b = le.AppendUint64(b, w.Session)
	b = words(b, flag, 0)
	b = append(append(append(b, flf...), keys...), w.IV...)
	if aadFirst {
		b = append(b, w.AAD...)
	}
	at = len(b)
	b = append(b, w.Src...)
	if !aadFirst {
		b = append(b, w.AAD...)
	}
	b = append(b, w.Signed...)
	return b, w.Dst + w.Result, at
}

// Plain is a data request of any kind in guest memory: bytes to read, and room
// to write to whose last byte is the status. It belongs to one goroutine at a
// time, and to the device while it is in flight.
type Plain struct {
	Readable, Writable []virtqdrv.Buf
	mem                *virtqdrv.Memory
}

// NewPlain cuts a request's buffers from guest memory, at the offsets that
// readCuts and writeCuts say, and writes the readable part. Align is as in
// [Shape].
func NewPlain(m *virtqdrv.Memory, readable []byte, room int, readCuts, writeCuts []int, align int) (*Plain, error) {
	if align == 0 {
		align = cacheLine
	}
	p := &Plain{mem: m}
	var err error
	if p.Readable, err = scatter(m, len(readable), readCuts, align); err != nil {
		return nil, fmt.Errorf("readable part: %w", err)
	}
	if p.Writable, err = scatter(m, room+StatusSize, writeCuts, align); err != nil {
		return nil, fmt.Errorf("writable part: %w", err)
	}
	for _, b := range p.Readable {
		readable = readable[copy(m.Bytes(b), readable):]
	}
	p.Forget()
	return p, nil
}

// InPlace makes the first n bytes of the writable part those of the readable
// part from offset at on.
func (p *Plain) InPlace(at, n int) {
	p.Writable = append(Part(p.Readable, at, n), Part(p.Writable, n, int(size(p.Writable))-n)...)
}

// Result returns a copy of the writable part without the status.
func (p *Plain) Result() []byte {
	var all []byte
	for _, b := range p.Writable {
		all = append(all, p.mem.Bytes(b)...)
	}
	return all[:len(all)-StatusSize]
}

func (p *Plain) status() *byte {
	last := p.mem.Bytes(p.Writable[len(p.Writable)-1])
	return &last[len(last)-1]
}

// Forget writes Unanswered where the status will be.
func (p *Plain) Forget() { *p.status() = byte(Unanswered) }

// Status returns what the device wrote as the status.
func (p *Plain) Status() virtiocrypto.Status { return virtiocrypto.Status(*p.status()) }

// Add makes the request available once; see [virtqdrv.Queue.Add].
func (p *Plain) Add(q *virtqdrv.Queue, cookie uint64) error {
	return q.Add(p.Readable, p.Writable, cookie)
}

// DoPlain sends one request, waits for it and returns its status and the
// number of bytes that the device says it wrote. Nothing else may be in
// flight.
func (q *Queue) DoPlain(p *Plain) (status virtiocrypto.Status, written uint32, err error) {
	p.Forget()
	if written, err = q.Exchange(p.Readable, p.Writable); err != nil {
		return 0, 0, err
	}
	return p.Status(), written, nil
}

// Prepare writes the request's chain into a queue without sending it; see
// [virtqdrv.Queue.AddSlot].
func (p *Plain) Prepare(q *virtqdrv.Queue, cookie uint64) (virtqdrv.Slot, error) {
	return q.Prepare(p.Readable, p.Writable, cookie)
}

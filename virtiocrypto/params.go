// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
)

// SessionParams describe a session as a driver asks for it: CipherParams,
// ChainParams, HashParams, MACParams, AEADParams or AKCipherParams. Keys are
// the caller's; it zeroes them afterwards.
type SessionParams interface {
	// open opens a session that has no ID yet.
	open(d *Device) (*session, error)
}

// CipherParams describe a session of the CIPHER service for a cipher alone.
type CipherParams struct {
	Algo      CipherAlgo
	Direction uint32 // DirectionEncrypt or DirectionDecrypt
	Key       []byte
}

func (p CipherParams) open(d *Device) (*session, error) {
	algorithm, err := d.find(cipherAlgos, uint32(p.Algo))
	if err != nil {
		return nil, err
	}
	direction, err := directionOf(p.Direction)
	if err != nil {
		return nil, err
	}
	es, err := d.engine.NewSession(engine.Params{Algorithm: algorithm, Direction: direction, Key: p.Key})
	if err != nil {
		return nil, err
	}
	return &session{
		kind:      kindCipher,
		direction: direction,
		engine:    es,
		ivSize:    uint8(algorithm.IVSize()),
		partBlock: uint32(algorithm.BlockSize() - 1), // block sizes are powers of two
	}, nil
}

func directionOf(d uint32) (engine.Direction, error) {
	switch d {
	case DirectionEncrypt:
		return engine.Encrypt, nil
	case DirectionDecrypt:
		return engine.Decrypt, nil
	}
	return 0, ErrParams
}

// HashParams describe a session of the HASH service.
type HashParams struct {
	Algo   HashAlgo
	Result uint32 // length of the result, bytes
}

func (p HashParams) open(d *Device) (*session, error) {
	algorithm, err := d.find(hashAlgos, uint32(p.Algo))
	if err != nil {
		return nil, err
	}
	// SHAKE has results of any length.
	if size := algorithm.ResultSize(); size > 0 && p.Result != uint32(size) || p.Result == 0 || uint64(p.Result) > uint64(d.maxSize) {
		return nil, ErrParams
	}
	es, err := d.engine.NewSession(engine.Params{Algorithm: algorithm})
	if err != nil {
		return nil, err
	}
	return &session{kind: kindHash, engine: es, result: p.Result}, nil
}

// MACParams describe a session of the MAC service.
type MACParams struct {
	Algo   MACAlgo
	Result uint32 // length of the result, bytes; a short one is the beginning of a long one
	Key    []byte
}

func (p MACParams) open(d *Device) (*session, error) {
	algorithm, err := d.find(macAlgos, uint32(p.Algo))
	if err != nil {
		return nil, err
	}
	if p.Result == 0 || uint64(p.Result) > uint64(algorithm.ResultSize()) {
		return nil, ErrParams
	}
	es, err := d.engine.NewSession(engine.Params{Algorithm: algorithm, Key: p.Key})
	if err != nil {
		return nil, err
	}
	return &session{kind: kindMAC, engine: es, result: p.Result}, nil
}

// ChainParams describe a session of the CIPHER service that chains a cipher
// and a hash or MAC.
type ChainParams struct {
	Order    uint32 // ChainHashThenCipher or ChainCipherThenHash
	HashMode uint32 // HashModePlain or HashModeAuth
	Cipher   CipherParams
	Hash     HashParams // with HashModePlain
	MAC      MACParams  // with HashModeAuth
}

func (p ChainParams) open(d *Device) (*session, error) {
	if p.Order != ChainHashThenCipher && p.Order != ChainCipherThenHash {
		return nil, ErrParams
	}
	var second SessionParams
	switch p.HashMode {
	case HashModePlain:
		second = p.Hash
	case HashModeAuth:
		second = p.MAC
	case HashModeNested:
		return nil, ErrUnsupported
	default:
		return nil, ErrParams
	}
	hash, err := second.open(d)
	if err != nil {
		return nil, err
	}
	s, err := p.Cipher.open(d)
	if err != nil {
		hash.close()
		return nil, err
	}
	s.kind = kindChain
	s.hash = hash.engine
	s.hashFirst = p.Order == ChainHashThenCipher
	s.result = hash.result
	return s, nil
}

// AEADParams describe a session of the AEAD service.
type AEADParams struct {
	Algo      AEADAlgo
	Direction uint32 // DirectionEncrypt or DirectionDecrypt
	Tag       uint32 // length of the tag, bytes
	Key       []byte
}

func (p AEADParams) open(d *Device) (*session, error) {
	algorithm, err := d.find(aeadAlgos, uint32(p.Algo))
	if err != nil {
		return nil, err
	}
	direction, err := directionOf(p.Direction)
	if err != nil {
		return nil, err
	}
	if p.Tag == 0 || p.Tag > engine.MaxTag {
		return nil, ErrParams
	}
	es, err := d.engine.NewSession(engine.Params{Algorithm: algorithm, Direction: direction, Key: p.Key, TagSize: int(p.Tag)})
	if err != nil {
		return nil, err
	}
	return &session{
		kind:      kindAEAD,
		direction: direction,
		engine:    es,
		aead:      algorithm,
		result:    p.Tag,
	}, nil
}

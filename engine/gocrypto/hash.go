// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"hash"

	"vcrypto/engine"
)

// maxResult is the longest result of a hash or MAC of fixed length, in bytes.
const maxResult = 64

// hashes are the hashes of fixed length, and what HMACs are made with.
var hashes = map[engine.Algorithm]func() hash.Hash{
	engine.MD5:      md5.New,
	engine.SHA1:     sha1.New,
	engine.SHA224:   sha256.New224,
	engine.SHA256:   sha256.New,
	engine.SHA384:   sha512.New384,
	engine.SHA512:   sha512.New,
	engine.SHA3_224: func() hash.Hash { return sha3.New224() },
	engine.SHA3_256: func() hash.Hash { return sha3.New256() },
	engine.SHA3_384: func() hash.Hash { return sha3.New384() },
	engine.SHA3_512: func() hash.Hash { return sha3.New512() },
}

// hmacs are the hashes in HMACs.
var hmacs = map[engine.Algorithm]func() hash.Hash{
	engine.HMACMD5:    hashes[engine.MD5],
	engine.HMACSHA1:   hashes[engine.SHA1],
	engine.HMACSHA224: hashes[engine.SHA224],
	engine.HMACSHA256: hashes[engine.SHA256],
	engine.HMACSHA384: hashes[engine.SHA384],
	engine.HMACSHA512: hashes[engine.SHA512],
}

// shakes are the hashes of any length.
var shakes = map[engine.Algorithm]func() *sha3.SHAKE{
	engine.SHAKE128: sha3.NewSHAKE128,
	engine.SHAKE256: sha3.NewSHAKE256,
}

// hashSession is a hash or an HMAC.
type hashSession struct {
	size   int  // of the result, bytes
	part   bool // less of the result will do
	states pool[*hashState]
}

type hashState struct {
	hash.Hash
	sum [maxResult]byte
}

func newHash(p engine.Params) (engine.Session, error) {
	if s, ok := shakes[p.Algorithm]; ok {
		return &shakeSession{states: pool[*sha3.SHAKE]{make: s}}, nil
	}
	h := hashes[p.Algorithm]
	return &hashSession{
		size:   p.Algorithm.ResultSize(),
		states: pool[*hashState]{make: func() *hashState { return &hashState{Hash: h()} }},
	}, nil
}

// newMAC makes one HMAC at once: it holds the key, and others are made of it
// only while that one is in use, from a copy of the key that Close erases.
func newMAC(p engine.Params) (engine.Session, error) {
	h := hmacs[p.Algorithm]
	key := append([]byte(nil), p.Key...)
	return &macSession{
		hashSession: hashSession{
			size:   p.Algorithm.ResultSize(),
			part:   true,
			states: pool[*hashState]{make: func() *hashState { return &hashState{Hash: hmac.New(h, key)} }},
		},
		key: key,
	}, nil
}

func (s *hashSession) do(_ *worker, r *engine.Request) engine.Status {
	if n := len(r.Dst); n > s.size || n < s.size && (!s.part || n == 0) || r.IVLen != 0 {
		return engine.BadRequest
	}
	h := s.states.take()
	h.Reset()
	h.Write(r.Src) // never fails
	copy(r.Dst, h.Sum(h.sum[:0]))
	s.states.put(h)
	return engine.OK
}

func (s *hashSession) Close() {
	s.states.close(func(h *hashState) {
		eraseAll(h.Hash)
		clear(h.sum[:])
	})
}

type macSession struct {
	hashSession
	key []byte
}

func (s *macSession) Close() {
	s.hashSession.Close()
	clear(s.key)
}

// shakeSession is a hash of any length.
type shakeSession struct{ states pool[*sha3.SHAKE] }

func (s *shakeSession) do(_ *worker, r *engine.Request) engine.Status {
	if len(r.Dst) == 0 || r.IVLen != 0 {
		return engine.BadRequest
	}
	h := s.states.take()
	h.Reset()
	h.Write(r.Src)
	h.Read(r.Dst)
	s.states.put(h)
	return engine.OK
}

func (s *shakeSession) Close() { s.states.close(func(h *sha3.SHAKE) { h.Reset() }) }

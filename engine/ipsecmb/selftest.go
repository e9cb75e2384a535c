// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package ipsecmb

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"vcrypto/engine"
)

// answer is a known one: what src becomes under a key.
type answer struct {
	source    string // where it is published
	algorithm engine.Algorithm
	key, iv   string // hexadecimal, as are the others
	aad       string
	src, dst  string
	tag       string
}

// What NIST SP 800-38A has in common for all modes.
const (
	key38a   = "2b7e151628aed2a6abf7158809cf4f3c"
	block38a = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	jefe     = "4a656665"                                                 // "Jefe"
	want     = "7768617420646f2079612077616e7420666f72206e6f7468696e673f" // "what do ya want for nothing?"
	abc      = "616263"
)

// answers has one for each algorithm.
var answers = []answer{
	{source: "SP 800-38A F.1.1", algorithm: engine.AESECB, key: key38a, src: block38a,
		dst: "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"},
	{source: "SP 800-38A F.2.1", algorithm: engine.AESCBC, key: key38a, iv: "000102030405060708090a0b0c0d0e0f", src: block38a,
		dst: "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
	{source: "SP 800-38A F.5.1", algorithm: engine.AESCTR, key: key38a, iv: "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", src: block38a,
		dst: "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"},

	{source: "FIPS 180-4, example", algorithm: engine.SHA1, src: abc, dst: "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{source: "FIPS 180-4, example", algorithm: engine.SHA224, src: abc, dst: "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
	{source: "FIPS 180-4, example", algorithm: engine.SHA256, src: abc, dst: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{source: "FIPS 180-4, example", algorithm: engine.SHA384, src: abc, dst: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
	{source: "FIPS 180-4, example", algorithm: engine.SHA512, src: abc, dst: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},

	{source: "RFC 2202 section 3, case 2", algorithm: engine.HMACSHA1, key: jefe, src: want, dst: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	{source: "RFC 4231 section 4.3", algorithm: engine.HMACSHA224, key: jefe, src: want, dst: "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"},
	{source: "RFC 4231 section 4.3", algorithm: engine.HMACSHA256, key: jefe, src: want, dst: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{source: "RFC 4231 section 4.3", algorithm: engine.HMACSHA384, key: jefe, src: want, dst: "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
	{source: "RFC 4231 section 4.3", algorithm: engine.HMACSHA512, key: jefe, src: want, dst: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	{source: "RFC 4493 section 4, example 2", algorithm: engine.CMACAES, key: key38a, src: "6bc1bee22e409f96e93d7e117393172a", dst: "070a16b46b4d4144f79bdd9dd04a287c"},

	{source: "The Galois/Counter Mode of Operation, test case 4", algorithm: engine.AESGCM,
		key: "feffe9928665731c6d6a8f9467308308", iv: "cafebabefacedbaddecaf888", aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		src: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		dst: "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		tag: "5bc94fbc3221a5db94fae95ae7121a47"},
	{source: "SP 800-38C appendix C.2", algorithm: engine.AESCCM,
		key: "404142434445464748494a4b4c4d4e4f", iv: "1011121314151617", aad: "000102030405060708090a0b0c0d0e0f",
		src: "202122232425262728292a2b2c2d2e2f", dst: "d2a1f0e051ea5f62081a7792073d593d", tag: "1fc64fbfaccd"},
	{source: "RFC 8439 section 2.8.2", algorithm: engine.ChaCha20Poly1305,
		key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", iv: "070000004041424344454647", aad: "50515253c0c1c2c3c4c5c6c7",
		src: "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069742e",
		dst: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
		tag: "1ae10b594f09e26a7e902ecbd0600691"},
}

// selfTest has the engine give the answers, both ways where there are two. It
// takes about a millisecond.
func (e *Engine) selfTest(answers []answer) error {
	w, err := e.NewWorker(engine.WorkerConfig{Depth: 2 * lanes})
	if err != nil {
		return err
	}
	defer w.Close()
	var errs []error
	for _, a := range answers {
		ways := []engine.Direction{engine.Encrypt, engine.Decrypt}
		if k := a.algorithm.Kind(); k == engine.Hash || k == engine.MAC {
			ways = []engine.Direction{0}
		}
		for _, d := range ways {
			if err := e.try(w, a, d); err != nil {
				errs = append(errs, fmt.Errorf("%s, the known answer of %s: %w", a.algorithm, a.source, err))
			}
		}
	}
	return errors.Join(errs...)
}

// try has one request more than there are lanes give an answer, each from its
// own memory.
func (e *Engine) try(w engine.Worker, a answer, d engine.Direction) error {
	src, dst, tag := unhex(a.src), unhex(a.dst), unhex(a.tag)
	if d == engine.Decrypt {
		src, dst = dst, src
	}
	s, err := e.NewSession(engine.Params{Algorithm: a.algorithm, Direction: d, Key: unhex(a.key), TagSize: len(tag)})
	if err != nil {
		return err
	}
	defer s.Close()
	reqs := make([]*engine.Request, lanes+1)
	for i := range reqs {
		r := &engine.Request{
			Session: s, Src: bytes.Clone(src), Dst: make([]byte, len(dst)),
			AAD: unhex(a.aad), TagLen: uint8(len(tag)),
		}
		r.IVLen = uint8(copy(r.IV[:], unhex(a.iv)))
		if d == engine.Decrypt {
			copy(r.Tag[:], tag)
		}
		reqs[i] = r
	}
	w.Submit(reqs)
	w.Reap(make([]*engine.Request, len(reqs)), engine.Flush)
	for _, r := range reqs {
		if r.Status != engine.OK || !bytes.Equal(r.Dst, dst) || !bytes.Equal(r.Tag[:len(tag)], tag) {
			return fmt.Errorf("it gives another (status %d)", r.Status)
		}
	}
	return nil
}

// unhex decodes the constants of this file.
func unhex(s string) []byte {
	b, _ := hex.DecodeString(s) // a mistake would be found as a wrong answer
	return b
}

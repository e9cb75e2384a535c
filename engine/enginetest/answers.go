// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"

	"vcrypto/engine"
)

// Answer is a known answer of an algorithm of any symmetric kind. What it has
// not is nil.
type Answer struct {
	Name      string // where it stands in its source
	Algorithm engine.Algorithm
	Key, IV   []byte
	AAD       []byte
	In, Out   []byte // plaintext and ciphertext, or message and result
	Tag       []byte
}

// Answers are examples of the publications that define the algorithms: FIPS
// 180-4 and 202, RFC 2202, 4231 and 8439, IEEE 1619, NIST SP 800-38B and
// 800-38C, and the GCM specification that SP 800-38D took up.
var Answers = []Answer{
	{Name: "IEEE 1619 B vector 2", Algorithm: engine.AESXTS,
		Key: bytes.Join([][]byte{bytes.Repeat([]byte{0x11}, 16), bytes.Repeat([]byte{0x22}, 16)}, nil),
		IV:  unhex("33333333330000000000000000000000"),
		In:  bytes.Repeat([]byte{0x44}, 32),
		Out: unhex("c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0")},

	{Name: "Grabbe, The DES Algorithm Illustrated", Algorithm: engine.DESECB,
		Key: unhex("133457799bbcdff1"), In: unhex("0123456789abcdef"), Out: unhex("85e813540f0ab405")},
	{Name: "the same after an IV of nothing", Algorithm: engine.DESCBC,
		Key: unhex("133457799bbcdff1"), IV: make([]byte, 8), In: unhex("0123456789abcdef"), Out: unhex("85e813540f0ab405")},
	{Name: "SP 800-67 B.1", Algorithm: engine.TripleDESECB, Key: unhex(tripleDESKey),
		In:  []byte("The qufck brown fox jump"),
		Out: unhex("a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900")},
	{Name: "its first block after an IV of nothing", Algorithm: engine.TripleDESCBC, Key: unhex(tripleDESKey),
		IV: make([]byte, 8), In: []byte("The qufc"), Out: unhex("a826fd8ce53b855f")},
	{Name: "its first block as the counter", Algorithm: engine.TripleDESCTR, Key: unhex(tripleDESKey),
		IV: []byte("The qufc"), In: make([]byte, 5), Out: unhex("a826fd8ce5")},
	{Name: "RFC 6229 2, 40 bits", Algorithm: engine.ARC4, Key: unhex("0102030405"), In: make([]byte, 32),
		Out: unhex("b2396305f03dc027ccc3524a0a1118a86982944f18fc82d589c403a47a0d0919")},
	{Name: "RFC 6229 2, 256 bits", Algorithm: engine.ARC4,
		Key: unhex("0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"), In: make([]byte, 16),
		Out: unhex("eaa6bd25880bf93d3f5d1e4ca2611d91")},
	hashAnswer(engine.MD5, "900150983cd24fb0d6963f7d28e17f72"),
	macAnswer("RFC 2202 2 case 2", engine.HMACMD5, "750c783e6ab0b503eaa86e310a5db738"),

	hashAnswer(engine.SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
	hashAnswer(engine.SHA224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
	hashAnswer(engine.SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
	hashAnswer(engine.SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
	hashAnswer(engine.SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
	hashAnswer(engine.SHA3_224, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
	hashAnswer(engine.SHA3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
	hashAnswer(engine.SHA3_384, "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25"),
	hashAnswer(engine.SHA3_512, "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"),
	{Name: "FIPS 202 SHAKE128, empty message", Algorithm: engine.SHAKE128,
		Out: unhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")},
	{Name: "FIPS 202 SHAKE256, empty message", Algorithm: engine.SHAKE256,
		Out: unhex("46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f")},

	macAnswer("RFC 2202 3 case 2", engine.HMACSHA1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
	macAnswer("RFC 4231 4.3", engine.HMACSHA224, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
	macAnswer("RFC 4231 4.3", engine.HMACSHA256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
	macAnswer("RFC 4231 4.3", engine.HMACSHA384, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"),
	macAnswer("RFC 4231 4.3", engine.HMACSHA512, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"),

	{Name: "SP 800-38B D.1 example 3", Algorithm: engine.CMACAES, Key: unhex(key128),
		In:  unhex(plaintext)[:40],
		Out: unhex("dfa66747de9ae63030ca32611497c827")},

	{Name: "SP 800-38C C.1", Algorithm: engine.AESCCM,
		Key: unhex("404142434445464748494a4b4c4d4e4f"),
		IV:  unhex("10111213141516"),
		AAD: unhex("0001020304050607"),
		In:  unhex("20212223"),
		Out: unhex("7162015b"),
		Tag: unhex("4dac255d")},
	{Name: "GCM specification, test case 4", Algorithm: engine.AESGCM,
		Key: unhex("feffe9928665731c6d6a8f9467308308"),
		IV:  unhex("cafebabefacedbaddecaf888"),
		AAD: unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
		In:  unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"),
		Out: unhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"),
		Tag: unhex("5bc94fbc3221a5db94fae95ae7121a47")},
	{Name: "RFC 8439 2.8.2", Algorithm: engine.ChaCha20Poly1305,
		Key: unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
		IV:  unhex("070000004041424344454647"),
		AAD: unhex("50515253c0c1c2c3c4c5c6c7"),
		In:  []byte("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."),
		Out: unhex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116"),
		Tag: unhex("1ae10b594f09e26a7e902ecbd0600691")},
}

const tripleDESKey = "0123456789abcdef23456789abcdef01456789abcdef0123"

func hashAnswer(a engine.Algorithm, result string) Answer {
	return Answer{Name: "the hash of abc", Algorithm: a, In: []byte("abc"), Out: unhex(result)}
}

func macAnswer(name string, a engine.Algorithm, result string) Answer {
	return Answer{Name: name, Algorithm: a, Key: []byte("Jefe"), In: []byte("what do ya want for nothing?"), Out: unhex(result)}
}

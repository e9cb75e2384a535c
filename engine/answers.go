// SPDX-License-Identifier: Apache-2.0

package engine

// answer is a known one. All bytes are in hexadecimal.
type answer struct {
	algorithm    Algorithm
	key, iv, aad string
	in, out, tag string
	op           Op
	hash         Algorithm
	private      bool
}

const (
	sp80038aKey   = "2b7e151628aed2a6abf7158809cf4f3c"
	sp80038aPlain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"

	abc = "616263"

	tripleDESKey = "0123456789abcdef23456789abcdef01456789abcdef0123"

	// RFC 4231 section 4.3
	hmacKey  = "4a656665"
	hmacData = "7768617420646f2079612077616e7420666f72206e6f7468696e673f"

	// RFC 6979 appendix A.2.3 to A.2.7, message "sample"
	p192Point = "04ac2c77f529f91689fea0ea5efec7f210d8eea0b9e047ed563bc723e57670bd4887ebc732c523063d0a7c957bc97c1c43"
	p192Sig   = "303502184b0b8ce98a92866a2820e20aa6b75b56382e0f9bfd5ecb55021900ccdb006926ea9565cbadc840829d8c384e" +
		"06de1f1e381b85"
	p224Point = "0400cf08da5ad719e42707fa431292dea11244d64fc51610d94b130d6ceeab6f3debe455e3dbf85416f7030cbd94f34f" +
		"2d6f232c69f3c1385a"
	p224Sig = "303d021c61aa3da010e8e8406c656bc477a7a7189895e7e840cdfe8ff42307ba021d00bc814050dab5d23770879494f9" +
		"e0a680dc1af7161991bde692b10101"
	p256Point = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc" +
		"64f2f1b20c2d7e9f5177a3c294d4462299"
	sampleDigest = "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"
	p256Sig      = "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716022100f7cb1c942d657c41" +
		"d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
	p384Point = "04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc" +
		"138015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd25332647" +
		"20"
	p384Digest = "9a9083505bc92276aec4be312696ef7bf3bf603f4bbd381196a029f340585312313bca4a9b5b890efee42c77b1ee25fe"
	p384Sig    = "306602310094edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd" +
		"1e80fabe4602310099ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e" +
		"7b82c71a38628ac8"
	p521Point = "0401894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7f20fb6" +
		"33155d38ffa16d2bd761dcac474b9a2f5023a400493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d663" +
		"0f746a28a0db25741b5b34a828008b22acc23f924faafbd4d33f81ea66956dfeaa2bfdfcf5"
	p521Digest = "39a5e04aaff7455d9850c605364f514c11324ce64016960d23d5dc57d3ffd8f49a739468ab8049bf18eef820cdb1ad6c" +
		"9015f838556bc7fad4138b23fdf986c7"
	p521Sig = "308187024200c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d45060" +
		"6add152b534931d7d4e8455cc91f9b15bf05ec36e377fa0241617cce7cf5064806c467f678d3b4080d6f1cc50af26ca2" +
		"09417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a"

	// A key made for this, and what two libraries make of "abc".
	rsaKey = "3082025c02010002818100c85b375c5092c132e6c9c4104b151ea64050fbff2dd3bf2179cf5c9310965926cdd328e7b0" +
		"2719124161938571705bede462f786024c346ce7bab8976b159977d79aa79d86b88405d6e5c9be8858af820e00dcb71b" +
		"11b78e9f741a290dbe1613d7c133412c2b8b8fbb6ad28c61ec3966edcc0285b8abaf1eb4559c5ddb27cead0203010001" +
		"028180289e698a5321757ea2d05be9ebb6e3e85398b78603ddee5d548b281afe9d64849becc7d9b4da3058859dc92120" +
		"1ee5dc44559615fa884586a0b237b326f8118d20d0277c3416e5083925a83bec845addb441cdf05d5affa0035fa80b95" +
		"a0c154ddc6eb6f12f46e70bb793d1eb40409b45cf7282c11144c65cffe5478294d9c77024100f06422293036eb907353" +
		"ac8a9eed1d9c1bd2e95fc284ed1b5129a03fff9f229e28bd3316ab2d2608a6bc110f96f6d78d40f3a2a802d721709ccd" +
		"96cca6ff2163024100d55d9c13d31e385bd6286ee2f42d029098f361f69b5a880dc3e34f1a42efcb4db37d66f8065372" +
		"36575be72aa2001c2e26aa2afdc1d8a5f486ea3fc3f09ed4af02406416dd1e5723d6caeb29c0a26aef812f996a249f29" +
		"679d2d8d8a8e5d773a33f8b42faa90daaeceb23572028c8227beb1e2844e8a33bc8d00cd58d05bdf8044cf024100c328" +
		"24225df03e4c81cde9dedcc86e9823ce39c47ec487bd4f77125b4aee5a5e6fd63be090a8b2c6d190d61840a529216d6c" +
		"2876825fcf2ba25b90878007473102402d1b622349911a81b91a7d9c7e9b4522c1febd2fb5f46df5427e625bf685ccb8" +
		"53d929f69a1eef2e68c61197d39dff035e93136d422a9f22e8973eed93df4dbe"
	rsaSig = "3974849674dd69a1f542ca5360158cf49a2d4248bd1f9cfdcce2300403c2be0d0715b15fca7714245db0dff25ea66cf3" +
		"c0c60df00529468a9f25a65adc818da590a00fc36a4dcff9ffcc23046bcde575e90f068eb37c034b9cb2df455656c06d" +
		"6240fed661f166e65b1b063813085196065ae274ba45b42f1a63a44785d8ddca"
	rsaRaw = "af8f12a73fae275b58e25d741fc67ca7e932d858cc12b51808e748f383fb564fef45f80c23a7a9db4881c2ad143213d7" +
		"fb804a1b5781657d9c8cf6f66e6fed31d6709a0ae50bdd89446bbd6b9ad21fd8f5f7545ce4078daa4cc128c29e593bc8" +
		"c32ac63473f2465e669bc70e92be66542188fb0f1c051df1599cb0576f46373d"
)

// answers has one or more for each algorithm.
var answers = []answer{
	// NIST SP 800-38A appendices F.1.1, F.2.1, F.5.1
	{algorithm: AESECB, key: sp80038aKey, in: sp80038aPlain, out: "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"},
	{algorithm: AESCBC, key: sp80038aKey, iv: "000102030405060708090a0b0c0d0e0f", in: sp80038aPlain, out: "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
	{algorithm: AESCTR, key: sp80038aKey, iv: "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", in: sp80038aPlain, out: "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"},
	// IEEE 1619-2007 appendix B, vectors 2 and 15
	{algorithm: AESXTS, key: "1111111111111111111111111111111122222222222222222222222222222222", iv: "33333333330000000000000000000000", in: "4444444444444444444444444444444444444444444444444444444444444444", out: "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"},
	{algorithm: AESXTS, key: "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", iv: "9a785634120000000000000000000000", in: "000102030405060708090a0b0c0d0e0f10", out: "6c1625db4671522d3d7599601de7ca09ed"},
	// FIPS 180-4 and FIPS 202: NIST's examples
	{algorithm: SHA1, in: abc, out: "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{algorithm: SHA224, in: abc, out: "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
	{algorithm: SHA256, in: abc, out: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{algorithm: SHA384, in: abc, out: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
	{algorithm: SHA512, in: abc, out: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
	{algorithm: SHA3_224, in: abc, out: "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"},
	{algorithm: SHA3_256, in: abc, out: "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
	{algorithm: SHA3_384, in: abc, out: "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25"},
	{algorithm: SHA3_512, in: abc, out: "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"},
	{algorithm: SHAKE128, in: abc, out: "5881092dd818bf5cf8a3ddb793fbcba74097d5c526a6d35f97b83351940f2cc8"},
	{algorithm: SHAKE256, in: abc, out: "483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739d5a15bef186a5386c75744c0527e1faa9f8726e462a12a4feb06bd8801e751e4"},
	// RFC 4231 section 4.3, and for SHA-1 RFC 2202 section 3
	{algorithm: HMACSHA1, key: hmacKey, in: hmacData, out: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	{algorithm: HMACSHA224, key: hmacKey, in: hmacData, out: "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"},
	{algorithm: HMACSHA256, key: hmacKey, in: hmacData, out: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{algorithm: HMACSHA384, key: hmacKey, in: hmacData, out: "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
	{algorithm: HMACSHA512, key: hmacKey, in: hmacData, out: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	// RFC 4493 section 4, example 2
	{algorithm: CMACAES, key: sp80038aKey, in: "6bc1bee22e409f96e93d7e117393172a", out: "070a16b46b4d4144f79bdd9dd04a287c"},
	// The Galois/Counter Mode of Operation (McGrew, Viega), test case 4
	{
		algorithm: AESGCM, key: "feffe9928665731c6d6a8f9467308308", iv: "cafebabefacedbaddecaf888",
		aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		in:  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		out: "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		tag: "5bc94fbc3221a5db94fae95ae7121a47",
	},
	// RFC 3610 section 8, packet vector 1
	{
		algorithm: AESCCM, key: "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", iv: "00000003020100a0a1a2a3a4a5",
		aad: "0001020304050607",
		in:  "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
		out: "588c979a61c663d2f066d0c2c0f989806d5f6b61dac384",
		tag: "17e8d12cfdf926e0",
	},
	// RFC 8439 section 2.8.2
	{
		algorithm: ChaCha20Poly1305, key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", iv: "070000004041424344454647",
		aad: "50515253c0c1c2c3c4c5c6c7",
		in:  "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069742e",
		out: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
		tag: "1ae10b594f09e26a7e902ecbd0600691",
	},
	{algorithm: RSARaw, key: rsaKey, private: true, op: OpDecrypt, in: abc, out: rsaRaw},
	{algorithm: RSAPKCS1, key: rsaKey, private: true, op: OpSign, hash: SHA256, in: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", out: rsaSig},
	{algorithm: RSAPKCS1, key: rsaKey, private: true, op: OpVerify, hash: SHA256, in: rsaSig, aad: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{algorithm: ECDSAP192, key: p192Point, op: OpVerify, in: p192Sig, aad: sampleDigest},
	{algorithm: ECDSAP224, key: p224Point, op: OpVerify, in: p224Sig, aad: sampleDigest},
	{algorithm: ECDSAP256, key: p256Point, op: OpVerify, in: p256Sig, aad: sampleDigest},
	{algorithm: ECDSAP384, key: p384Point, op: OpVerify, in: p384Sig, aad: p384Digest},
	{algorithm: ECDSAP521, key: p521Point, op: OpVerify, in: p521Sig, aad: p521Digest},
	// Grabbe, The DES Algorithm Illustrated; the second with an IV of zeros
	{algorithm: DESECB, key: "133457799bbcdff1", in: "0123456789abcdef", out: "85e813540f0ab405"},
	{algorithm: DESCBC, key: "133457799bbcdff1", iv: "0000000000000000", in: "0123456789abcdef", out: "85e813540f0ab405"},
	// NIST SP 800-67 appendix B.1; its first block with an IV of zeros, and as a counter
	{algorithm: TripleDESECB, key: tripleDESKey, in: "5468652071756663", out: "a826fd8ce53b855f"},
	{algorithm: TripleDESCBC, key: tripleDESKey, iv: "0000000000000000", in: "5468652071756663", out: "a826fd8ce53b855f"},
	{algorithm: TripleDESCTR, key: tripleDESKey, iv: "5468652071756663", in: "0000000000", out: "a826fd8ce5"},
	// RFC 1321 appendix A.5, RFC 2202 section 2, RFC 6229 section 2
	{algorithm: MD5, in: abc, out: "900150983cd24fb0d6963f7d28e17f72"},
	{algorithm: HMACMD5, key: hmacKey, in: hmacData, out: "750c783e6ab0b503eaa86e310a5db738"},
	{algorithm: ARC4, key: "0102030405", in: "00000000000000000000000000000000", out: "b2396305f03dc027ccc3524a0a1118a8"},
}

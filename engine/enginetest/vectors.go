// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"encoding/hex"
	"testing"

	"vcrypto/engine"
)

// Vector is a known answer.
type Vector struct {
	Name                  string // where it stands in its source
	Algorithm             engine.Algorithm
	Key, IV               []byte
	Plaintext, Ciphertext []byte
}

// Vectors are the examples of NIST SP 800-38A, appendix F.1 (ECB), F.2 (CBC)
// and F.5 (CTR).
var Vectors = []Vector{
	vector("SP 800-38A F.1.1", engine.AESECB, key128, "", "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4"),
	vector("SP 800-38A F.1.3", engine.AESECB, key192, "", "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eefef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e"),
	vector("SP 800-38A F.1.5", engine.AESECB, key256, "", "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7"),
	vector("SP 800-38A F.2.1", engine.AESCBC, key128, cbcIV, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"),
	vector("SP 800-38A F.2.3", engine.AESCBC, key192, cbcIV, "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd"),
	vector("SP 800-38A F.2.5", engine.AESCBC, key256, cbcIV, "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"),
	vector("SP 800-38A F.5.1", engine.AESCTR, key128, ctrIV, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"),
	vector("SP 800-38A F.5.3", engine.AESCTR, key192, ctrIV, "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e941e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050"),
	vector("SP 800-38A F.5.5", engine.AESCTR, key256, ctrIV, "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"),
}

// What all examples of the publication share.
const (
	key128 = "2b7e151628aed2a6abf7158809cf4f3c"
	key192 = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
	key256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
	cbcIV  = "000102030405060708090a0b0c0d0e0f"
	ctrIV  = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

	plaintext = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)

func vector(name string, a engine.Algorithm, key, iv, ciphertext string) Vector {
	return Vector{name, a, unhex(key), unhex(iv), unhex(plaintext), unhex(ciphertext)}
}

// unhex decodes the constants of this file.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// HashVector is a known answer of a hash.
type HashVector struct {
	Algorithm       engine.Algorithm
	Message, Digest []byte
}

// HashVectors are of the examples to FIPS 180-4 and FIPS 202 that NIST
// publishes: the messages "abc" and of 448 bits, and none.
var HashVectors = []HashVector{
	hashVector(engine.SHA1, abc, "a9993e364706816aba3e25717850c26c9cd0d89d"),
	hashVector(engine.SHA1, abc448, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
	hashVector(engine.SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
	hashVector(engine.SHA224, abc, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
	hashVector(engine.SHA224, abc448, "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525"),
	hashVector(engine.SHA224, "", "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"),
	hashVector(engine.SHA256, abc, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
	hashVector(engine.SHA256, abc448, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
	hashVector(engine.SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
	hashVector(engine.SHA384, abc, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
	hashVector(engine.SHA384, abc448, "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6b0455a8520bc4e6f5fe95b1fe3c8452b"),
	hashVector(engine.SHA384, "", "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"),
	hashVector(engine.SHA512, abc, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
	hashVector(engine.SHA512, abc448, "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c33596fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445"),
	hashVector(engine.SHA512, "", "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"),
	hashVector(engine.SHA3_224, abc, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
	hashVector(engine.SHA3_224, abc448, "8a24108b154ada21c9fd5574494479ba5c7e7ab76ef264ead0fcce33"),
	hashVector(engine.SHA3_224, "", "6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7"),
	hashVector(engine.SHA3_256, abc, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
	hashVector(engine.SHA3_256, abc448, "41c0dba2a9d6240849100376a8235e2c82e1b9998a999e21db32dd97496d3376"),
	hashVector(engine.SHA3_256, "", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"),
	hashVector(engine.SHA3_384, abc, "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25"),
	hashVector(engine.SHA3_384, abc448, "991c665755eb3a4b6bbdfb75c78a492e8c56a22c5c4d7e429bfdbc32b9d4ad5aa04a1f076e62fea19eef51acd0657c22"),
	hashVector(engine.SHA3_384, "", "0c63a75b845e4f7d01107d852e4c2485c51a50aaaa94fc61995e71bbee983a2ac3713831264adb47fb6bd1e058d5f004"),
	hashVector(engine.SHA3_512, abc, "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"),
	hashVector(engine.SHA3_512, abc448, "04a371e84ecfb5b8b77cb48610fca8182dd457ce6f326a0fd3d7ec2f1e91636dee691fbe0c985302ba1b0d8dc78c086346b533b49c030d99a27daf1139d6e75e"),
	hashVector(engine.SHA3_512, "", "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a615b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26"),
}

const (
	abc    = "abc"
	abc448 = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
)

func hashVector(a engine.Algorithm, message, digest string) HashVector {
	return HashVector{a, []byte(message), unhex(digest)}
}

// testVectors does each vector both ways, in place and not, as one batch.
func testVectors(t *testing.T, e engine.Engine) {
	w := newWorker(t, e, 64)
	tested := 0
	for _, v := range Vectors {
		if !has(e, v.Algorithm, len(v.Key)) {
			continue
		}
		tested++
		t.Run(v.Name, func(t *testing.T) {
			var jobs []*job
			for _, inPlace := range []bool{false, true} {
				for _, d := range directions {
					j := &job{name: v.Name, kind: engine.Cipher, iv: v.IV, src: v.Plaintext, want: v.Ciphertext, inPlace: inPlace}
					if d == engine.Decrypt {
						j.src, j.want = j.want, j.src
					}
					j.session = newSession(t, e, engine.Params{Algorithm: v.Algorithm, Direction: d, Key: v.Key})
					jobs = append(jobs, j)
				}
			}
			do(t, w, jobs)
		})
	}
	var jobs []*job
	for _, v := range HashVectors {
		if !has(e, v.Algorithm, 0) {
			continue
		}
		tested++
		s := newSession(t, e, engine.Params{Algorithm: v.Algorithm})
		jobs = append(jobs, &job{name: v.Algorithm.String(), session: s, kind: engine.Hash, src: v.Message, want: v.Digest})
	}
	do(t, w, jobs)
	if tested == 0 {
		t.Error("no vector fits the engine")
	}
}

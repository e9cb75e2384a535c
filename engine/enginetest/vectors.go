// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"encoding/hex"

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

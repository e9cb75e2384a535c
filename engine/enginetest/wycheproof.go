// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/vectors"
)

var wycheproofFiles = map[engine.Algorithm]string{
	engine.AESXTS:           "aes_xts",
	engine.HMACSHA1:         "hmac_sha1",
	engine.HMACSHA224:       "hmac_sha224",
	engine.HMACSHA256:       "hmac_sha256",
	engine.HMACSHA384:       "hmac_sha384",
	engine.HMACSHA512:       "hmac_sha512",
	engine.CMACAES:          "aes_cmac",
	engine.AESGCM:           "aes_gcm",
	engine.AESCCM:           "aes_ccm",
	engine.ChaCha20Poly1305: "chacha20_poly1305",
}

// wycheproofFile is a file of vectors, with what the files of ciphers, MACs and
// AEADs have. Sizes of groups are in bits.
type wycheproofFile struct {
	TestGroups []struct {
		TagSize int
		Tests   []struct {
			TCID                       int
			Key, IV, AAD, Msg, CT, Tag hexBytes
			Result                     string
			Flags                      []string
		}
	}
}

type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(b []byte) (err error) {
	*h, err = hex.DecodeString(string(bytes.Trim(b, `"`)))
	return err
}

func readWycheproof(t testing.TB, name string) (f wycheproofFile) {
	t.Helper()
	file := must(vectors.Wycheproof(name))
	defer file.Close()
	if err := json.NewDecoder(file).Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// testWycheproof does all vectors of an algorithm as one batch, both ways where
// there are two. What is called invalid must end so.
func testWycheproof(t *testing.T, e engine.Engine) {
	for _, s := range e.Algorithms() {
		name, ok := wycheproofFiles[s.Algorithm]
		if !ok {
			continue
		}
		t.Run(s.Algorithm.String(), func(t *testing.T) {
			w := newWorker(t, e, 64)
			var jobs []*job
			for _, g := range readWycheproof(t, name).TestGroups {
				for _, v := range g.Tests {
					if !has(e, s.Algorithm, len(v.Key)) || slices.Contains(v.Flags, "InvalidKeySize") || len(v.IV) > engine.MaxIV {
						continue
					}
					p := engine.Params{Algorithm: s.Algorithm, Key: v.Key}
					j := job{name: fmt.Sprintf("%s %d", name, v.TCID), kind: s.Algorithm.Kind(), src: v.Msg, iv: v.IV}
					valid := v.Result == "valid"
					switch j.kind {
					case engine.MAC:
						if !valid {
							continue // the MAC of the message, changed
						}
						j.want = v.Tag
						j.session = newSession(t, e, p)
						jobs = append(jobs, &j)
					case engine.Cipher:
						j.steals = len(v.Msg)%16 != 0
						j.iv = append(slices.Clone(v.IV), make([]byte, engine.MaxIV-len(v.IV))...)
						for _, d := range directions {
							j := j
							j.src, j.want, p.Direction = v.Msg, v.CT, d
							if d == engine.Decrypt {
								j.src, j.want = v.CT, v.Msg
							}
							j.session = newSession(t, e, p)
							jobs = append(jobs, &j)
						}
					case engine.AEAD:
						jobs = append(jobs, aeadVectors(t, e, p, j, v.AAD, v.CT, v.Tag, g.TagSize/8, valid)...)
					}
				}
			}
			if len(jobs) == 0 {
				t.Error("no vector fits the engine")
			}
			for batch := range slices.Chunk(jobs, 64) {
				do(t, w, batch)
			}
		})
	}
}

// aeadVectors makes jobs of a vector of an AEAD. A nonce or tag of an invalid
// size must be refused with the session or with the request; a changed tag is
// found by decryption.
func aeadVectors(t *testing.T, e engine.Engine, p engine.Params, j job, aad, ct, tag []byte, tagSize int, valid bool) (jobs []*job) {
	p.TagSize = tagSize
	for _, d := range directions {
		j := j
		p.Direction = d
		j.tag, j.aad, j.encrypt = tag, aad, d == engine.Encrypt
		s, err := e.NewSession(p)
		if err != nil {
			if valid && tagSize == engine.MaxTag {
				t.Errorf("%s: %v", j.name, err)
			}
			continue
		}
		t.Cleanup(s.Close)
		j.session = s
		j.mayRefuse = len(j.iv) != p.Algorithm.IVSize() || len(aad) > 46
		j.want = ct
		if d == engine.Decrypt {
			j.src, j.want = ct, j.src
		}
		badNonce := len(j.iv) == 0 || p.Algorithm == engine.ChaCha20Poly1305 && len(j.iv) != 12 ||
			p.Algorithm == engine.AESCCM && (len(j.iv) < 7 || len(j.iv) > 13)
		switch {
		case valid:
		case badNonce:
			j.status = engine.BadRequest
		case d == engine.Decrypt:
			j.status = engine.BadTag
		default:
			continue
		}
		jobs = append(jobs, &j)
	}
	return jobs
}

// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"slices"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/vectors"
)

// testPublished does the published vectors of what the engine has, both ways
// where there are two. What is called invalid must end so.
func testPublished(t *testing.T, e engine.Engine) {
	// A node of the cryptodev API has so many sessions and no more: they are
	// open for a batch at a time.
	const batch = 64
	for _, f := range must(vectors.Files()) {
		t.Run(f.Name, func(t *testing.T) {
			for vs := range slices.Chunk(f.Vectors, batch) {
				t.Run(vs[0].Name, func(t *testing.T) {
					if jobs := publishedJobs(t, e, vs); len(jobs) > 0 {
						do(t, newWorker(t, e, len(jobs)), jobs)
					}
				})
			}
		})
	}
}

// publishedJobs makes jobs of those vectors that the engine can be asked.
func publishedJobs(t *testing.T, e engine.Engine, vs []vectors.Vector) (jobs []*job) {
	for _, v := range vs {
		p := v.Params
		if p.Algorithm.Kind() == engine.PublicKey || !has(e, p.Algorithm, len(p.Key)) || len(v.IV) > engine.MaxIV || v.Skip > 0 {
			continue
		}
		j := job{name: v.Name, kind: p.Algorithm.Kind(), src: v.In, iv: v.IV, want: v.Out}
		switch j.kind {
		case engine.MAC, engine.Hash:
			if !v.Invalid { // else the MAC of the message, changed
				j.session = newSession(t, e, p)
				jobs = append(jobs, &j)
			}
		case engine.Cipher:
			for _, d := range directions {
				if p.Direction != 0 && p.Direction != d {
					continue
				}
				j, p := j, p
				p.Direction = d
				if d == engine.Decrypt {
					j.src, j.want = j.want, j.src
				}
				j.steals = p.Algorithm == engine.AESXTS && len(v.In)%16 != 0
				j.session = newSession(t, e, p)
				jobs = append(jobs, &j)
			}
		case engine.AEAD:
			jobs = append(jobs, aeadJobs(t, e, v, j)...)
		}
	}
	return jobs
}

// aeadJobs makes jobs of a vector of an AEAD. A nonce or tag of an invalid
// size must be refused with the session or with the request; a changed tag is
// found by decryption.
func aeadJobs(t *testing.T, e engine.Engine, v vectors.Vector, j job) (jobs []*job) {
	p := v.Params
	for _, d := range directions {
		j := j
		p.Direction = d
		j.tag, j.aad, j.encrypt = v.Tag, v.AAD, d == engine.Encrypt
		s, err := e.NewSession(p)
		if err != nil {
			if !v.Invalid && p.TagSize == engine.MaxTag {
				t.Errorf("%s: %v", j.name, err)
			}
			continue
		}
		t.Cleanup(s.Close)
		j.session = s
		j.mayRefuse = len(j.iv) != p.Algorithm.IVSize() || len(v.AAD) > 46
		j.want = v.Out
		if d == engine.Decrypt {
			j.src, j.want = v.Out, j.src
		}
		badNonce := len(j.iv) == 0 || p.Algorithm == engine.ChaCha20Poly1305 && len(j.iv) != 12 ||
			p.Algorithm == engine.AESCCM && (len(j.iv) < 7 || len(j.iv) > 13)
		switch {
		case !v.Invalid:
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

// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"

	"vcrypto/engine"
)

// newJob makes a job of n random bytes for a session, with the answer of the
// reference.
func newJob(t testing.TB, r *rand.ChaCha8, s engine.Session, p engine.Params, n int) *job {
	t.Helper()
	j := &job{name: describe(p), session: s, kind: p.Algorithm.Kind(), iv: random(r, p.Algorithm.IVSize())}
	switch j.kind {
	case engine.Cipher:
		j.src = random(r, n)
		j.steals = p.Algorithm == engine.AESXTS && n%16 != 0
		j.want = refCipher(t, p, j.iv, j.src)
	case engine.Hash, engine.MAC:
		j.src = random(r, n)
		size := p.Algorithm.ResultSize()
		if size == 0 {
			size = 1 + rand.New(r).IntN(200)
		}
		j.want = refDigest(t, p, j.src, size)
	case engine.AEAD:
		j.aad = random(r, rand.New(r).IntN(40))
		seal(t, j, p, random(r, n))
	}
	return j
}

// seal gives a job of an AEAD its source and its answer.
func seal(t testing.TB, j *job, p engine.Params, plaintext []byte) {
	t.Helper()
	ciphertext, tag := refSeal(t, p, j.iv, j.aad, plaintext)
	j.tag = tag
	j.encrypt = p.Direction == engine.Encrypt
	if j.encrypt {
		j.src, j.want = plaintext, ciphertext
	} else {
		j.src, j.want = ciphertext, plaintext
	}
}

// unit is what lengths of requests are counted in, and the shortest.
func unit(a engine.Algorithm) (block, least int) {
	if a == engine.AESXTS {
		return 1, 16
	}
	return a.BlockSize(), 0
}

// slow algorithms are left out of what takes long: they are old, and none of
// their implementations changes its ways for long requests.
func slow(a engine.Algorithm) bool { return a.Legacy() }

// testLengths goes through the lengths at which implementations change their
// ways: around blocks and pages, and around what 16 bits count.
func testLengths(t *testing.T, e engine.Engine) {
	lengths := []int{4095, 4096, 4097, 65503, 65504, 65505, 65519, 65520, 65521, 65533, 65534, 65535, 65536, 65537}
	for n := range 300 {
		lengths = append(lengths, n)
	}
	each(t, e, func(t *testing.T, p engine.Params) {
		r := newRand(2)
		s := newSession(t, e, p)
		w := newWorker(t, e, 64)
		block, least := unit(p.Algorithm)
		var jobs []*job
		for _, n := range lengths {
			if n%block != 0 || n < least || n > 4097 && slow(p.Algorithm) {
				continue
			}
			for i := range 2 {
				j := newJob(t, r, s, p, n)
				j.inPlace = i == 1 && (j.kind == engine.Cipher || j.kind == engine.AEAD)
				j.misalign = n % 7
				j.mayRefuse = n > 4097
				jobs = append(jobs, j)
			}
			if len(jobs) >= 62 || n > 4097 {
				do(t, w, jobs)
				jobs = nil
			}
		}
		do(t, w, jobs)
	})
}

// testBadRequests submits what does not fit the algorithm.
func testBadRequests(t *testing.T, e engine.Engine) {
	each(t, e, func(t *testing.T, p engine.Params) {
		s := newSession(t, e, p)
		w := newWorker(t, e, 8)
		kind, block, iv, tag := p.Algorithm.Kind(), p.Algorithm.BlockSize(), p.Algorithm.IVSize(), p.TagSize
		type sizes struct{ src, dst, iv, tag int }
		var bad []sizes
		switch result := p.Algorithm.ResultSize(); kind {
		case engine.Hash, engine.MAC:
			bad = []sizes{{16, result, 1, 0}, {16, result, 16, 0}}
			if result > 0 {
				bad = append(bad, sizes{16, result + 1, 0, 0}, sizes{16, 0, 0, 0}, sizes{0, result + 1, 0, 0}, sizes{0, 0, 0, 0})
			}
			if kind == engine.Hash && result > 0 {
				bad = append(bad, sizes{16, result - 1, 0, 0}, sizes{16, 1, 0, 0})
			}
		default:
			bad = []sizes{
				{16, 32, iv, tag},
				{32, 16, iv, tag},
				{16, 0, iv, tag},
				{0, 16, iv, tag},
				{16, 16, 255, tag},
			}
		}
		if kind == engine.Cipher {
			bad = append(bad, sizes{16, 16, iv + 1, 0}, sizes{0, 0, iv + 1, 0})
			if iv > 0 {
				bad = append(bad, sizes{16, 16, 0, 0}, sizes{16, 16, iv - 1, 0})
			}
		}
		if kind == engine.AEAD {
			bad = append(bad, sizes{16, 16, iv, tag - 1}, sizes{16, 16, iv, tag + 1}, sizes{16, 16, iv, 0}, sizes{16, 16, iv, 255}, sizes{16, 16, 0, tag}, sizes{0, 0, 0, tag})
			if p.Algorithm == engine.AESCCM {
				bad = append(bad, sizes{16, 16, 6, tag}, sizes{16, 16, 14, tag})
			}
			if p.Algorithm == engine.ChaCha20Poly1305 {
				bad = append(bad, sizes{16, 16, 11, tag}, sizes{16, 16, 13, tag})
			}
		}
		if p.Algorithm == engine.AESXTS {
			bad = append(bad, sizes{1, 1, iv, 0}, sizes{15, 15, iv, 0})
		} else if block > 1 {
			bad = append(bad, sizes{1, 1, iv, 0}, sizes{block + 1, block + 1, iv, 0}, sizes{2*block - 1, 2*block - 1, iv, 0})
		}
		for _, b := range bad {
			j := &job{name: describe(p), session: s, kind: kind, src: make([]byte, b.src), status: engine.BadRequest}
			j.prepare()
			dst := &job{kind: kind, src: make([]byte, b.dst)}
			dst.prepare()
			j.req.Dst, j.before = dst.req.Src, dst.src
			j.req.IVLen, j.req.TagLen = uint8(b.iv), uint8(b.tag)
			submit(t, w, []*engine.Request{&j.req})
			if t.Failed() {
				t.Logf("with %+v", b)
			}
			j.check(t)
		}
		// The worker is none the worse for it.
		do(t, w, []*job{newJob(t, newRand(3), s, p, 64)})
	})
}

// foreign is a session of no engine.
type foreign struct{}

func (foreign) Close() {}

func testForeignSession(t *testing.T, e engine.Engine) {
	w := newWorker(t, e, 2)
	for _, s := range []engine.Session{foreign{}, nil} {
		j := &job{session: s, kind: engine.Cipher, src: make([]byte, 16), iv: make([]byte, 16)}
		j.prepare()
		submit(t, w, []*engine.Request{&j.req})
		if j.req.Status == engine.OK || j.reaped != 1 {
			t.Errorf("session %v: status %d, reaped %d times", s, j.req.Status, j.reaped)
		}
	}
}

// testCounters begins counters just below where they carry into the next 32
// bits, and where all 128 wrap; and gives AEADs other nonces than the usual.
func testCounters(t *testing.T, e engine.Engine) {
	each(t, e, func(t *testing.T, p engine.Params) {
		r := newRand(4)
		s := newSession(t, e, p)
		w := newWorker(t, e, 64)
		var jobs []*job
		switch p.Algorithm {
		case engine.AESCTR:
			for _, ones := range []int{4, 8, 12, 16} { // bytes of all ones at the end
				for _, below := range []uint32{0, 1, 5, 16, 17, 20} {
					j := newJob(t, r, s, p, 16*16+5)
					for i := range ones {
						j.iv[15-i] = 0xff
					}
					binary.BigEndian.PutUint32(j.iv[12:], ^below)
					j.want = refCipher(t, p, j.iv, j.src)
					j.inPlace = below%2 == 1
					j.mayRefuse = true
					jobs = append(jobs, j)
				}
			}
		case engine.AESGCM, engine.AESCCM:
			low, high := 1, engine.MaxIV
			if p.Algorithm == engine.AESCCM {
				low, high = 7, 13 // SP 800-38C appendix A.1
			}
			for n := low; n <= high; n++ {
				j := newJob(t, r, s, p, 50)
				j.iv = random(r, n)
				seal(t, j, p, random(r, 50))
				j.mayRefuse = n != p.Algorithm.IVSize()
				jobs = append(jobs, j)
			}
		}
		if p.Algorithm.Kind() == engine.AEAD {
			for _, n := range []int{0, 1, 13, 14, 15, 16, 17, 31, 46, 47, 48, 255, 256, 65279, 65280, 65281} {
				j := newJob(t, r, s, p, 33)
				j.aad = random(r, n)
				seal(t, j, p, random(r, 33))
				j.mayRefuse = n > 46
				jobs = append(jobs, j)
			}
		}
		do(t, w, jobs)
	})
}

// testBig does requests larger than limits that libraries and kernels have.
func testBig(t *testing.T, e engine.Engine) {
	each(t, e, func(t *testing.T, p engine.Params) {
		if slow(p.Algorithm) {
			return
		}
		r := newRand(5)
		s := newSession(t, e, p)
		w := newWorker(t, e, 4)
		for i, n := range []int{64 << 10, 1<<20 - 16, 1<<20 + 16} {
			j := newJob(t, r, s, p, n)
			j.inPlace = i%2 == 1 && (j.kind == engine.Cipher || j.kind == engine.AEAD)
			j.mayRefuse = true
			do(t, w, []*job{j})
		}
	})
}

// sessions opens one session for every algorithm, key size and direction.
func sessions(t testing.TB, e engine.Engine, r *rand.ChaCha8) (all []engine.Session, params []engine.Params) {
	params = variants(e, r)
	for _, p := range params {
		all = append(all, newSession(t, e, p))
	}
	return all, params
}

// randomJobs makes a batch that mixes everything.
func randomJobs(t testing.TB, r *rand.ChaCha8, ses []engine.Session, params []engine.Params, n int) []*job {
	rnd := rand.New(r)
	var jobs []*job
	for range n {
		i := rnd.IntN(len(ses))
		block, least := unit(params[i].Algorithm)
		size := rnd.IntN(1 << rnd.IntN(14)) // up to 8 KiB, mostly small
		j := newJob(t, r, ses[i], params[i], max(size/block*block, least))
		j.inPlace = rnd.IntN(2) == 0 && (j.kind == engine.Cipher || j.kind == engine.AEAD)
		j.misalign = rnd.IntN(16)
		j.mayRefuse = true
		switch {
		case j.kind == engine.AEAD && !j.encrypt && rnd.IntN(4) == 0:
			// Of a bad tag one bit is wrong, any of them.
			j.tag = append([]byte(nil), j.tag...)
			j.tag[rnd.IntN(len(j.tag))] ^= 1 << rnd.IntN(8)
			j.status = engine.BadTag
		case j.kind == engine.MAC && rnd.IntN(4) == 0:
			j.want = j.want[:1+rnd.IntN(len(j.want))]
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// testMixed compares random requests with the reference, in batches that mix
// sessions, algorithms, lengths and alignments.
func testMixed(t *testing.T, e engine.Engine) {
	r := newRand(6)
	ses, params := sessions(t, e, r)
	const depth = 300
	w := newWorker(t, e, depth)
	for batch := range 40 {
		do(t, w, randomJobs(t, r, ses, params, 1+(batch*37)%depth))
	}
}

// testManySessions has each request of a batch use another of thousands of
// sessions, some of which come and go.
func testManySessions(t *testing.T, e engine.Engine) {
	r := newRand(8)
	params := variants(e, r)
	const depth, count = 256, 3000
	w := newWorker(t, e, depth)
	type open struct {
		engine.Session
		engine.Params
	}
	var all []open
	for i := range count {
		p := params[i%len(params)]
		p.Key = random(r, len(p.Key))
		s, err := e.NewSession(p)
		if err != nil {
			t.Fatalf("session %d, %s: %v", i, describe(p), err)
		}
		all = append(all, open{s, p})
	}
	rnd := rand.New(r)
	for range 10 {
		var jobs []*job
		for range depth {
			s := all[rnd.IntN(len(all))]
			j := newJob(t, r, s.Session, s.Params, 16*(1+rnd.IntN(20)))
			j.mayRefuse = true
			jobs = append(jobs, j)
		}
		do(t, w, jobs)
		for range 100 {
			i := rnd.IntN(len(all))
			p := all[i].Params
			all[i].Close()
			p.Key = random(r, len(p.Key))
			s, err := e.NewSession(p)
			if err != nil {
				t.Fatalf("%s: %v", describe(p), err)
			}
			all[i] = open{s, p}
		}
	}
	for _, s := range all {
		s.Close()
	}
}

// testManyKeys has each request of a long batch use a key of its own, all of
// one algorithm: engines that take such batches in pieces must not mix them up.
func testManyKeys(t *testing.T, e engine.Engine) {
	each(t, e, func(t *testing.T, p engine.Params) {
		r := newRand(10)
		const n = 300 // more than an engine takes at a time
		w := newWorker(t, e, n)
		jobs := make([]*job, n)
		for i := range jobs {
			p.Key = random(r, len(p.Key))
			jobs[i] = newJob(t, r, newSession(t, e, p), p, 48)
			jobs[i].inPlace = i%2 == 1 && (jobs[i].kind == engine.Cipher || jobs[i].kind == engine.AEAD)
		}
		do(t, w, jobs)
	})
}

// testWorkers has several threads use the same sessions at once.
func testWorkers(t *testing.T, e engine.Engine) {
	ses, params := sessions(t, e, newRand(7))
	const workers, depth = 4, 64
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range workers {
		w := newWorker(t, e, depth)
		wg.Go(func() {
			r := newRand(uint64(100 + i))
			for range 10 {
				do(t, w, randomJobs(t, r, ses, params, depth))
			}
		})
	}
}

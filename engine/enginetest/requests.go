// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"

	"vcrypto/engine"
)

// newJob makes a job of n random bytes for a session, with the answer of the
// reference.
func newJob(t testing.TB, r *rand.ChaCha8, s engine.Session, p engine.Params, n int) *job {
	j := &job{session: s, iv: random(r, p.Algorithm.IVSize()), src: random(r, n)}
	j.want = reference(t, p, j.iv, j.src)
	return j
}

// testLengths goes through the lengths at which implementations change their
// ways, from none to just over a page.
func testLengths(t *testing.T, e engine.Engine) {
	each(t, e, func(t *testing.T, p engine.Params) {
		r := newRand(2)
		s := newSession(t, e, p)
		w := newWorker(t, e, 8)
		block := p.Algorithm.BlockSize()
		for _, blocks := range []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 127, 128, 129, 255, 256, 257, 4095, 4096, 4097} {
			if block > 1 && blocks > 300 {
				continue
			}
			var jobs []*job
			for i := range 4 {
				j := newJob(t, r, s, p, blocks*block)
				j.inPlace = i%2 == 1
				j.misalign = i / 2
				jobs = append(jobs, j)
			}
			do(t, w, jobs)
			for _, j := range jobs {
				j.check(t, false)
			}
		}
	})
}

// testBadRequests submits what does not fit the algorithm.
func testBadRequests(t *testing.T, e engine.Engine) {
	each(t, e, func(t *testing.T, p engine.Params) {
		s := newSession(t, e, p)
		w := newWorker(t, e, 8)
		block, iv := p.Algorithm.BlockSize(), p.Algorithm.IVSize()
		type sizes struct{ src, dst, iv int }
		bad := []sizes{
			{16, 32, iv},
			{32, 16, iv},
			{16, 0, iv},
			{0, 16, iv},
			{16, 16, iv + 1},
			{16, 16, 255},
			{0, 0, iv + 1},
		}
		if block > 1 {
			bad = append(bad, sizes{1, 1, iv}, sizes{block + 1, block + 1, iv}, sizes{2*block - 1, 2*block - 1, iv})
		}
		if iv > 0 {
			bad = append(bad, sizes{16, 16, 0}, sizes{16, 16, iv - 1})
		}
		for _, b := range bad {
			j := &job{src: make([]byte, max(b.src, b.dst))}
			j.prepare()
			j.req.Session = s
			j.req.Src, j.req.Dst, j.req.IVLen = j.req.Src[:b.src], j.req.Dst[:b.dst], uint8(b.iv)
			submit(t, w, []*engine.Request{&j.req})
			if j.req.Status != engine.BadRequest {
				t.Errorf("%d bytes to %d with %d of IV: status %d, want BadRequest", b.src, b.dst, b.iv, j.req.Status)
			}
			if !bytes.Equal(j.req.Dst, j.before[:b.dst]) {
				t.Errorf("%d bytes to %d with %d of IV: the destination was changed", b.src, b.dst, b.iv)
			}
		}
		// The worker is none the worse for it.
		j := newJob(t, newRand(3), s, p, 64)
		do(t, w, []*job{j})
		j.check(t, false)
	})
}

// foreign is a session of no engine.
type foreign struct{}

func (foreign) Close() {}

func testForeignSession(t *testing.T, e engine.Engine) {
	w := newWorker(t, e, 2)
	for _, s := range []engine.Session{foreign{}, nil} {
		j := &job{session: s, src: make([]byte, 16), iv: make([]byte, 16)}
		do(t, w, []*job{j})
		if j.req.Status == engine.OK || j.reaped != 1 {
			t.Errorf("session %v: status %d, reaped %d times", s, j.req.Status, j.reaped)
		}
	}
}

// testCounters begins counters just below where they carry into the next 32
// bits, and where all 128 wrap.
func testCounters(t *testing.T, e engine.Engine) {
	each(t, e, func(t *testing.T, p engine.Params) {
		if p.Algorithm != engine.AESCTR {
			return
		}
		r := newRand(4)
		s := newSession(t, e, p)
		w := newWorker(t, e, 16)
		var jobs []*job
		for _, ones := range []int{4, 8, 12, 16} { // bytes of all ones at the end
			for _, below := range []uint32{0, 1, 5, 20} {
				j := newJob(t, r, s, p, 16*16+5)
				for i := range ones {
					j.iv[15-i] = 0xff
				}
				binary.BigEndian.PutUint32(j.iv[12:], ^below)
				j.want = reference(t, p, j.iv, j.src)
				jobs = append(jobs, j)
			}
		}
		do(t, w, jobs)
		for _, j := range jobs {
			j.check(t, true)
		}
	})
}

// testBig does requests larger than limits that libraries and kernels have.
func testBig(t *testing.T, e engine.Engine) {
	each(t, e, func(t *testing.T, p engine.Params) {
		r := newRand(5)
		s := newSession(t, e, p)
		w := newWorker(t, e, 4)
		for _, n := range []int{64 << 10, 64<<10 + 16, 256<<10 - 16, 1<<20 + 48} {
			for _, inPlace := range []bool{false, true} {
				j := newJob(t, r, s, p, n)
				j.inPlace = inPlace
				do(t, w, []*job{j})
				j.check(t, true)
			}
		}
	})
}

// sessions opens one session for every algorithm, key size and direction.
func sessions(t testing.TB, e engine.Engine, r *rand.ChaCha8) (all []engine.Session, params []engine.Params) {
	for _, s := range e.Algorithms() {
		for _, n := range s.KeySizes {
			for _, d := range directions {
				p := engine.Params{Algorithm: s.Algorithm, Direction: d, Key: random(r, n)}
				all = append(all, newSession(t, e, p))
				params = append(params, p)
			}
		}
	}
	return all, params
}

// randomJobs makes a batch that mixes everything.
func randomJobs(t testing.TB, r *rand.ChaCha8, ses []engine.Session, params []engine.Params, n int) []*job {
	rnd := rand.New(r)
	var jobs []*job
	for range n {
		i := rnd.IntN(len(ses))
		block := params[i].Algorithm.BlockSize()
		size := rnd.IntN(1 << rnd.IntN(14)) // up to 8 KiB, mostly small
		j := newJob(t, r, ses[i], params[i], size/block*block)
		j.inPlace = rnd.IntN(2) == 0
		j.misalign = rnd.IntN(16)
		jobs = append(jobs, j)
	}
	return jobs
}

// testMixed compares random requests with the reference, in batches that mix
// sessions, algorithms, lengths and alignments.
func testMixed(t *testing.T, e engine.Engine) {
	r := newRand(6)
	ses, params := sessions(t, e, r)
	const depth = 64
	w := newWorker(t, e, depth)
	for batch := range 30 {
		jobs := randomJobs(t, r, ses, params, 1+(batch*7)%depth)
		do(t, w, jobs)
		for _, j := range jobs {
			j.check(t, true)
		}
	}
}

// testWorkers has several threads use the same sessions at once.
func testWorkers(t *testing.T, e engine.Engine) {
	ses, params := sessions(t, e, newRand(7))
	const workers, depth = 4, 16
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range workers {
		w := newWorker(t, e, depth)
		wg.Go(func() {
			r := newRand(uint64(100 + i))
			for range 20 {
				// Few sessions, so that they meet in them.
				jobs := randomJobs(t, r, ses[:min(3, len(ses))], params, depth)
				do(t, w, jobs)
				for _, j := range jobs {
					j.check(t, true)
				}
			}
		})
	}
}

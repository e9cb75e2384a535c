// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"testing"

	"vcrypto/engine"
)

// job is a request with the answer it must get.
type job struct {
	session   engine.Session
	iv        []byte
	src, want []byte
	inPlace   bool
	misalign  int // the buffers begin so many bytes after an aligned address

	req    engine.Request
	before []byte // what Dst held
	reaped int
}

// canary surrounds destinations.
const (
	canary     = 0xa5
	canarySize = 32 // bytes on each side
)

// prepare fills in the request, with buffers of its own.
func (j *job) prepare() {
	room := func() []byte {
		b := bytes.Repeat([]byte{canary}, len(j.src)+j.misalign+2*canarySize)
		start := canarySize + j.misalign
		return b[start : start+len(j.src) : len(b)]
	}
	dst := room()
	src := dst
	if !j.inPlace {
		src = room()
	}
	copy(src, j.src)
	j.before = bytes.Clone(dst)
	j.req = engine.Request{Session: j.session, Src: src, Dst: dst, IVLen: uint8(len(j.iv)), Owner: j}
	copy(j.req.IV[:], j.iv)
}

// check compares the outcome with what was to come.
func (j *job) check(t testing.TB, mayRefuse bool) {
	t.Helper()
	r := &j.req
	if j.reaped != 1 {
		t.Fatalf("reaped %d times", j.reaped)
	}
	if mayRefuse && r.Status == engine.NotSupported {
		if !bytes.Equal(r.Dst, j.before) {
			t.Errorf("%d bytes refused, but the destination was changed", len(j.src))
		}
		return
	}
	if r.Status != engine.OK {
		t.Fatalf("%d bytes: status %d, want OK", len(j.src), r.Status)
	}
	if !bytes.Equal(r.Dst, j.want) {
		t.Errorf("%d bytes, in place %t, misaligned by %d: wrong from byte %d on", len(j.src), j.inPlace, j.misalign, firstDifference(r.Dst, j.want))
	}
	if !j.inPlace && !bytes.Equal(r.Src, j.src) {
		t.Errorf("%d bytes: the source was changed", len(j.src))
	}
	for _, c := range r.Dst[len(r.Dst):cap(r.Dst)] {
		if c != canary {
			t.Errorf("%d bytes: written beyond the destination", len(j.src))
			break
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// do prepares the jobs, submits them as one batch and reaps them all.
func do(t testing.TB, w engine.Worker, jobs []*job) {
	t.Helper()
	reqs := make([]*engine.Request, len(jobs))
	for i, j := range jobs {
		j.prepare()
		reqs[i] = &j.req
	}
	submit(t, w, reqs)
}

// submit submits the requests and reaps them all, in several ways.
func submit(t testing.TB, w engine.Worker, reqs []*engine.Request) {
	t.Helper()
	done := make([]*engine.Request, 3) // small, so that it takes several calls
	modes := []engine.ReapMode{engine.Poll, engine.Flush, engine.Wait}
	want := len(reqs)
	for got, round := 0, 0; got < want; round++ {
		held := w.Held()
		n := 0
		if len(reqs) > 0 {
			n = w.Submit(reqs)
			if n == 0 && held == 0 {
				t.Fatal("the worker is empty and takes nothing")
			}
			reqs = reqs[n:]
		}
		if w.Held() != held+n {
			t.Fatalf("the worker holds %d requests, should be %d", w.Held(), held+n)
		}
		held = w.Held()
		mode := modes[round%len(modes)]
		n = w.Reap(done, mode)
		if n == 0 && mode == engine.Wait {
			t.Fatalf("nothing reaped after waiting, %d requests held", held)
		}
		if w.Held() != held-n {
			t.Fatalf("the worker holds %d requests, should be %d", w.Held(), held-n)
		}
		for _, r := range done[:n] {
			if r.Status == engine.Pending {
				t.Error("reaped a request that is pending")
			}
			r.Owner.(*job).reaped++
		}
		got += n
	}
	if n := w.Reap(done, engine.Poll); n != 0 {
		t.Fatalf("reaped %d requests too many", n)
	}
}

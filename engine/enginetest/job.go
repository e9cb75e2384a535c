// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"testing"

	"vcrypto/engine"
)

// job is a request with the answer it must get.
type job struct {
	name     string // says in an error what it is, if not empty
	session  engine.Session
	kind     engine.Kind
	iv, aad  []byte
	src      []byte
	want     []byte // what Dst holds in the end
	tag      []byte // an AEAD's, of encryption and decryption alike
	status   engine.Status
	inPlace  bool // for ciphers and AEADs
	misalign int  // the buffers begin so many bytes after an aligned address

	// mayRefuse: NotSupported will do. So it will with ciphertext stealing.
	mayRefuse, steals bool

	encrypt bool
	req     engine.Request
	before  []byte // what Dst held
	reaped  int
}

// canary surrounds destinations.
const (
	canary     = 0xa5
	canarySize = 32 // bytes on each side
)

// prepare fills in the request, with buffers of its own.
func (j *job) prepare() {
	room := func(n int) []byte {
		b := bytes.Repeat([]byte{canary}, n+j.misalign+2*canarySize)
		start := canarySize + j.misalign
		return b[start : start+n : len(b)]
	}
	if j.status == engine.Pending {
		j.status = engine.OK
	}
	src := room(len(j.src))
	copy(src, j.src)
	dst := src
	switch {
	case j.kind == engine.Hash || j.kind == engine.MAC:
		dst = room(len(j.want))
	case !j.inPlace:
		dst = room(len(j.src))
	}
	j.before = bytes.Clone(dst)
	j.reaped = 0
	j.req = engine.Request{
		Session: j.session, Src: src, Dst: dst, AAD: bytes.Clone(j.aad),
		IVLen: uint8(len(j.iv)), TagLen: uint8(len(j.tag)), Owner: j,
	}
	copy(j.req.IV[:], j.iv)
	if !j.encrypt {
		copy(j.req.Tag[:], j.tag)
	}
}

// check compares the outcome with what was to come.
func (j *job) check(t testing.TB) {
	t.Helper()
	r := &j.req
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s (%d bytes, %d of IV, %d of additional data, in place %t, misaligned by %d): "+format,
			append([]any{j.name, len(j.src), len(j.iv), len(j.aad), j.inPlace, j.misalign}, args...)...)
	}
	if j.reaped != 1 {
		t.Fatalf("%s: reaped %d times", j.name, j.reaped)
	}
	if r.Owner != any(j) || r.Session != j.session {
		fail("the owner or the session was changed")
	}
	if !j.inPlace && !bytes.Equal(r.Src, j.src) {
		fail("the source was changed")
	}
	for _, c := range r.Dst[len(r.Dst):cap(r.Dst)] {
		if c != canary {
			fail("written beyond the destination")
			break
		}
	}
	if (j.mayRefuse || j.steals) && r.Status == engine.NotSupported {
		if !bytes.Equal(r.Dst, j.before) {
			fail("refused, but the destination was changed")
		}
		return
	}
	if r.Status != j.status {
		fail("status %d, want %d", r.Status, j.status)
		return
	}
	switch r.Status {
	case engine.OK:
		if !bytes.Equal(r.Dst, j.want) {
			fail("wrong from byte %d on", firstDifference(r.Dst, j.want))
		}
		if !bytes.Equal(r.Tag[:len(j.tag)], j.tag) {
			fail("tag %x, want %x", r.Tag[:len(j.tag)], j.tag)
		}
	case engine.BadTag:
		if !bytes.Equal(r.Dst, make([]byte, len(r.Dst))) {
			fail("the tag is bad, but the destination is not zero")
		}
	case engine.BadRequest:
		if !bytes.Equal(r.Dst, j.before) {
			fail("a bad request changed the destination")
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

// do prepares the jobs, submits them as one batch, reaps them all and checks
// them.
func do(t testing.TB, w engine.Worker, jobs []*job) {
	t.Helper()
	reqs := make([]*engine.Request, len(jobs))
	for i, j := range jobs {
		j.prepare()
		reqs[i] = &j.req
	}
	submit(t, w, reqs)
	for _, j := range jobs {
		j.check(t)
	}
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

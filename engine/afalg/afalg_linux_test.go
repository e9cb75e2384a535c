// SPDX-License-Identifier: Apache-2.0

package afalg

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

// env is the environment variable that says that this kernel has AF_ALG with
// all of the algorithms, and that it may be used: nothing is skipped then. An
// end-to-end test sets it, in a guest.
const env = "VCRYPTO_TEST_AFALG"

// opened opens the engine. Without the word for it, it skips the test: a host's
// kernel may be any, and lack algorithms.
func opened(t testing.TB) *Engine {
	t.Helper()
	if os.Getenv(env) == "" {
		t.Skipf("%s is not set (test/e2e runs this in a guest)", env)
	}
	e, err := open()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	opened(t)
	// Sessions have two file descriptors, and this opens thousands.
	const files = 8192
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < files {
		t.Fatalf("%d open files are allowed, it takes %d (ulimit -n)", limit.Cur, files)
	}
	enginetest.Run(t, func(t testing.TB) engine.Engine { return opened(t) })
}

// TestEverything: a kernel with all modules has all that the engine asks for.
func TestEverything(t *testing.T) {
	e := opened(t)
	for i, want := range everything() {
		if i >= len(e.support) {
			t.Fatalf("%d algorithms, want %d", len(e.support), len(everything()))
		}
		if got := e.support[i]; got.Algorithm != want.Algorithm || !slices.Equal(got.KeySizes, want.KeySizes) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	if e.room != maxRoom {
		t.Errorf("%d bytes at once, want %d", e.room, maxRoom)
	}
}

// do has a worker of its own do a request.
func do(t *testing.T, e *Engine, r *engine.Request) engine.Status {
	t.Helper()
	w, err := e.NewWorker(engine.WorkerConfig{Depth: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if w.Submit([]*engine.Request{r}) != 1 || w.Reap(make([]*engine.Request, 1), engine.Wait) != 1 {
		t.Fatal("a request was not taken, or not given back")
	}
	return r.Status
}

// TestRoom: what fits a socket's buffers exactly is done at once, what is longer
// by a byte goes in pieces or is refused.
func TestRoom(t *testing.T) {
	e := opened(t)
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	for _, tt := range []struct {
		a       engine.Algorithm
		aad     int
		refuses bool
	}{
		{engine.AESCTR, 0, false}, {engine.AESXTS, 0, true}, {engine.AESGCM, 0, true}, {engine.AESGCM, 4097, true}, {engine.AESCCM, 77, true},
	} {
		p := engine.Params{Algorithm: tt.a, Direction: engine.Encrypt, Key: key}
		r := &engine.Request{IVLen: uint8(tt.a.IVSize()), AAD: make([]byte, tt.aad)}
		if tt.a.Kind() == engine.AEAD {
			p.TagSize = engine.MaxTag
			r.TagLen = engine.MaxTag
		}
		s, err := e.NewSession(p)
		if err != nil {
			t.Fatal(err)
		}
		r.Session = s
		most := e.room - tt.aad - p.TagSize
		r.Src = make([]byte, most)
		r.Dst = r.Src
		if got := do(t, e, r); got != engine.OK {
			t.Errorf("%s of %d bytes: status %d", tt.a, len(r.Src), got)
		}
		want := engine.OK
		if tt.refuses {
			want = engine.NotSupported
		}
		r.Src = make([]byte, most+1)
		r.Dst = r.Src
		if got := do(t, e, r); got != want {
			t.Errorf("%s of %d bytes: status %d, want %d", tt.a, len(r.Src), got, want)
		}
		s.Close()
	}
}

// TestPieces: what does not fit a socket goes in pieces, of which each goes on
// where the last ended.
func TestPieces(t *testing.T) {
	e := opened(t)
	key, iv := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 2*e.room+4096)
	for i := range plain {
		plain[i] = byte(i * i >> 8)
	}
	for _, a := range []engine.Algorithm{engine.AESCBC, engine.AESCTR} {
		coded := make([]byte, len(plain))
		if a == engine.AESCBC {
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(coded, plain)
		} else {
			cipher.NewCTR(block, iv).XORKeyStream(coded, plain)
		}
		for _, d := range []engine.Direction{engine.Encrypt, engine.Decrypt} {
			s, err := e.NewSession(engine.Params{Algorithm: a, Direction: d, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			in, want := plain, coded
			if d == engine.Decrypt {
				in, want = want, in
			}
			r := &engine.Request{Session: s, Src: slices.Clone(in), IVLen: uint8(len(iv))}
			r.Dst = r.Src
			copy(r.IV[:], iv)
			if got := do(t, e, r); got != engine.OK || !bytes.Equal(r.Dst, want) {
				t.Errorf("%s, %s: status %d, or wrong", a, d, got)
			}
			s.Close()
		}
	}
}

// TestNothing: the tag of no text and no additional data is checked too.
func TestNothing(t *testing.T) {
	e := opened(t)
	for _, a := range []engine.Algorithm{engine.AESGCM, engine.AESCCM, engine.ChaCha20Poly1305} {
		key := make([]byte, a.KeySizes()[0])
		ask := func(d engine.Direction, tag [engine.MaxTag]byte) *engine.Request {
			s, err := e.NewSession(engine.Params{Algorithm: a, Direction: d, Key: key, TagSize: engine.MaxTag})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := &engine.Request{Session: s, IVLen: uint8(a.IVSize()), TagLen: engine.MaxTag, Tag: tag}
			do(t, e, r)
			return r
		}
		sealed := ask(engine.Encrypt, [engine.MaxTag]byte{})
		if sealed.Status != engine.OK {
			t.Errorf("%s: status %d", a, sealed.Status)
		}
		if r := ask(engine.Decrypt, sealed.Tag); r.Status != engine.OK {
			t.Errorf("%s, a good tag: status %d", a, r.Status)
		}
		sealed.Tag[engine.MaxTag-1] ^= 1
		if r := ask(engine.Decrypt, sealed.Tag); r.Status != engine.BadTag {
			t.Errorf("%s, a wrong tag: status %d", a, r.Status)
		}
	}
}

// TestSpoilt: a request that the kernel cannot do, here for memory that is not
// there, fails, and the next is none the worse for it.
func TestSpoilt(t *testing.T) {
	e := opened(t)
	gone, err := unix.Mmap(-1, 0, 2*os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(gone)
	s, err := e.NewSession(engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	good := func() *engine.Request {
		return &engine.Request{Session: s, Src: make([]byte, 64), Dst: make([]byte, 64), IVLen: 16}
	}
	first := good()
	if got := do(t, e, first); got != engine.OK {
		t.Fatalf("status %d", got)
	}
	// A source that cannot be read; a destination that cannot be written, when
	// the source is in the socket already.
	for _, spoil := range []func(*engine.Request){
		func(r *engine.Request) { r.Src = gone[:64] },
		func(r *engine.Request) { r.Dst = gone[:64] },
	} {
		bad := good()
		spoil(bad)
		if got := do(t, e, bad); got != engine.Failed {
			t.Errorf("status %d, want Failed", got)
		}
		last := good()
		if got := do(t, e, last); got != engine.OK || !slices.Equal(first.Dst, last.Dst) {
			t.Errorf("after a failure: status %d, or wrong", got)
		}
	}
}

// TestAllocatesNothing: a request takes no memory from the heap. (With the race
// detector it does.)
func TestAllocatesNothing(t *testing.T) {
	e := opened(t)
	w, err := e.NewWorker(engine.WorkerConfig{Depth: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var all []*engine.Request
	for _, p := range []engine.Params{
		{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 16)},
		{Algorithm: engine.AESGCM, Direction: engine.Encrypt, Key: make([]byte, 16), TagSize: engine.MaxTag},
		{Algorithm: engine.HMACSHA256, Key: make([]byte, 16)},
	} {
		s, err := e.NewSession(p)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := &engine.Request{Session: s, Src: make([]byte, 64), Dst: make([]byte, 64), IVLen: uint8(p.Algorithm.IVSize()), TagLen: uint8(p.TagSize)}
		if p.Algorithm.Kind() == engine.MAC {
			r.Dst = r.Dst[:p.Algorithm.ResultSize()]
		} else if p.TagSize > 0 {
			r.AAD = make([]byte, 20)
		}
		all = append(all, r)
	}
	done := make([]*engine.Request, len(all))
	if n := testing.AllocsPerRun(100, func() {
		w.Submit(all)
		w.Reap(done, engine.Wait)
	}); n != 0 {
		t.Errorf("%.1f allocations for %d requests", n, len(all))
	}
	for _, r := range all {
		if r.Status != engine.OK {
			t.Errorf("status %d", r.Status)
		}
	}
}

// TestDescriptors: sessions give back what they had, also those that cannot be
// opened.
func TestDescriptors(t *testing.T) {
	e := opened(t)
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	before := count()
	for _, p := range []engine.Params{
		{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 16)},
		{Algorithm: engine.AESGCM, Direction: engine.Encrypt, Key: make([]byte, 16), TagSize: 5},
		{Algorithm: engine.AESCCM, Direction: engine.Encrypt, Key: make([]byte, 16), TagSize: 7},
		{Algorithm: engine.HMACSHA256, Key: nil},
	} {
		if s, err := e.NewSession(p); err == nil {
			s.Close()
		} else if !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("%s: %v", p.Algorithm, err)
		}
	}
	if after := count(); after != before {
		t.Errorf("%d file descriptors, before there were %d", after, before)
	}
}

// TestUnavailable: what the probe's error says to do.
func TestUnavailable(t *testing.T) {
	for _, tt := range []struct {
		cause error
		says  string
	}{
		{unix.EAFNOSUPPORT, "this kernel has no AF_ALG: modprobe -a algif_skcipher algif_hash algif_aead (of CONFIG_CRYPTO_USER_API_"},
		{nil, "none of the algorithms over AF_ALG: modprobe -a algif_skcipher"},
		{unix.EPERM, "seccomp"},
		{unix.ENFILE, "too many open files"},
	} {
		err := unavailable(tt.cause)
		if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), tt.says) || tt.cause != nil && !errors.Is(err, tt.cause) {
			t.Errorf("%v: %v", tt.cause, err)
		}
	}
}

// TestControl looks at the bytes of a request's control data, Linux
// include/uapi/linux/if_alg.h.
func TestControl(t *testing.T) {
	var m message
	for range 2 { // the second time as the first
		m.begin(unix.ALG_OP_ENCRYPT)
		m.iv([]byte("0123456789abcdef"))
		m.additional(77)
		all, err := unix.ParseSocketControlMessage(m.control[:m.used])
		if err != nil || len(all) != 3 {
			t.Fatal(all, err)
		}
		for i, want := range []struct {
			typ  int32
			data string
		}{
			{unix.ALG_SET_OP, "\x01\x00\x00\x00"},
			{unix.ALG_SET_IV, "\x10\x00\x00\x000123456789abcdef"},
			{unix.ALG_SET_AEAD_ASSOCLEN, "\x4d\x00\x00\x00"},
		} {
			if h := all[i].Header; h.Level != unix.SOL_ALG || h.Type != want.typ || string(all[i].Data) != want.data {
				t.Errorf("item %d: %+v %q", i, h, all[i].Data)
			}
		}
		m.reset()
		if m.used != 0 || slices.ContainsFunc(m.control, func(b byte) bool { return b != 0 }) {
			t.Error("something stays behind")
		}
	}
}

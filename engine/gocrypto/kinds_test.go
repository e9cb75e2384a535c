// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"sync"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

// one does one request and returns its status.
func one(t testing.TB, w engine.Worker, r *engine.Request) engine.Status {
	t.Helper()
	if n := w.Submit([]*engine.Request{r}); n != 1 {
		t.Fatalf("%d requests taken", n)
	}
	done := make([]*engine.Request, 2)
	if n := w.Reap(done, engine.Wait); n != 1 || done[0] != r {
		t.Fatalf("%d requests reaped", n)
	}
	return r.Status
}

func open(t testing.TB, p engine.Params) (engine.Session, engine.Worker) {
	t.Helper()
	e := New()
	s, err := e.NewSession(p)
	if err != nil {
		t.Fatalf("%s: %v", p.Algorithm, err)
	}
	t.Cleanup(s.Close)
	w, err := e.NewWorker(engine.WorkerConfig{Depth: 4})
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

func TestAnswers(t *testing.T) {
	seen := make(map[engine.Algorithm]bool)
	for _, a := range enginetest.Answers {
		if makers[a.Algorithm] == nil {
			continue
		}
		seen[a.Algorithm] = true
		t.Run(fmt.Sprintf("%s/%s", a.Algorithm, a.Name), func(t *testing.T) {
			p := engine.Params{Algorithm: a.Algorithm, Key: a.Key, TagSize: len(a.Tag)}
			request := func(d engine.Direction, in []byte, n int) *engine.Request {
				p.Direction = d
				s, w := open(t, p)
				r := &engine.Request{Session: s, Src: in, Dst: make([]byte, n), AAD: a.AAD, IVLen: uint8(len(a.IV)), TagLen: uint8(len(a.Tag))}
				copy(r.IV[:], a.IV)
				if d == engine.Decrypt {
					copy(r.Tag[:], a.Tag)
				}
				if s := one(t, w, r); s != engine.OK {
					t.Fatalf("status %d", s)
				}
				return r
			}
			switch a.Algorithm.Kind() {
			case engine.Cipher, engine.AEAD:
				r := request(engine.Encrypt, a.In, len(a.Out))
				if !bytes.Equal(r.Dst, a.Out) || !bytes.Equal(r.Tag[:len(a.Tag)], a.Tag) {
					t.Errorf("encrypted to %x, tag %x", r.Dst, r.Tag)
				}
				if r := request(engine.Decrypt, a.Out, len(a.In)); !bytes.Equal(r.Dst, a.In) {
					t.Errorf("decrypted to %x", r.Dst)
				}
			default:
				if r := request(0, a.In, len(a.Out)); !bytes.Equal(r.Dst, a.Out) {
					t.Errorf("result %x", r.Dst)
				}
			}
		})
	}
	for _, s := range New().Algorithms() {
		switch {
		case s.Algorithm == engine.AESECB, s.Algorithm == engine.AESCBC, s.Algorithm == engine.AESCTR:
			// TestConformance has them.
		case s.Algorithm.Kind() != engine.PublicKey && !seen[s.Algorithm]:
			t.Errorf("%s: no known answer", s.Algorithm)
		}
	}
}

// TestXTSTweak: all 128 bits of the tweak count. One block of XTS is
// E1(p ^ E2(tweak)) ^ E2(tweak).
func TestXTSTweak(t *testing.T) {
	key := make([]byte, 64)
	rand.Read(key)
	k1, _ := aes.NewCipher(key[:32])
	k2, _ := aes.NewCipher(key[32:])
	s, w := open(t, engine.Params{Algorithm: engine.AESXTS, Direction: engine.Encrypt, Key: key})
	for range 50 {
		src, tw, want := make([]byte, 16), make([]byte, 16), make([]byte, 16)
		r := &engine.Request{Session: s, Src: src, Dst: make([]byte, 16), IVLen: 16}
		rand.Read(src)
		rand.Read(r.IV[:])
		k2.Encrypt(tw, r.IV[:])
		for i := range want {
			want[i] = src[i] ^ tw[i]
		}
		k1.Encrypt(want, want)
		for i := range want {
			want[i] ^= tw[i]
		}
		if status := one(t, w, r); status != engine.OK || !bytes.Equal(r.Dst, want) {
			t.Fatalf("status %d, %x, want %x", status, r.Dst, want)
		}
	}
	for n, want := range map[int]engine.Status{0: engine.BadRequest, 1: engine.BadRequest, 15: engine.BadRequest, 17: engine.NotSupported, 31: engine.NotSupported} {
		r := &engine.Request{Session: s, Src: make([]byte, n), Dst: make([]byte, n), IVLen: 16}
		if status := one(t, w, r); status != want {
			t.Errorf("%d bytes: status %d, want %d", n, status, want)
		}
	}
}

// TestBadTag: whatever is changed, nothing of the plaintext is handed out.
func TestBadTag(t *testing.T) {
	for _, a := range enginetest.Answers {
		if a.Algorithm.Kind() != engine.AEAD || makers[a.Algorithm] == nil {
			continue
		}
		for name, change := range map[string]func(*engine.Request){
			"tag":        func(r *engine.Request) { r.Tag[15] ^= 1 },
			"ciphertext": func(r *engine.Request) { r.Src[0] ^= 1 },
			"AAD":        func(r *engine.Request) { r.AAD[len(r.AAD)-1] ^= 0x80 },
			"IV":         func(r *engine.Request) { r.IV[0] ^= 1 },
		} {
			s, w := open(t, engine.Params{Algorithm: a.Algorithm, Direction: engine.Decrypt, Key: a.Key, TagSize: 16})
			r := &engine.Request{Session: s, Src: bytes.Clone(a.Out), Dst: bytes.Repeat([]byte{1}, len(a.In)), AAD: bytes.Clone(a.AAD), IVLen: 12, TagLen: 16}
			copy(r.IV[:], a.IV)
			copy(r.Tag[:], a.Tag)
			change(r)
			if status := one(t, w, r); status != engine.BadTag || !bytes.Equal(r.Dst, make([]byte, len(r.Dst))) {
				t.Errorf("%s, other %s: status %d, destination %x", a.Algorithm, name, status, r.Dst)
			}
		}
	}
}

func TestKindErrors(t *testing.T) {
	e := New()
	for _, tt := range []struct {
		p    engine.Params
		want error
	}{
		{engine.Params{Algorithm: engine.CMACAES, Key: make([]byte, 16)}, engine.ErrNotSupported},
		{engine.Params{Algorithm: engine.AESCCM, Direction: engine.Encrypt, Key: make([]byte, 16), TagSize: 16}, engine.ErrNotSupported},
		{engine.Params{Algorithm: engine.RSARaw}, engine.ErrNotSupported},
		{engine.Params{Algorithm: engine.AESGCM, Direction: engine.Encrypt, Key: make([]byte, 16), TagSize: 8}, engine.ErrNotSupported},
		{engine.Params{Algorithm: engine.AESGCM, Direction: engine.Encrypt, Key: make([]byte, 15), TagSize: 16}, engine.ErrKey},
		{engine.Params{Algorithm: engine.ChaCha20Poly1305, Direction: engine.Decrypt, Key: make([]byte, 32), TagSize: 15}, engine.ErrNotSupported},
		{engine.Params{Algorithm: engine.AESXTS, Direction: engine.Encrypt, Key: make([]byte, 48)}, engine.ErrKey},
		{engine.Params{Algorithm: engine.SHA256, Key: make([]byte, 1)}, engine.ErrKey},
		{engine.Params{Algorithm: engine.ECDSAP256, Key: make([]byte, 65)}, engine.ErrKey},
		{engine.Params{Algorithm: engine.ECDSAP256, Key: make([]byte, 32), Private: true}, engine.ErrKey},
		{engine.Params{Algorithm: engine.RSAPKCS1, Key: []byte("no key"), Private: true}, engine.ErrKey},
		{engine.Params{Algorithm: engine.RSAPKCS1, Key: nil}, engine.ErrKey},
	} {
		if s, err := e.NewSession(tt.p); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v, %v; want %v", tt.p, s, err, tt.want)
		}
	}
}

// public tests a pair of keys.
func public(t *testing.T, a engine.Algorithm, hash engine.Algorithm, private, public []byte) {
	t.Helper()
	digest := sha256.Sum256([]byte("message"))
	ps, w := open(t, engine.Params{Algorithm: a, Hash: hash, Key: private, Private: true})
	us, _ := open(t, engine.Params{Algorithm: a, Hash: hash, Key: public})
	sign := &engine.Request{Session: ps, Op: engine.OpSign, Src: digest[:], Dst: make([]byte, 600)}
	if s := one(t, w, sign); s != engine.OK || sign.N == 0 {
		t.Fatalf("%s: sign: status %d", a, s)
	}
	if short := (&engine.Request{Session: ps, Op: engine.OpSign, Src: digest[:], Dst: make([]byte, 10)}); one(t, w, short) != engine.BadRequest {
		t.Errorf("%s: a signature in 10 bytes: status %d", a, short.Status)
	}
	for _, s := range []engine.Session{ps, us} {
		v := &engine.Request{Session: s, Op: engine.OpVerify, Src: sign.Dst[:sign.N], AAD: digest[:]}
		if s := one(t, w, v); s != engine.OK {
			t.Errorf("%s: verify: status %d", a, s)
		}
		v.AAD = bytes.Clone(v.AAD)
		v.AAD[3] ^= 1
		if s := one(t, w, v); s != engine.BadSignature {
			t.Errorf("%s: verify another digest: status %d", a, s)
		}
	}
	if r := (&engine.Request{Session: us, Op: engine.OpSign, Src: digest[:], Dst: make([]byte, 600)}); one(t, w, r) == engine.OK {
		t.Errorf("%s: signed with a public key", a)
	}
}

func TestPublicKey(t *testing.T) {
	for a, curve := range curves {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		d, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		q, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		public(t, a, 0, d, q)
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, pub := x509.MarshalPKCS1PrivateKey(k), x509.MarshalPKCS1PublicKey(&k.PublicKey)
	public(t, engine.RSAPKCS1, engine.SHA256, private, pub)
	public(t, engine.RSAPKCS1, 0, private, pub)

	us, w := open(t, engine.Params{Algorithm: engine.RSAPKCS1, Key: pub})
	enc := &engine.Request{Session: us, Op: engine.OpEncrypt, Src: []byte("a secret"), Dst: make([]byte, 256)}
	if s := one(t, w, enc); s != engine.OK || enc.N != 256 {
		t.Fatalf("encrypt: status %d, %d bytes", s, enc.N)
	}
	ps, _ := open(t, engine.Params{Algorithm: engine.RSAPKCS1, Key: private, Private: true})
	dec := &engine.Request{Session: ps, Op: engine.OpDecrypt, Src: enc.Dst, Dst: make([]byte, 256)}
	if s := one(t, w, dec); s != engine.OK || string(dec.Dst[:dec.N]) != "a secret" {
		t.Errorf("decrypt: status %d, %q", s, dec.Dst[:dec.N])
	}
}

// TestLongRSAKeys: a guest that may choose any length can have one request take
// seconds, and with a queue full of them hold up the end of its device for hours.
func TestLongRSAKeys(t *testing.T) {
	// Nobody looks whether these are products of primes.
	number := func(bits int) *big.Int {
		n := new(big.Int).SetBit(new(big.Int), bits-1, 1)
		return n.SetBit(n, 0, 1)
	}
	for _, bits := range []int{8192, 8193, 16384, 65000} {
		key := x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: number(bits), E: 65537})
		s, err := New().NewSession(engine.Params{Algorithm: engine.RSAPKCS1, Key: key})
		if err == nil {
			s.Close()
		}
		if bits <= rsaMaxBits && err != nil || bits > rsaMaxBits && !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("a key of %d bits: %v", bits, err)
		}
	}
	// The same for private ones: two numbers and what goes with them.
	for _, bits := range []int{4096, 4104} {
		p, q, one, e := number(bits), number(bits), big.NewInt(1), big.NewInt(65537)
		q.SetBit(q, bits-2, 1) // far from p
		var d, inverse *big.Int
		for d == nil || inverse == nil {
			p.Add(p, big.NewInt(2))
			inverse = new(big.Int).ModInverse(q, p)
			p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
			d = new(big.Int).ModInverse(e, new(big.Int).Mul(p1, q1))
		}
		key, err := asn1.Marshal(struct {
			Version                        int
			N, E, D, P, Q, D1, D2, Inverse *big.Int
		}{0, new(big.Int).Mul(p, q), e, d, p, q,
			new(big.Int).Mod(d, new(big.Int).Sub(p, one)), new(big.Int).Mod(d, new(big.Int).Sub(q, one)), inverse})
		if err != nil {
			t.Fatal(err)
		}
		s, err := New().NewSession(engine.Params{Algorithm: engine.RSAPKCS1, Key: key, Private: true})
		if err == nil {
			s.Close()
		}
		if long := 2*bits-1 > rsaMaxBits; long != errors.Is(err, engine.ErrNotSupported) || !long && err != nil {
			t.Errorf("a private key of two numbers of %d bits: %v", bits, err)
		}
	}
}

// TestMixedWithPublicKey: symmetric requests do not wait for signatures, and
// all come back.
func TestMixedWithPublicKey(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ps, _ := open(t, engine.Params{Algorithm: engine.RSAPKCS1, Hash: engine.SHA256, Key: x509.MarshalPKCS1PrivateKey(k), Private: true})
	hs, _ := open(t, engine.Params{Algorithm: engine.SHA256})
	var mu sync.Mutex
	woken := 0
	w, err := New().NewWorker(engine.WorkerConfig{Depth: 64, Wake: func() { mu.Lock(); woken++; mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	var reqs []*engine.Request
	for i := range 64 {
		r := &engine.Request{Session: hs, Src: make([]byte, 32), Dst: make([]byte, 32)}
		if i < 8 {
			r = &engine.Request{Session: ps, Op: engine.OpSign, Src: make([]byte, 32), Dst: make([]byte, 256)}
		}
		reqs = append(reqs, r)
	}
	w.Submit(reqs)
	done := make([]*engine.Request, 64)
	if n := w.Reap(done, engine.Poll); n < 56 {
		t.Errorf("%d requests are done at once, want the 56 hashes at least", n)
	} else {
		for ; n < 64; n += w.Reap(done[n:], engine.Wait) {
			if w.Held() != 64-n {
				t.Fatalf("%d held, %d reaped", w.Held(), n)
			}
		}
	}
	seen := make(map[*engine.Request]bool)
	for _, r := range done {
		if r == nil || seen[r] || r.Status != engine.OK {
			t.Fatalf("a request came back as %+v", r)
		}
		seen[r] = true
	}
	if w.Held() != 0 {
		t.Errorf("%d requests held", w.Held())
	}
}

// TestCloseWaitsForWake: who closed a worker is not woken by it, as what Wake
// signals may be gone, or be something else.
func TestCloseWaitsForWake(t *testing.T) {
	const patience, moment = 2 * time.Minute, 50 * time.Millisecond
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := open(t, engine.Params{Algorithm: engine.ECDSAP256, Key: point})
	entered, leave, closed := make(chan struct{}), make(chan struct{}), make(chan error)
	w, err := New().NewWorker(engine.WorkerConfig{Depth: 1, Wake: func() {
		close(entered)
		<-leave
	}})
	if err != nil {
		t.Fatal(err)
	}
	if st := one(t, w, &engine.Request{Session: s, Op: engine.OpVerify, Src: []byte("no signature"), AAD: make([]byte, 32)}); st != engine.BadSignature {
		t.Errorf("status %d", st)
	}
	go func() { closed <- w.Close() }()
	select {
	case <-entered:
	case <-time.After(patience):
		t.Fatal("not woken")
	}
	select {
	case <-closed:
		close(leave)
		t.Fatal("closed while the call of Wake goes on")
	case <-time.After(moment):
	}
	close(leave)
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Close does not return")
	}
}

// TestAbandon: what was not begun comes back, and what comes after is done.
func TestAbandon(t *testing.T) {
	e := New()
	for range cap(e.slots) { // others are at work
		e.slots <- struct{}{}
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.NewSession(engine.Params{Algorithm: engine.ECDSAP256, Key: point})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w, err := e.NewWorker(engine.WorkerConfig{Depth: 8})
	if err != nil {
		t.Fatal(err)
	}
	verify := func() *engine.Request {
		return &engine.Request{Session: s, Op: engine.OpVerify, Src: []byte("no signature"), AAD: make([]byte, 32)}
	}
	reqs := []*engine.Request{verify(), verify(), verify()}
	w.Submit(reqs)
	w.(engine.Abandoner).Abandon()
	done := make([]*engine.Request, 8)
	for n := 0; n < len(reqs); {
		n += w.Reap(done, engine.Wait)
	}
	for _, r := range reqs {
		if r.Status != engine.Failed {
			t.Errorf("status %d", r.Status)
		}
	}
	for range cap(e.slots) {
		<-e.slots
	}
	if st := one(t, w, verify()); st != engine.BadSignature {
		t.Errorf("status %d of one that came later", st)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestNoAllocations: what is symmetric allocates nothing.
func TestNoAllocations(t *testing.T) {
	for _, s := range New().Algorithms() {
		if s.Algorithm.Kind() == engine.PublicKey || s.Algorithm == engine.AESCTR || s.Algorithm == engine.TripleDESCTR {
			continue // the library makes a stream a request of CTR
		}
		p := engine.Params{Algorithm: s.Algorithm, Direction: engine.Encrypt, TagSize: 16}
		if s.KeySizes != nil {
			p.Key = make([]byte, s.KeySizes[0])
		}
		es, w := open(t, p)
		n := 1024
		if k := s.Algorithm.Kind(); k == engine.Hash || k == engine.MAC {
			n = max(s.Algorithm.ResultSize(), 1)
		}
		r := &engine.Request{Session: es, Src: make([]byte, 1024), Dst: make([]byte, n), AAD: make([]byte, 8), IVLen: uint8(s.Algorithm.IVSize())}
		if s.Algorithm.Kind() == engine.AEAD {
			r.TagLen = 16
		}
		reqs, done := []*engine.Request{r}, make([]*engine.Request, 1)
		allocs := testing.AllocsPerRun(100, func() {
			w.Submit(reqs)
			w.Reap(done, engine.Wait)
		})
		if r.Status != engine.OK || allocs > 0 {
			t.Errorf("%s: status %d, %g allocations", s.Algorithm, r.Status, allocs)
		}
	}
}

// TestErase: keys are gone from what the library holds.
func TestErase(t *testing.T) {
	key := bytes.Repeat([]byte{0x5a}, 32)
	e := New()
	s, err := e.NewSession(engine.Params{Algorithm: engine.HMACSHA256, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	m := s.(*macSession)
	w, _ := e.NewWorker(engine.WorkerConfig{Depth: 1})
	one(t, w, &engine.Request{Session: s, Src: key, Dst: make([]byte, 32)})
	kept := m.key
	var pads [][]byte // the key, padded and turned, as the library keeps it
	v := reflect.ValueOf(m.states.free[0].Hash).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.Len() > 0 {
			pads = append(pads, f.Bytes())
		}
	}
	if len(pads) < 2 {
		t.Errorf("the library's HMAC has %d slices: where is the key?", len(pads))
	}
	s.Close()
	for _, b := range pads {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("the library's HMAC still has %x", b)
		}
	}
	if !v.IsZero() {
		t.Error("the library's HMAC still has its hashes")
	}
	if !bytes.Equal(kept, make([]byte, 32)) {
		t.Error("the key is still there")
	}
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// What the environment says of the differential test: how long it runs, all
// engines together, and what its random numbers begin with.
const (
	differentialTime = "VCRYPTO_DIFFERENTIAL"
	differentialSeed = "VCRYPTO_SEED"
)

// second is the second implementation: what a session of symmetric parameters
// makes of a request; of an AEAD, what encryption makes of a plaintext.
type second func(t testing.TB, p engine.Params, iv, aad, src []byte, n int) (dst, tag []byte)

// byEngine is an engine as a second implementation. Where it has not got
// something Go's library and the publications stand in, as enginetest has them.
func byEngine(t testing.TB, e engine.Engine) second {
	w, err := e.NewWorker(engine.WorkerConfig{Depth: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return func(t testing.TB, p engine.Params, iv, aad, src []byte, n int) (dst, tag []byte) {
		if p.Algorithm.Kind() == engine.AEAD {
			p.Direction = engine.Encrypt
		}
		s, err := e.NewSession(p)
		if err != nil {
			return enginetest.Reference(t, p, iv, aad, src, n)
		}
		defer s.Close()
		if p.Algorithm.Kind() == engine.Cipher || p.Algorithm.Kind() == engine.AEAD {
			n = len(src)
		}
		r := &engine.Request{Session: s, Src: src, Dst: make([]byte, n), AAD: aad, TagLen: uint8(p.TagSize)}
		r.IVLen = uint8(copy(r.IV[:], iv))
		done := make([]*engine.Request, 1)
		if w.Submit([]*engine.Request{r}) != 1 || w.Reap(done, engine.Wait) != 1 || r.Status != engine.OK {
			t.Fatalf("%s, %d key bytes: the second implementation fails: status %d", p.Algorithm, len(p.Key), r.Status)
		}
		return r.Dst, r.Tag[:p.TagSize]
	}
}

// differ makes random requests for a device.
type differ struct {
	*machine
	r      intN
	second second
	has    map[engine.Kind][]engine.Support // what the device offers
	max    int                              // of a request, bytes
	usual  bool                             // requests as most are: of a few blocks

	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

func newDiffer(m *machine, r intN, s second) *differ {
	d := &differ{machine: m, r: r, second: s, has: make(map[engine.Kind][]engine.Support), max: m.o.device.MaxSize}
	for _, s := range m.o.engine.Algorithms() {
		d.has[s.Algorithm.Kind()] = append(d.has[s.Algorithm.Kind()], s)
	}
	var err error
	if d.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		m.Fatal(err)
	}
	if d.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		m.Fatal(err)
	}
	return d
}

// size is a length of a request: mostly small, or about a power of two, or at
// the limit.
func (d *differ) size(most int) int {
	if d.usual {
		return 16 * (1 + d.r.IntN(min(most/16, 100)))
	}
	switch d.r.IntN(8) {
	case 0:
		return most - d.r.IntN(min(most, 33)+1)
	case 1:
		return min(most, max(0, 1<<d.r.IntN(18)+d.r.IntN(5)-2))
	case 2:
		return d.r.IntN(most + 1)
	}
	return d.r.IntN(min(most, 1<<d.r.IntN(13)) + 1)
}

// session is an open one, with how the engine would be told of it.
type openSession struct {
	id     uint64
	params virtiocrypto.SessionParams
	// Of a chain, the first is the cipher's.
	engine, hash engine.Params
	limits       bool // requests may be NOTSUPP
}

func (d *differ) cipher() (virtiocrypto.CipherParams, engine.Params, bool) {
	s := pick(d.r, d.has[engine.Cipher]...)
	p := engine.Params{Algorithm: s.Algorithm, Direction: pick(d.r, directions...), Key: bytesOf(d.r, pick(d.r, s.KeySizes...))}
	direction, _ := wire(p.Direction)
	return virtiocrypto.CipherParams{Algo: cipherNumbers[s.Algorithm], Direction: direction, Key: p.Key}, p, s.Limits
}

func (d *differ) hash() (virtiocrypto.HashParams, engine.Params, bool) {
	s := pick(d.r, d.has[engine.Hash]...)
	n := s.Algorithm.ResultSize()
	if n == 0 {
		n = 1 + d.r.IntN(400)
	}
	return virtiocrypto.HashParams{Algo: hashNumbers[s.Algorithm], Result: uint32(n)}, engine.Params{Algorithm: s.Algorithm}, s.Limits
}

func (d *differ) mac() (virtiocrypto.MACParams, engine.Params, bool) {
	s := pick(d.r, d.has[engine.MAC]...)
	n := d.r.IntN(513)
	if s.Algorithm.KeySizes() != nil {
		n = pick(d.r, s.KeySizes...)
	}
	p := engine.Params{Algorithm: s.Algorithm, Key: bytesOf(d.r, n)}
	return virtiocrypto.MACParams{Algo: macNumbers[s.Algorithm], Result: uint32(1 + d.r.IntN(s.Algorithm.ResultSize())), Key: p.Key}, p, s.Limits
}

func (d *differ) aead() (virtiocrypto.AEADParams, engine.Params, bool) {
	s := pick(d.r, d.has[engine.AEAD]...)
	tags := map[engine.Algorithm][]int{
		engine.AESGCM: {4, 8, 12, 13, 14, 15, 16}, engine.AESCCM: {4, 6, 8, 10, 12, 14, 16}, engine.ChaCha20Poly1305: {16},
	}
	p := engine.Params{Algorithm: s.Algorithm, Direction: pick(d.r, directions...), Key: bytesOf(d.r, pick(d.r, s.KeySizes...)), TagSize: pick(d.r, tags[s.Algorithm]...)}
	direction, _ := wire(p.Direction)
	return virtiocrypto.AEADParams{Algo: aeadNumbers[s.Algorithm], Direction: direction, Tag: uint32(p.TagSize), Key: p.Key}, p, s.Limits
}

// some makes parameters of a session of any kind.
func (d *differ) some() (s openSession) {
	switch n := d.r.IntN(24); {
	case n < 6:
		s.params, s.engine, s.limits = d.cipher()
	case n < 9:
		s.params, s.engine, s.limits = d.hash()
	case n < 12:
		s.params, s.engine, s.limits = d.mac()
	case n < 17:
		s.params, s.engine, s.limits = d.aead()
	case n < 23 || d.has[engine.PublicKey] == nil:
		p := virtiocrypto.ChainParams{Order: uint32(1 + d.r.IntN(2)), HashMode: uint32(1 + d.r.IntN(2))}
		var limits bool
		p.Cipher, s.engine, s.limits = d.cipher()
		if p.HashMode == virtiocrypto.HashModePlain {
			p.Hash, s.hash, limits = d.hash()
		} else {
			p.MAC, s.hash, limits = d.mac()
		}
		s.params, s.limits = p, s.limits || limits
	case d.r.IntN(2) == 0:
		s.params = virtiocrypto.AKCipherParams{
			Algo: virtiocrypto.AKCipherRSA, KeyType: virtiocrypto.KeyPrivate, Padding: virtiocrypto.RSAPaddingPKCS1, Hash: 6,
			Key: x509.MarshalPKCS1PrivateKey(d.rsa),
		}
		s.engine = engine.Params{Algorithm: engine.RSAPKCS1}
	default:
		point, err := d.ec.PublicKey.Bytes()
		if err != nil {
			d.Fatal(err)
		}
		s.params = virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSA, KeyType: virtiocrypto.KeyPublic, Curve: 3, Key: point}
		s.engine = engine.Params{Algorithm: engine.ECDSAP256}
	}
	return s
}

// open opens sessions until there are n. What the engine does not have of tag
// sizes is refused, and another asked for.
func (d *differ) open(all []openSession, n int) []openSession {
	d.Helper()
	for tries := 0; len(all) < n; tries++ {
		s := d.some()
		var err error
		if s.id, err = d.control.Create(s.params); err != nil {
			if refused := (*cryptodrv.StatusError)(nil); tries > 1000 || !errors.As(err, &refused) || refused.Status != virtiocrypto.StatusNotSupp || s.engine.TagSize == 0 {
				d.Fatalf("%+v: %v", s.params, err)
			}
			continue
		}
		all = append(all, s)
	}
	return all
}

// whole makes a length one that an algorithm takes.
func whole(a engine.Algorithm, n, most int) int {
	if a == engine.AESXTS {
		return min(max(n, 16), most)
	}
	return n - n%a.BlockSize()
}

// task makes a random request for a session.
func (d *differ) task(s openSession) *task {
	k := &task{params: s.params, status: virtiocrypto.StatusOK}
	r, e := d.r, s.engine
	switch p := s.params.(type) {
	case virtiocrypto.CipherParams:
		n := whole(e.Algorithm, d.size(d.max), d.max)
		w := cryptodrv.Work{IV: bytesOf(r, e.Algorithm.IVSize()), Src: bytesOf(r, n), Dst: n, Opcode: p.Direction - 1}
		d.counter(e.Algorithm, w.IV)
		k.want, _ = d.second(d, e, w.IV, nil, w.Src, n)
		k.work, k.inSize = w, n
	case virtiocrypto.HashParams:
		k.work = cryptodrv.Work{Opcode: cryptodrv.OpHash, Src: bytesOf(r, d.size(d.max-int(p.Result))), Result: int(p.Result)}
		k.want, _ = d.second(d, e, nil, nil, k.work.Src, int(p.Result))
	case virtiocrypto.MACParams:
		k.work = cryptodrv.Work{Opcode: cryptodrv.OpMAC, Src: bytesOf(r, d.size(d.max-int(p.Result))), Result: int(p.Result)}
		k.want, _ = d.second(d, e, nil, nil, k.work.Src, int(p.Result))
	case virtiocrypto.AEADParams:
		d.sealed(k, p, e)
	case virtiocrypto.ChainParams:
		d.chain(k, p, s)
	case virtiocrypto.AKCipherParams:
		d.signed(k, e)
	}
	return k
}

// counter has some counters begin where they soon carry, far.
func (d *differ) counter(a engine.Algorithm, iv []byte) {
	if (a == engine.AESCTR || a == engine.TripleDESCTR) && !d.usual && d.r.IntN(3) == 0 {
		n := d.r.IntN(len(iv) + 1)
		for i := range n {
			iv[len(iv)-1-i] = 0xff
		}
		iv[len(iv)-1] -= byte(d.r.IntN(20))
	}
}

// sealed is an AEAD's request; of those to decrypt one in four is forged, in
// one bit anywhere.
func (d *differ) sealed(k *task, p virtiocrypto.AEADParams, e engine.Params) {
	r := d.r
	nonce := 12
	if e.Algorithm == engine.AESCCM {
		nonce = 7 + r.IntN(7)
	}
	aad := bytesOf(r, r.IntN(pick(r, 1, 20, 300, 2000)))
	most := d.max - len(aad)
	if nonce == 13 {
		most = min(most, 1<<16-1) // what its length field counts
	}
	text, iv := bytesOf(r, d.size(most)), bytesOf(r, nonce)
	dst, tag := d.second(d, e, iv, aad, text, len(text))
	sealed := slices.Concat(dst, tag)
	if e.Algorithm == engine.AESGCM && r.IntN(3) == 0 {
		iv = append(iv, 0, 0, 0, 1) // J0
	}
	w := cryptodrv.Work{Opcode: cryptodrv.OpAEADEncrypt, IV: iv, AAD: aad, Src: text, Dst: len(sealed), Tag: len(tag)}
	k.want, k.inSize = sealed, len(text)
	if e.Direction == engine.Decrypt {
		w.Opcode, w.Src, w.Dst, k.want = cryptodrv.OpAEADDecrypt, sealed, len(text), text
		if r.IntN(4) == 0 {
			forged := slices.Concat(sealed, aad)
			forged[r.IntN(len(forged))] ^= 1 << r.IntN(8)
			w.Src, w.AAD = forged[:len(sealed)], forged[len(sealed):]
			k.status = virtiocrypto.StatusBadMsg
		}
	}
	if !d.o.form.Stateless && r.IntN(4) == 0 {
		w.Tag = 0 // as Linux's header leaves it out
	}
	k.work = w
}

func (d *differ) chain(k *task, p virtiocrypto.ChainParams, s openSession) {
	r, e := d.r, s.engine
	result := int(p.Hash.Result)
	if p.HashMode == virtiocrypto.HashModeAuth {
		result = int(p.MAC.Result)
	}
	aad := bytesOf(r, pick(r, 0, 0, r.IntN(300)))
	most := d.max - len(aad) - result
	size := max(d.size(most), 32)
	from := func() (start, n int) {
		start = r.IntN(size + 1)
		return start, r.IntN(size - start + 1)
	}
	w := cryptodrv.Work{
		Opcode: p.Cipher.Direction - 1, Chain: true, IV: bytesOf(r, e.Algorithm.IVSize()),
		Src: bytesOf(r, size), AAD: aad, Dst: size, Result: result,
	}
	w.CipherStart, w.CipherLen = from()
	if e.Algorithm == engine.AESXTS && w.CipherLen < 16 {
		w.CipherStart, w.CipherLen = 1, 16
	}
	w.CipherLen = whole(e.Algorithm, w.CipherLen, size-w.CipherStart)
	w.HashStart, w.HashLen = from()
	out := bytes.Clone(w.Src)
	ciphered, _ := d.second(d, e, w.IV, nil, w.Src[w.CipherStart:w.CipherStart+w.CipherLen], w.CipherLen)
	copy(out[w.CipherStart:], ciphered)
	hashed := w.Src
	if p.Order == virtiocrypto.ChainCipherThenHash {
		hashed = out
	}
	digest, _ := d.second(d, s.hash, nil, nil, slices.Concat(aad, hashed[w.HashStart:w.HashStart+w.HashLen]), result)
	k.work, k.inSize, k.want = w, size, append(out, digest...)
}

// signed is a signature to make, which has one form only, or to verify.
func (d *differ) signed(k *task, e engine.Params) {
	digest := bytesOf(d.r, 32)
	if e.Algorithm == engine.RSAPKCS1 {
		sig, err := rsa.SignPKCS1v15(nil, d.rsa, 5, digest) // crypto.SHA256
		if err != nil {
			d.Fatal(err)
		}
		k.work, k.want = cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest, Dst: len(sig)}, sig
		return
	}
	sig, err := ecdsa.SignASN1(rand.Reader, d.ec, digest)
	if err != nil {
		d.Fatal(err)
	}
	if d.r.IntN(2) == 0 {
		digest[d.r.IntN(32)] ^= 1
		k.status = virtiocrypto.StatusKeyRejected
	}
	k.work = cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Src: sig, Signed: digest}
}

// count is what was done.
type count struct{ requests, unsupported, forged int }

// kin opens sessions that are like one, with keys of their own: engines do what
// is alike together.
func (d *differ) kin(s openSession, n int) (all []openSession) {
	d.Helper()
	for range n {
		k := s
		k.engine.Key = bytesOf(d.r, len(s.engine.Key))
		switch p := s.params.(type) {
		case virtiocrypto.CipherParams:
			p.Key = k.engine.Key
			k.params = p
		case virtiocrypto.MACParams:
			p.Key = k.engine.Key
			k.params = p
		case virtiocrypto.AEADParams:
			p.Key = k.engine.Key
			k.params = p
		default:
			return all
		}
		var err error
		if k.id, err = d.control.Create(k.params); err != nil {
			d.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

// batch sends a batch of at most n requests that mixes those of many sessions,
// in up to 64 segments on each side, which begin at any address.
func (d *differ) batch(sessions []openSession, n int, done *count) {
	d.Helper()
	mem := *d.mem
	type job struct {
		*cryptodrv.Plain
		k      *task
		limits bool
		what   string
	}
	var jobs []job
	// Each has room for a request in place and not.
	for budget := len(mem.Data) / 2; budget > 8*d.max && n > 0; n-- {
		s := sessions[d.r.IntN(len(sessions))]
		k := d.task(s)
		id := s.id
		if d.o.form.Stateless && d.r.IntN(3) == 0 {
			id = 0
		}
		var readCuts, writeCuts []int
		if d.r.IntN(3) > 0 {
			// The readable part has at least so many bytes.
			readCuts = cuts2(d.r, 20+len(k.work.IV)+len(k.work.Src)+len(k.work.AAD), d.r.IntN(64))
		}
		if d.r.IntN(3) > 0 {
			writeCuts = cuts2(d.r, len(k.want)+1, d.r.IntN(64))
		}
		if _, err := mem.Alloc(1+d.r.IntN(64), 1); err != nil { // what follows is misaligned
			d.Fatal(err)
		}
		inPlace := k.inSize > 0 && d.r.IntN(2) == 0
		if inPlace {
			writeCuts = nil // it is in the source's pieces
		}
		budget -= 2 * (len(k.work.Src) + len(k.want) + 4096)
		jobs = append(jobs, job{d.plain(&mem, k, id, readCuts, writeCuts, inPlace), k, s.limits,
			fmt.Sprintf("%T %+v, %d bytes, %d of IV, %d of AAD, in place %t, session %#x, cut at %v and %v",
				k.params, k.params, len(k.work.Src), len(k.work.IV), len(k.work.AAD), inPlace, id, readCuts, writeCuts)})
	}
	d.batchPlain(d.data, len(jobs), func(i int) *cryptodrv.Plain { return jobs[i].Plain })
	for _, j := range jobs {
		done.requests++
		if j.limits && j.Status() == virtiocrypto.StatusNotSupp {
			done.unsupported++
			continue
		}
		if j.k.status == virtiocrypto.StatusBadMsg {
			done.forged++
		}
		j.k.check(d.machine, j.Plain, j.what)
	}
}

// cuts2 is cuts for any source of random numbers.
func cuts2(r intN, size, n int) []int {
	c := make([]int, n)
	for i := range c {
		c[i] = r.IntN(size + 1)
	}
	slices.Sort(c)
	return c
}

// TestDifferential compares the device on each engine with a second
// implementation, by random requests: for a few seconds, or for as long as the
// environment says. Who the second is depends on the engine, so that it is
// not the same library.
func TestDifferential(t *testing.T) {
	t.Parallel()
	long := 4 * time.Second
	if s := os.Getenv(differentialTime); s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatalf("%s: %v", differentialTime, err)
		}
	}
	seed := uint64(1)
	if s := os.Getenv(differentialSeed); s == "random" {
		seed = uint64(time.Now().UnixNano())
	} else if s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			t.Fatalf("%s: %v", differentialSeed, err)
		}
	}
	var open []func() (engine.Engine, error)
	var names []string
	for _, d := range engine.Drivers() {
		if d.Name != "devcrypto" { // needs a /dev/crypto that is not of our making
			open = append(open, func() (engine.Engine, error) { return d.Start(engine.Options{}) })
			names = append(names, d.Name)
		}
	}
	open = append(open, func() (engine.Engine, error) { return engine.Open(engine.Auto, engine.Options{}) })
	names = append(names, engine.Auto)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			e, err := open[i]()
			if errors.Is(err, engine.ErrUnavailable) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
			differential(t, e, seed, long/time.Duration(len(names)))
		})
	}
}

// differential runs the test on an engine.
func differential(t *testing.T, e engine.Engine, seed uint64, long time.Duration) {
	t.Helper()
	ref := second(enginetest.Reference)
	if e.Name() == "gocrypto" {
		// The publications' algorithms are written with Go's library too.
		if o, err := engine.Open("openssl", engine.Options{}); err == nil {
			t.Cleanup(func() { o.Close() })
			ref = byEngine(t, o)
		}
	}
	var done count
	start := time.Now()
	for i, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			o := options{engine: e, form: form.form, device: virtiocrypto.Options{Legacy: true, MaxSize: 128 << 10}}
			o.ring.Size, o.ring.Indirect, o.ring.EventIdx = 64, 160, true
			d := newDiffer(newMachine(t, o, links[i%len(links)].open), newRand64(seed), ref)
			var sessions []openSession
			defer func() {
				if t.Failed() {
					t.Logf("the seed is %#x", seed)
				}
			}()
			// At least a few, however slow the machine.
			end := start.Add(long * time.Duration(i+1) / time.Duration(len(forms)))
			for n := 0; n < 5 || time.Now().Before(end); n++ {
				sessions = d.open(sessions, 50)
				d.batch(sessions, 1+d.r.IntN(50), &done)
				if kin := d.kin(sessions[d.r.IntN(len(sessions))], 6); kin != nil {
					d.usual = n%2 == 0 // what is odd is not done together
					d.batch(kin, 60, &done)
					d.usual = false
					for _, s := range kin {
						if err := d.control.Destroy(s.id); err != nil {
							t.Fatal(err)
						}
					}
				}
				if t.Failed() {
					return
				}
				for range 5 { // some go, others come
					at := d.r.IntN(len(sessions))
					if err := d.control.Destroy(sessions[at].id); err != nil {
						t.Fatal(err)
					}
					sessions = slices.Delete(sessions, at, at+1)
				}
			}
			if lines := d.log.take(); len(lines) > 0 {
				t.Errorf("the log says %q", lines)
			}
		})
	}
	t.Logf("engine %s: %d requests, of which %d forged were found out, and %d are beyond the engine's limits", e.Name(), done.requests, done.forged, done.unsupported)
	if done.unsupported > done.requests/3 {
		t.Errorf("%d of %d requests were not supported: the test is of too little", done.unsupported, done.requests)
	}
}

// TestDifferentialFindsAWrongEngine: one bit in each result.
func TestDifferentialFindsAWrongEngine(t *testing.T) {
	o := options{engine: wrongEngine{gocrypto.New()}, device: virtiocrypto.Options{MaxSize: 64 << 10}}
	m := newMachine(t, o, newLocal)
	d := newDiffer(m, newRand64(1), enginetest.Reference)
	for kind := range d.has {
		d.has[kind] = slices.DeleteFunc(d.has[kind], func(s engine.Support) bool { return s.Algorithm.Legacy() })
	}
	sessions := d.open(nil, 50)
	found, tried := 0, 0
	for range 200 {
		k := d.task(sessions[d.r.IntN(len(sessions))])
		if k.status != virtiocrypto.StatusOK || len(k.want) < 32 {
			continue
		}
		mem := *m.mem
		id, err := m.control.Create(k.params)
		if err != nil {
			t.Fatal(err)
		}
		p := m.plain(&mem, k, id, nil, nil, false)
		status, _, err := m.data.DoPlain(p)
		if err != nil {
			t.Fatal(err)
		}
		tried++
		if status != k.status || !bytes.Equal(p.Result(), k.want) {
			found++
		}
		if err := m.control.Destroy(id); err != nil {
			t.Fatal(err)
		}
	}
	// A chain's cipher and its hash may have spoiled each other's bit; a short
	// MAC leaves most bits out.
	if found < tried*3/4 || tried < 50 {
		t.Errorf("%d of %d wrong answers were found", found, tried)
	}
}

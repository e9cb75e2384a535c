// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"fmt"
	"hash"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/xts"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// forms are the forms of requests that can be negotiated.
var forms = []struct {
	name string
	form cryptodrv.Form
}{
	{"legacy", cryptodrv.Form{}},
	{"revision1", cryptodrv.Form{Revision1: true}},
	{"stateless", cryptodrv.Form{Revision1: true, Stateless: true}},
}

// onEachForm runs a test in each form of requests, over each link.
func onEachForm(t *testing.T, o options, test func(*machine)) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			o.form = f.form
			onEachLink(t, o, test)
		})
	}
}

// Numbers of algorithms, section 5.9.4, a second time.
var (
	hashNumbers = map[engine.Algorithm]virtiocrypto.HashAlgo{
		engine.MD5: 1, engine.SHA1: 2, engine.SHA224: 3, engine.SHA256: 4, engine.SHA384: 5, engine.SHA512: 6,
		engine.SHA3_224: 7, engine.SHA3_256: 8, engine.SHA3_384: 9, engine.SHA3_512: 10,
		engine.SHAKE128: 11, engine.SHAKE256: 12,
	}
	macNumbers = map[engine.Algorithm]virtiocrypto.MACAlgo{
		engine.HMACMD5: 1, engine.HMACSHA1: 2, engine.HMACSHA224: 3, engine.HMACSHA256: 4, engine.HMACSHA384: 5, engine.HMACSHA512: 6,
		engine.CMACAES: 26,
	}
	aeadNumbers = map[engine.Algorithm]virtiocrypto.AEADAlgo{
		engine.AESGCM: 1, engine.AESCCM: 2, engine.ChaCha20Poly1305: 3,
	}
	cipherNumbers = map[engine.Algorithm]virtiocrypto.CipherAlgo{
		engine.AESECB: 2, engine.AESCBC: 3, engine.AESCTR: 4, engine.AESXTS: 13,
		engine.DESECB: 5, engine.DESCBC: 6, engine.TripleDESECB: 7, engine.TripleDESCBC: 8, engine.TripleDESCTR: 9,
		engine.ARC4: 1,
	}
)

// task is a request with the session it needs and the answer it must get.
type task struct {
	params virtiocrypto.SessionParams
	work   cryptodrv.Work
	want   []byte // the writable part
	status virtiocrypto.Status
	inSize int // bytes of the writable part that may lie on the source
}

// plain lays a task's request out; without a session it is stateless.
func (m *machine) plain(mem *virtqdrv.Memory, k *task, session uint64, readCuts, writeCuts []int, inPlace bool) *cryptodrv.Plain {
	m.Helper()
	w := k.work
	if w.Session = session; session == 0 {
		w.Params = k.params
	}
	readable, room, at := m.o.form.Data(w)
	p, err := cryptodrv.NewPlain(mem, readable, room, clip(readCuts, len(readable)), clip(writeCuts, room), 1)
	if err != nil {
		m.Fatal(err)
	}
	if inPlace {
		p.InPlace(at, k.inSize)
	}
	return p
}

// clip leaves out the cuts beyond a size.
func clip(cuts []int, size int) []int {
	n := 0
	for n < len(cuts) && cuts[n] <= size {
		n++
	}
	return cuts[:n]
}

func (k *task) check(m *machine, p *cryptodrv.Plain, what string) {
	m.Helper()
	switch {
	case p.Status() != k.status:
		m.Errorf("%s: %s, want %s", what, p.Status(), k.status)
	case k.status == virtiocrypto.StatusOK && !bytes.Equal(p.Result(), k.want):
		m.Errorf("%s: result %x, want %x", what, p.Result(), k.want)
	}
}

// try does a task with a session, and stateless where that was negotiated.
func (m *machine) try(k *task, what string) {
	m.Helper()
	id, err := m.control.Create(k.params)
	if err != nil {
		m.Errorf("%s: %v", what, err)
		return
	}
	sessions := []uint64{id}
	if m.o.form.Stateless {
		sessions = append(sessions, 0)
	}
	for _, s := range sessions {
		for _, inPlace := range []bool{false, true} {
			if inPlace && k.inSize == 0 {
				continue
			}
			mem := *m.mem
			p := m.plain(&mem, k, s, nil, nil, inPlace)
			if _, _, err := m.data.DoPlain(p); err != nil {
				m.Fatal(err)
			}
			k.check(m, p, fmt.Sprintf("%s, session %#x, in place %t", what, s, inPlace))
		}
	}
	if err := m.control.Destroy(id); err != nil {
		m.Error(err)
	}
}

// tasks makes the tasks of a known answer.
func tasks(a enginetest.Answer) []*task {
	ok := virtiocrypto.StatusOK
	switch a.Algorithm.Kind() {
	case engine.Cipher:
		p := virtiocrypto.CipherParams{Algo: cipherNumbers[a.Algorithm], Key: a.Key}
		e, d := p, p
		e.Direction, d.Direction = virtiocrypto.DirectionEncrypt, virtiocrypto.DirectionDecrypt
		n := len(a.In)
		return []*task{
			{e, cryptodrv.Work{Opcode: cryptodrv.OpCipherEncrypt, IV: a.IV, Src: a.In, Dst: n}, a.Out, ok, n},
			{d, cryptodrv.Work{Opcode: cryptodrv.OpCipherDecrypt, IV: a.IV, Src: a.Out, Dst: n}, a.In, ok, n},
		}
	case engine.Hash:
		p := virtiocrypto.HashParams{Algo: hashNumbers[a.Algorithm], Result: uint32(len(a.Out))}
		return []*task{{p, cryptodrv.Work{Opcode: cryptodrv.OpHash, Src: a.In, Result: len(a.Out)}, a.Out, ok, 0}}
	case engine.MAC:
		var all []*task
		for _, n := range []int{len(a.Out), 12, 1} { // shortened, as IPsec does
			p := virtiocrypto.MACParams{Algo: macNumbers[a.Algorithm], Result: uint32(n), Key: a.Key}
			all = append(all, &task{p, cryptodrv.Work{Opcode: cryptodrv.OpMAC, Src: a.In, Result: n}, a.Out[:n], ok, 0})
		}
		return all
	case engine.AEAD:
		tag := len(a.Tag)
		p := virtiocrypto.AEADParams{Algo: aeadNumbers[a.Algorithm], Tag: uint32(tag), Key: a.Key}
		e, d := p, p
		e.Direction, d.Direction = virtiocrypto.DirectionEncrypt, virtiocrypto.DirectionDecrypt
		sealed := append(bytes.Clone(a.Out), a.Tag...)
		n := len(a.In)
		return []*task{
			{e, cryptodrv.Work{Opcode: cryptodrv.OpAEADEncrypt, IV: a.IV, AAD: a.AAD, Src: a.In, Dst: n + tag, Tag: tag}, sealed, ok, n},
			{d, cryptodrv.Work{Opcode: cryptodrv.OpAEADDecrypt, IV: a.IV, AAD: a.AAD, Src: sealed, Dst: n, Tag: tag}, a.In, ok, n},
		}
	}
	return nil
}

// TestServiceVectors does known answers of all symmetric services in each
// form, with sessions and stateless.
func TestServiceVectors(t *testing.T) {
	e := newStrictEngine(gocrypto.New())
	onEachForm(t, options{engine: e}, func(m *machine) {
		m.serviceVectors()
		e.check(m)
	})
}

// serviceVectors does the known answers of what the engine has.
func (m *machine) serviceVectors() {
	m.Helper()
	for _, v := range enginetest.Vectors {
		for _, k := range tasks(enginetest.Answer{Algorithm: v.Algorithm, Key: v.Key, IV: v.IV, In: v.Plaintext, Out: v.Ciphertext}) {
			m.try(k, v.Name)
		}
	}
	for _, a := range enginetest.Answers {
		if !m.can(a.Algorithm) {
			continue
		}
		for _, k := range tasks(a) {
			m.try(k, fmt.Sprintf("%s, %s", a.Algorithm, a.Name))
		}
	}
	if n := m.dev.Counters().Errors.Load(); n != 0 {
		m.Errorf("%d errors were counted", n)
	}
}

// can reports whether the device has an algorithm.
func (m *machine) can(a engine.Algorithm) bool {
	return (m.o.device.Legacy || !a.Legacy()) && slices.ContainsFunc(m.o.engine.Algorithms(), func(s engine.Support) bool { return s.Algorithm == a })
}

// TestLegacy: what is old is there where it is asked for, and only there.
func TestLegacy(t *testing.T) {
	var old []enginetest.Answer
	seen := make(map[engine.Algorithm]bool)
	for _, a := range enginetest.Answers {
		if a.Algorithm.Legacy() {
			old = append(old, a)
			seen[a.Algorithm] = true
		}
	}
	if len(seen) != 8 {
		t.Fatalf("known answers of %v, want all old ciphers, hashes and MACs", seen)
	}
	for _, legacy := range []bool{false, true} {
		onEachForm(t, options{device: virtiocrypto.Options{Legacy: legacy}}, func(m *machine) {
			for _, a := range old {
				k := tasks(a)[0]
				switch id, err := m.control.Create(k.params); {
				case legacy && err != nil:
					m.Errorf("%s: %v", a.Algorithm, err)
				case !legacy && err == nil:
					m.Errorf("%s: session %#x", a.Algorithm, id)
				}
			}
			c := m.link.readConfig(0, 56)
			want := [3]uint32{0, 0, 0}
			if legacy {
				want = [3]uint32{0x1f<<5 | 1<<1, 1 << 1, 1 << 1}
			}
			if got := [3]uint32{le.Uint32(c[12:]) & (0x1f<<5 | 1<<1), le.Uint32(c[20:]) & 2, le.Uint32(c[24:]) & 2}; got != want {
				m.Errorf("legacy %t: the configuration space promises %#x, want %#x", legacy, got, want)
			}
			if legacy {
				m.serviceVectors()
			}
		})
	}
}

// TestServiceVectorsFindAWrongEngine: a test that cannot fail says nothing.
func TestServiceVectorsFindAWrongEngine(t *testing.T) {
	m := newMachine(t, options{engine: newOddEngine(habits{fails: 1})}, newLocal)
	for _, a := range enginetest.Answers {
		if !m.can(a.Algorithm) {
			continue
		}
		for _, k := range tasks(a) {
			k.status = virtiocrypto.StatusErr
			m.try(k, a.Name)
		}
	}
	if n := m.dev.Counters().Operations.Load(); n != 0 {
		t.Errorf("%d operations were counted", n)
	}
}

// The second implementation: Go's library, used plainly.

var refHashes = map[engine.Algorithm]func() hash.Hash{
	engine.SHA1: sha1.New, engine.SHA224: sha256.New224, engine.SHA256: sha256.New,
	engine.SHA384: sha512.New384, engine.SHA512: sha512.New,
	engine.SHA3_224: func() hash.Hash { return sha3.New224() }, engine.SHA3_256: func() hash.Hash { return sha3.New256() },
	engine.SHA3_384: func() hash.Hash { return sha3.New384() }, engine.SHA3_512: func() hash.Hash { return sha3.New512() },
	engine.HMACSHA1: sha1.New, engine.HMACSHA224: sha256.New224, engine.HMACSHA256: sha256.New,
	engine.HMACSHA384: sha512.New384, engine.HMACSHA512: sha512.New,
}

func refDigest(a engine.Algorithm, key, message []byte, n int) []byte {
	switch a {
	case engine.SHAKE128:
		return sha3.SumSHAKE128(message, n)
	case engine.SHAKE256:
		return sha3.SumSHAKE256(message, n)
	}
	h := refHashes[a]
	if a.Kind() == engine.MAC {
		m := hmac.New(h, key)
		m.Write(message)
		return m.Sum(nil)[:n]
	}
	d := h()
	d.Write(message)
	return d.Sum(nil)[:n]
}

func refAEAD(a engine.Algorithm, key, iv, aad, text []byte) []byte {
	var c cipher.AEAD
	if a == engine.AESGCM {
		b, _ := aes.NewCipher(key)
		c, _ = cipher.NewGCM(b)
	} else {
		c, _ = chacha20poly1305.New(key)
	}
	return c.Seal(nil, iv, text, aad)
}

func refCipher(t testing.TB, p engine.Params, iv, src []byte) []byte {
	if p.Algorithm != engine.AESXTS {
		return reference(t, p, iv, src)
	}
	c, err := xts.NewCipher(aes.NewCipher, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	sector := le.Uint64(iv)
	dst := make([]byte, len(src))
	if p.Direction == engine.Encrypt {
		c.Encrypt(dst, src, sector)
	} else {
		c.Decrypt(dst, src, sector)
	}
	return dst
}

// intN is what random tasks are made with.
type intN interface {
	IntN(int) int
	Uint32() uint32
}

func bytesOf(r intN, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func pick[T any](r intN, all ...T) T { return all[r.IntN(len(all))] }

// someParams makes random parameters of a session of some kind.
func someParams(r intN) virtiocrypto.SessionParams {
	direction := uint32(1 + r.IntN(2))
	someCipher := func() virtiocrypto.CipherParams {
		a := pick(r, engine.AESECB, engine.AESCBC, engine.AESCTR, engine.AESXTS)
		return virtiocrypto.CipherParams{Algo: cipherNumbers[a], Direction: direction, Key: bytesOf(r, pick(r, a.KeySizes()...))}
	}
	someHash := func() virtiocrypto.HashParams {
		n := virtiocrypto.HashAlgo(2 + r.IntN(11))
		size := map[virtiocrypto.HashAlgo]int{2: 20, 3: 28, 4: 32, 5: 48, 6: 64, 7: 28, 8: 32, 9: 48, 10: 64}[n]
		if size == 0 {
			size = 1 + r.IntN(300)
		}
		return virtiocrypto.HashParams{Algo: n, Result: uint32(size)}
	}
	someMAC := func() virtiocrypto.MACParams {
		n := virtiocrypto.MACAlgo(2 + r.IntN(5))
		size := []int{2: 20, 3: 28, 4: 32, 5: 48, 6: 64}[n]
		return virtiocrypto.MACParams{Algo: n, Result: uint32(1 + r.IntN(size)), Key: bytesOf(r, r.IntN(513))}
	}
	switch r.IntN(6) {
	case 0:
		return someCipher()
	case 1:
		return someHash()
	case 2:
		return someMAC()
	case 3:
		a := pick(r, engine.AESGCM, engine.ChaCha20Poly1305)
		return virtiocrypto.AEADParams{Algo: aeadNumbers[a], Direction: direction, Tag: 16, Key: bytesOf(r, pick(r, a.KeySizes()...))}
	}
	p := virtiocrypto.ChainParams{Order: uint32(1 + r.IntN(2)), HashMode: uint32(1 + r.IntN(2)), Cipher: someCipher()}
	if p.HashMode == virtiocrypto.HashModePlain {
		p.Hash = someHash()
	} else {
		p.MAC = someMAC()
	}
	return p
}

func number[N comparable](numbers map[engine.Algorithm]N, n N) engine.Algorithm {
	for a, b := range numbers {
		if b == n {
			return a
		}
	}
	return 0
}

// someTask makes a random request for a session.
func someTask(t testing.TB, r intN, params virtiocrypto.SessionParams, limit int) *task {
	k := &task{params: params, status: virtiocrypto.StatusOK}
	size := r.IntN(1 << r.IntN(12))
	if r.IntN(20) == 0 {
		size = limit - 512
	}
	switch p := params.(type) {
	case virtiocrypto.CipherParams:
		e := refParams(p)
		if e.Algorithm != engine.AESCTR {
			size &^= 15
		}
		if e.Algorithm == engine.AESXTS {
			size = max(size, 16) // of nothing there is none
		}
		k.work = cryptodrv.Work{IV: bytesOf(r, e.Algorithm.IVSize()), Src: bytesOf(r, size), Dst: size, Opcode: p.Direction - 1}
		trimTweak(e, k.work.IV)
		k.want, k.inSize = refCipher(t, e, k.work.IV, k.work.Src), size
	case virtiocrypto.HashParams:
		k.work = cryptodrv.Work{Opcode: cryptodrv.OpHash, Src: bytesOf(r, size), Result: int(p.Result)}
		k.want = refDigest(number(hashNumbers, p.Algo), nil, k.work.Src, int(p.Result))
	case virtiocrypto.MACParams:
		k.work = cryptodrv.Work{Opcode: cryptodrv.OpMAC, Src: bytesOf(r, size), Result: int(p.Result)}
		k.want = refDigest(number(macNumbers, p.Algo), p.Key, k.work.Src, int(p.Result))
	case virtiocrypto.AEADParams:
		text, iv, aad := bytesOf(r, size), bytesOf(r, 12), bytesOf(r, r.IntN(pick(r, 1, 20, 300)))
		sealed := refAEAD(number(aeadNumbers, p.Algo), p.Key, iv, aad, text)
		k.inSize = size
		k.work = cryptodrv.Work{Opcode: cryptodrv.OpAEADEncrypt, IV: iv, AAD: aad, Src: text, Dst: len(sealed), Tag: 16}
		k.want = sealed
		if p.Direction == virtiocrypto.DirectionDecrypt {
			k.work.Opcode, k.work.Src, k.work.Dst, k.want = cryptodrv.OpAEADDecrypt, sealed, size, text
			if r.IntN(4) == 0 && len(sealed) > 0 {
				k.work.Src = bytes.Clone(sealed)
				k.work.Src[r.IntN(len(sealed))] ^= 1
				k.status = virtiocrypto.StatusBadMsg
			}
		}
	case virtiocrypto.ChainParams:
		someChain(t, r, k, p, size)
	}
	return k
}

func refParams(p virtiocrypto.CipherParams) engine.Params {
	return engine.Params{Algorithm: number(cipherNumbers, p.Algo), Direction: engine.Direction(p.Direction), Key: p.Key}
}

// trimTweak: the second implementation has tweaks of 64 bits.
func trimTweak(e engine.Params, iv []byte) {
	if e.Algorithm == engine.AESXTS {
		clear(iv[8:])
	}
}

func someChain(t testing.TB, r intN, k *task, p virtiocrypto.ChainParams, size int) {
	e := refParams(p.Cipher)
	if e.Algorithm == engine.AESXTS {
		size = max(size, 32)
	}
	from := func() (start, n int) {
		start = r.IntN(size + 1)
		return start, r.IntN(size - start + 1)
	}
	w := cryptodrv.Work{
		Opcode: p.Cipher.Direction - 1, Chain: true, IV: bytesOf(r, e.Algorithm.IVSize()),
		Src: bytesOf(r, size), AAD: bytesOf(r, pick(r, 0, 0, r.IntN(100))), Dst: size,
	}
	trimTweak(e, w.IV)
	w.CipherStart, w.CipherLen = from()
	if e.Algorithm != engine.AESCTR {
		w.CipherLen &^= 15
	}
	if e.Algorithm == engine.AESXTS && w.CipherLen == 0 {
		w.CipherStart, w.CipherLen = 1, 16
	}
	w.HashStart, w.HashLen = from()
	out := bytes.Clone(w.Src)
	end := w.CipherStart + w.CipherLen
	copy(out[w.CipherStart:], refCipher(t, e, w.IV, w.Src[w.CipherStart:end]))
	hashed := w.Src
	if p.Order == virtiocrypto.ChainCipherThenHash {
		hashed = out
	}
	message := append(bytes.Clone(w.AAD), hashed[w.HashStart:w.HashStart+w.HashLen]...)
	a, key, n := number(hashNumbers, p.Hash.Algo), []byte(nil), int(p.Hash.Result)
	if p.HashMode == virtiocrypto.HashModeAuth {
		a, key, n = number(macNumbers, p.MAC.Algo), p.MAC.Key, int(p.MAC.Result)
	}
	w.Result = n
	k.work, k.inSize = w, size
	k.want = append(out, refDigest(a, key, message, n)...)
}

// TestServicesAgainstReference sends batches that mix requests of all
// symmetric services, sizes, segment counts, in place and not, with sessions
// and stateless.
func TestServicesAgainstReference(t *testing.T) {
	const maxSize = 16 << 10
	for _, h := range []habits{{}, {late: true, shuffled: true, takes: 7}, {lazy: true, room: 5}} {
		t.Run(fmt.Sprintf("%+v", h), func(t *testing.T) {
			o := options{engine: newOddEngine(h), device: virtiocrypto.Options{MaxSize: maxSize}}
			onEachForm(t, o, func(m *machine) { m.servicesAgainstReference(maxSize) })
		})
	}
}

// servicesAgainstReference sends random requests of random sessions.
func (m *machine) servicesAgainstReference(maxSize int) {
	m.Helper()
	r := newRand(11)
	var params []virtiocrypto.SessionParams
	var ids []uint64
	for range 60 {
		p := someParams(r)
		id, err := m.control.Create(p)
		if err != nil {
			m.Fatalf("%+v: %v", p, err)
		}
		params, ids = append(params, p), append(ids, id)
	}
	for range 12 {
		mem := *m.mem
		type job struct {
			*cryptodrv.Plain
			k    *task
			what string
		}
		jobs := make([]job, 50)
		for i := range jobs {
			s := r.IntN(len(ids))
			k := someTask(m, r, params[s], maxSize)
			id := ids[s]
			if m.o.form.Stateless && r.IntN(3) == 0 {
				id = 0
			}
			var readCuts, writeCuts []int
			if r.IntN(2) == 0 {
				readCuts = cuts(r, len(k.work.Src)+700, r.IntN(40))
			}
			if r.IntN(2) == 0 {
				writeCuts = cuts(r, len(k.want)+1, r.IntN(40))
			}
			inPlace := k.inSize > 0 && r.IntN(2) == 0
			jobs[i] = job{m.plain(&mem, k, id, readCuts, writeCuts, inPlace), k,
				fmt.Sprintf("%T %+v, %d bytes, in place %t, session %#x", k.params, k.params, len(k.work.Src), inPlace, id)}
		}
		m.batchPlain(m.data, len(jobs), func(i int) *cryptodrv.Plain { return jobs[i].Plain })
		for _, j := range jobs {
			j.k.check(m, j.Plain, j.what)
		}
		if m.Failed() {
			return
		}
	}
	for _, id := range ids {
		if err := m.control.Destroy(id); err != nil {
			m.Error(err)
		}
	}
	if lines := m.log.take(); len(lines) > 0 {
		m.Errorf("the log says %q", lines)
	}
}

// batchPlain is batch for requests of any kind.
func (m *machine) batchPlain(q *cryptodrv.Queue, n int, request func(int) *cryptodrv.Plain) {
	m.Helper()
	answered := make([]bool, n)
	used := make([]virtqdrv.Used, q.Size())
	for sent, done := 0, 0; done < n; {
		for sent < n && q.Free() > 0 {
			if err := request(sent).Add(q.Queue, uint64(sent)); err != nil {
				if q.InFlight() == 0 {
					m.Fatal(err)
				}
				break
			}
			sent++
		}
		q.Show()
		k, err := q.Await(used)
		if err != nil {
			m.Fatalf("%d of %d requests answered: %v", done, n, err)
		}
		for _, u := range used[:k] {
			if answered[u.Cookie] {
				m.Fatalf("request %d was answered twice", u.Cookie)
			}
			answered[u.Cookie] = true
			if s := request(int(u.Cookie)).Status(); s == cryptodrv.Unanswered {
				m.Fatalf("request %d was given back without a status", u.Cookie)
			}
		}
		done += k
	}
}

// TestServicesAllocateNothing: in the steady state, with sessions, in one
// piece and scattered.
func TestServicesAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	r := newRand(12)
	key := bytesOf(r, 32)
	cbc := virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: 1, Key: key}
	mac := virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA256, Result: 32, Key: key}
	for _, params := range []virtiocrypto.SessionParams{
		virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESXTS, Direction: 1, Key: key},
		virtiocrypto.HashParams{Algo: virtiocrypto.HashSHA256, Result: 32},
		virtiocrypto.HashParams{Algo: virtiocrypto.HashSHAKE128, Result: 200},
		mac,
		virtiocrypto.AEADParams{Algo: virtiocrypto.AEADGCM, Direction: 1, Tag: 16, Key: key},
		virtiocrypto.AEADParams{Algo: virtiocrypto.AEADChaCha20Poly1305, Direction: 2, Tag: 16, Key: key},
		virtiocrypto.ChainParams{Order: 1, HashMode: 2, Cipher: cbc, MAC: mac},
		virtiocrypto.ChainParams{Order: 2, HashMode: 2, Cipher: cbc, MAC: mac},
	} {
		for _, form := range forms {
			for _, scattered := range []bool{false, true} {
				t.Run(fmt.Sprintf("%T/%s/%t", params, form.name, scattered), func(t *testing.T) {
					m := newMachine(t, options{form: form.form}, newLocal)
					id, err := m.control.Create(params)
					if err != nil {
						t.Fatal(err)
					}
					var slots []virtqdrv.Slot
					var all []*cryptodrv.Plain
					for i := range 32 {
						var c []int
						if scattered {
							c = []int{3, 50, 130, 180}
						}
						p := m.plain(m.mem, someTask(t, r, params, 2048), id, c, c, false)
						s, err := p.Prepare(m.data.Queue, uint64(i))
						if err != nil {
							t.Fatal(err)
						}
						slots, all = append(slots, s), append(all, p)
					}
					pump(m, m.data, slots, 2_000)
					const total = 10_000
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					pump(m, m.data, slots, total)
					runtime.ReadMemStats(&after)
					if n := after.Mallocs - before.Mallocs; n > total/100 {
						t.Errorf("%d allocations in %d requests", n, total)
					}
					for _, p := range all {
						if s := p.Status(); s != virtiocrypto.StatusOK && s != virtiocrypto.StatusBadMsg {
							t.Fatal(s)
						}
					}
				})
			}
		}
	}
}

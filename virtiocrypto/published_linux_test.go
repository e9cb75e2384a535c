// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/engine/vectors"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// Numbers of section 5.9.7.2.1, a second time.
var (
	curveNumbers = map[engine.Algorithm]uint32{
		engine.ECDSAP192: 1, engine.ECDSAP224: 2, engine.ECDSAP256: 3, engine.ECDSAP384: 4, engine.ECDSAP521: 5,
	}
	rsaHashNumbers = map[engine.Algorithm]uint32{
		0: 0, engine.SHA1: 5, engine.SHA256: 6, engine.SHA384: 7, engine.SHA512: 8, engine.SHA224: 9,
	}
	akOpcodes = map[engine.Op]uint32{
		engine.OpEncrypt: cryptodrv.OpAKEncrypt, engine.OpDecrypt: cryptodrv.OpAKDecrypt,
		engine.OpSign: cryptodrv.OpAKSign, engine.OpVerify: cryptodrv.OpAKVerify,
	}
)

// question is a published vector, in one direction, as the device is asked.
type question struct {
	v vectors.Vector
	task
	skip    int
	shorter bool // the result may be shorter than the room for it
}

// questions makes a vector's questions.
func questions(v vectors.Vector) (all []question) {
	p := v.Params
	ask := func(params virtiocrypto.SessionParams, w cryptodrv.Work, want []byte, inSize int) {
		all = append(all, question{v: v, task: task{params: params, work: w, want: want, inSize: inSize}, skip: v.Skip})
	}
	ways := directions
	if p.Direction != 0 {
		ways = []engine.Direction{p.Direction}
	}
	switch p.Algorithm.Kind() {
	case engine.Cipher:
		for _, d := range ways {
			in, out := v.In, v.Out
			direction, opcode := wire(d)
			if d == engine.Decrypt {
				in, out = out, in
			}
			ask(virtiocrypto.CipherParams{Algo: cipherNumbers[p.Algorithm], Direction: direction, Key: p.Key},
				cryptodrv.Work{Opcode: opcode, IV: v.IV, Src: in, Dst: len(in)}, out, len(in))
		}
	case engine.Hash:
		ask(virtiocrypto.HashParams{Algo: hashNumbers[p.Algorithm], Result: uint32(len(v.Out))},
			cryptodrv.Work{Opcode: cryptodrv.OpHash, Src: v.In, Result: len(v.Out)}, v.Out, 0)
	case engine.MAC:
		ask(virtiocrypto.MACParams{Algo: macNumbers[p.Algorithm], Result: uint32(len(v.Out)), Key: p.Key},
			cryptodrv.Work{Opcode: cryptodrv.OpMAC, Src: v.In, Result: len(v.Out)}, v.Out, 0)
	case engine.AEAD:
		sealed := slices.Concat(v.Out, v.Tag)
		for _, d := range ways {
			direction, opcode := wire(d)
			params := virtiocrypto.AEADParams{Algo: aeadNumbers[p.Algorithm], Direction: direction, Tag: uint32(p.TagSize), Key: p.Key}
			w := cryptodrv.Work{Opcode: opcode + cryptodrv.OpAEADEncrypt, IV: v.IV, AAD: v.AAD, Tag: p.TagSize}
			switch {
			case d == engine.Decrypt:
				w.Src, w.Dst = sealed, len(v.Out)
				ask(params, w, v.In, len(v.Out))
			case !v.Invalid:
				w.Src, w.Dst = v.In, len(sealed)
				ask(params, w, sealed, len(v.In))
			}
		}
	case engine.PublicKey:
		params := virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: virtiocrypto.KeyPublic, Hash: rsaHashNumbers[p.Hash], Key: p.Key}
		if p.Private {
			params.KeyType = virtiocrypto.KeyPrivate
		}
		switch p.Algorithm {
		case engine.RSARaw:
		case engine.RSAPKCS1:
			params.Padding = virtiocrypto.RSAPaddingPKCS1
		default:
			params.Algo, params.Hash, params.Curve = virtiocrypto.AKCipherECDSA, 0, curveNumbers[p.Algorithm]
		}
		w := cryptodrv.Work{Opcode: akOpcodes[v.Op], Src: v.In, Dst: max(len(v.Out), 1024)}
		if v.Op == engine.OpVerify {
			w.Dst, w.Signed = 0, v.AAD
		}
		ask(params, w, v.Out, 0)
		all[0].shorter = true
	}
	return all
}

// tally is what became of questions.
type tally struct {
	right   int            // the answer is the published one
	refused int            // what is invalid was found to be so
	limits  map[string]int // what could not be asked, by why
	wrong   []string
}

func (t *tally) limit(why string) { t.limits[why]++ }

// sum is how many questions were judged.
func (t *tally) sum() int {
	n := t.right + t.refused + len(t.wrong)
	for _, l := range t.limits {
		n += l
	}
	return n
}

// judge says what became of a question; session says that the session was
// refused.
func (t *tally) judge(q *question, e engine.Engine, status virtiocrypto.Status, session bool, got []byte) {
	v := q.v
	equal := status == virtiocrypto.StatusOK && len(got) == len(q.want) && bytes.Equal(got[q.skip:], q.want[q.skip:])
	limited := slices.ContainsFunc(e.Algorithms(), func(s engine.Support) bool { return s.Algorithm == v.Params.Algorithm && s.Limits })
	switch {
	case v.Invalid && status != virtiocrypto.StatusOK,
		v.Invalid && v.Params.Algorithm.Kind() == engine.MAC && !equal,
		v.Invalid && v.Op == engine.OpDecrypt && !equal: // implicit rejection
		t.refused++
	case v.Invalid:
		t.wrong = append(t.wrong, fmt.Sprintf("%s is invalid, and answered %s, %x", v.Name, status, got))
	case equal:
		t.right++
	case v.Unclear && status == virtiocrypto.StatusKeyRejected:
		t.refused++
	case v.Params.Algorithm == engine.AESGCM && len(v.IV) != 12 && (status == virtiocrypto.StatusErr || status == virtiocrypto.StatusNotSupp):
		t.limit("GCM with a nonce that is not of 12 bytes")
	case session && v.Params.Algorithm == engine.AESXTS && len(v.Params.Key) == 48:
		t.limit("XTS with AES-192, which IEEE 1619 does not have")
	case session && status == virtiocrypto.StatusNotSupp:
		t.limit("keys or tags of this size")
	case session && v.Params.Algorithm == engine.RSAPKCS1 && e.Name() == "gocrypto":
		t.limit("keys that Go's library refuses")
	case limited && status == virtiocrypto.StatusNotSupp:
		t.limit("requests of this length or nonce")
	default:
		t.wrong = append(t.wrong, fmt.Sprintf("%s: %s (session refused: %t), %x; want %x", v.Name, status, session, got, q.want))
	}
}

// ask asks the device a batch of questions at once: each in a session of its
// own, or, where that was negotiated, every second without one; by turns in
// place or not, and in pieces or not.
func (m *machine) ask(t *tally, questions []question, first int) {
	m.Helper()
	mem := *m.mem
	var asked []*question
	var requests []*cryptodrv.Plain
	var ids []uint64
	for i := range questions {
		q, n := &questions[i], first+i
		id := uint64(0)
		if !m.o.form.Stateless || n%2 == 0 {
			var err error
			id, err = m.control.Create(q.params)
			var refused *cryptodrv.StatusError
			if errors.As(err, &refused) {
				t.judge(q, m.o.engine, refused.Status, true, nil)
				continue
			}
			if err != nil {
				m.Fatal(err)
			}
			ids = append(ids, id)
		}
		var readCuts, writeCuts []int
		if n%3 == 0 {
			r := newRand(byte(n))
			readCuts, writeCuts = cuts(r, len(q.work.Src)+100, n%13), cuts(r, len(q.want)+1, n%7)
		}
		asked = append(asked, q)
		requests = append(requests, m.plain(&mem, &q.task, id, readCuts, writeCuts, q.inSize > 0 && n%5 < 2))
	}
	m.batchPlain(m.data, len(requests), func(i int) *cryptodrv.Plain { return requests[i] })
	for i, q := range asked {
		got := requests[i].Result()
		if q.shorter {
			got = got[:min(len(got), len(q.want))]
		}
		t.judge(q, m.o.engine, requests[i].Status(), false, got)
	}
	for _, id := range ids {
		if err := m.control.Destroy(id); err != nil {
			m.Fatal(err)
		}
	}
}

// published asks an engine's device all that it says it has: each question in
// one of the three forms of requests, by turns.
//
// Of the questions, every nth is asked.
func published(t *testing.T, e engine.Engine, nth int) *tally {
	t.Helper()
	files, err := vectors.Files()
	if err != nil {
		t.Fatal(err)
	}
	result := &tally{limits: make(map[string]int)}
	o := options{engine: e, device: virtiocrypto.Options{Legacy: true, MaxSize: 128 << 10}}
	var machines []*machine
	for i, f := range forms {
		o.form = f.form
		machines = append(machines, newMachine(t, o, links[i%len(links)].open))
	}
	const batch = 60 // more than engines take at a time
	waiting := make([][]question, len(machines))
	total, count := 0, 0
	for _, f := range files {
		for i, v := range f.Vectors {
			if count++; count%nth != 0 {
				continue
			}
			if !machines[0].can(v.Params.Algorithm) {
				total++
				result.limit(v.Params.Algorithm.String() + " at all")
				continue
			}
			for _, q := range questions(v) {
				at := (total + i) % len(machines)
				total++
				if waiting[at] = append(waiting[at], q); len(waiting[at]) == batch {
					machines[at].ask(result, waiting[at], total)
					waiting[at] = nil
				}
			}
		}
	}
	for at, m := range machines {
		m.ask(result, waiting[at], total)
	}
	if result.sum() != total {
		t.Errorf("of %d questions %d were judged", total, result.sum())
	}
	return result
}

// TestPublishedVectors asks each engine, through the queue, all that Wycheproof
// and NIST publish, valid and invalid, and counts: what an engine does not have
// is known beforehand, so that nothing is passed over unseen.
func TestPublishedVectors(t *testing.T) {
	t.Parallel()
	engines := 0
	test := func(name string, open func() (engine.Engine, error)) {
		t.Run(name, func(t *testing.T) {
			e, err := open()
			if errors.Is(err, engine.ErrUnavailable) {
				t.Skip(err) // the Makefile builds in what is here
			}
			if err != nil {
				t.Fatal(err)
			}
			engines++
			result := published(t, e, 1)
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			t.Logf("engine %s: %d answers as published, %d of what is invalid refused", name, result.right, result.refused)
			for _, why := range slices.Sorted(maps.Keys(result.limits)) {
				t.Logf("  it cannot do: %5d, %s", result.limits[why], why)
			}
			for _, w := range result.wrong[:min(len(result.wrong), 20)] {
				t.Error(w)
			}
			want, known := publishedCounts[name]
			if name == engine.Auto && engines <= 3 { // an engine is not here
				known = false
			}
			if known && (result.right < want.right || result.refused < want.refused) {
				t.Errorf("%d are right and %d refused, there should be %d and %d", result.right, result.refused, want.right, want.refused)
			}
		})
	}
	for _, d := range engine.Drivers() {
		if d.Name != "devcrypto" { // needs a /dev/crypto that is not of our making
			test(d.Name, func() (engine.Engine, error) { return d.Start(engine.Options{}) })
		}
	}
	test(engine.Auto, func() (engine.Engine, error) { return engine.Open(engine.Auto, engine.Options{}) })
}

// publishedCounts are what each engine is known to do.
var publishedCounts = map[string]struct{ right, refused int }{
	"ipsecmb":   {12261, 2892},
	"openssl":   {20890, 6395},
	"gocrypto":  {15009, 5149},
	engine.Auto: {22216, 6395},
}

// TestPublishedVectorsFindAWrongEngine: where one bit is wrong, nothing is
// right that has a result.
func TestPublishedVectorsFindAWrongEngine(t *testing.T) {
	result := published(t, wrongEngine{gocrypto.New()}, 10)
	// Verified signatures and what is decrypted to nothing have no result.
	if result.right > 200 || len(result.wrong) < 1000 {
		t.Errorf("%d answers are right, %d wrong", result.right, len(result.wrong))
	}
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// TestFeatures: stateless mode needs revision 1, section 5.9.3.1, whatever the
// service.
func TestFeatures(t *testing.T) {
	d, err := virtiocrypto.New(virtiocrypto.Options{Engine: gocrypto.New()})
	if err != nil {
		t.Fatal(err)
	}
	if f := d.Features(); f != 0x3f {
		t.Errorf("features %#x, want bits 0 to 5", f)
	}
	for f := range uint64(64) {
		want := f <= 1 || f&1 == 1
		if err := d.Negotiated(f); (err == nil) != want {
			t.Errorf("features %#x: %v", f, err)
		}
	}
}

// TestStatelessWithoutConsent: with revision 1 alone a request must say that
// it has a session; without, the flag means nothing.
func TestStatelessWithoutConsent(t *testing.T) {
	for _, f := range forms[:2] {
		t.Run(f.name, func(t *testing.T) {
			onEachLink(t, options{form: f.form}, func(m *machine) {
				for i, params := range sampleParams() {
					id, err := m.control.Create(params)
					if err != nil {
						m.Fatal(err)
					}
					w := samples()[i]
					w.Session = id
					readable, room, _ := m.o.form.Data(w)
					for _, flag := range []uint32{0, 1, 2, 3, 1<<32 - 1} {
						mem := *m.mem
						le.PutUint32(readable[16:], flag)
						got, _, err := m.data.DoPlain(m.fill(&mem, readable, room))
						want := virtiocrypto.StatusOK
						if i == sampleOpen {
							want = virtiocrypto.StatusBadMsg
						}
						if m.o.form.Revision1 && flag&1 == 0 {
							want = virtiocrypto.StatusNotSupp
						}
						if err != nil || got != want {
							m.Errorf("%T, flag %#x: %v, %v; want %v", params, flag, got, err, want)
						}
					}
				}
			})
		})
	}
}

// TestOneServiceStateless: the form is negotiated for each service by itself.
func TestOneServiceStateless(t *testing.T) {
	m := newMachine(t, options{form: cryptodrv.Form{Revision1: true}}, newLocal)
	l := m.link.(*local)
	l.in.Reset()
	if err := l.in.SetFeatures(1<<32 | 1<<29 | 1<<28 | virtiocrypto.FeatureRevision1 | virtiocrypto.FeatureHashStateless); err != nil {
		t.Fatal(err)
	}
	for i := range m.queues {
		m.startQueue(i, 0)
	}
	m.useQueues()
	for i, params := range sampleParams() {
		w := samples()[i]
		form := m.o.form
		if _, ok := params.(virtiocrypto.HashParams); ok {
			w.Params = params
			form.Stateless = true
		} else {
			id, err := m.control.Create(params)
			if err != nil {
				t.Fatal(err)
			}
			w.Session = id
		}
		readable, room, _ := form.Data(w)
		mem := *m.mem
		want := virtiocrypto.StatusOK
		if i == sampleOpen {
			want = virtiocrypto.StatusBadMsg
		}
		if got, _, err := m.data.DoPlain(m.fill(&mem, readable, room)); err != nil || got != want {
			t.Errorf("%T: %v, %v", params, got, err)
		}
	}
}

// TestStatelessRefused: what a stateless request says of its session is
// checked as a session's parameters are.
func TestStatelessRefused(t *testing.T) {
	e := newStrictEngine(gocrypto.New())
	onEachLink(t, options{engine: e, form: forms[2].form, device: virtiocrypto.Options{MaxSessions: 1}}, func(m *machine) {
		began := e.open.Load() + 1
		// The device's sessions are all in use: stateless requests need none.
		if _, err := m.control.Create(sampleParams()[0]); err != nil {
			m.Fatal(err)
		}
		bad, notSupp, ok := virtiocrypto.StatusErr, virtiocrypto.StatusNotSupp, virtiocrypto.StatusOK
		heap := *m.mem
		for _, tt := range []struct {
			name    string
			sample  int
			changes []change
			want    virtiocrypto.Status
		}{
			{"honest", sampleCipher, nil, ok},
			{"cipher that is not", sampleCipher, []change{{0, 1}}, notSupp},
			{"cipher key too short", sampleCipher, []change{{1, 15}}, bad},
			{"cipher key too long", sampleCipher, []change{{1, 65}}, bad},
			{"cipher key of all ones", sampleCipher, []change{{1, allOnes}}, bad},
			{"cipher key that takes the source", sampleCipher, []change{{1, 32}}, bad},
			{"direction that is not the opcode's", sampleCipher, []change{{2, 2}}, bad},
			{"direction 0", sampleCipher, []change{{2, 0}}, bad},
			{"op_type none", sampleCipher, []change{{18, 0}}, notSupp},
			{"op_type all ones", sampleCipher, []change{{18, allOnes}}, notSupp},
			{"honest hash", sampleHash, nil, ok},
			{"hash that is not", sampleHash, []change{{0, 13}}, notSupp},
			{"hash of another length", sampleHash, []change{{0, 3}}, bad},
			{"honest MAC", sampleMAC, nil, ok},
			{"MAC that is not", sampleMAC, []change{{0, 7}}, notSupp},
			{"MAC key too long", sampleMAC, []change{{1, 513}}, bad},
			{"MAC key and source overflow", sampleMAC, []change{{1, 64}, {2, allOnes - 63}}, bad},
			{"honest AEAD", sampleSeal, nil, ok},
			{"AEAD that is not", sampleSeal, []change{{0, 4}}, notSupp},
			{"AEAD without tag", sampleSeal, []change{{4, 0}}, bad},
			{"AEAD key of 17 bytes", sampleSeal, []change{{1, 17}}, bad},
			{"AEAD direction that is not the opcode's", sampleSeal, []change{{2, 2}}, bad},
			{"honest chain", sampleChain, nil, ok},
			{"chain whose first AAD length is another", sampleChain, []change{{1, 5}}, ok},
			{"chain order 0", sampleChain, []change{{0, 0}}, bad},
			{"nested hash", sampleChain, []change{{7, 3}}, notSupp},
			{"chain MAC's key too long", sampleChain, []change{{6, 513}}, bad},
			{"chain MAC's key of all ones", sampleChain, []change{{6, allOnes}}, bad},
			{"chain cipher's key of all ones", sampleChain, []change{{3, allOnes}}, bad},
		} {
			w := samples()[tt.sample]
			w.Params = sampleParams()[tt.sample]
			readable, room, _ := m.o.form.Data(w)
			for _, c := range tt.changes {
				le.PutUint32(readable[fixedPart+4*c.field:], c.value)
			}
			mem := heap
			p := m.fill(&mem, readable, room)
			got, _, err := m.data.DoPlain(p)
			if err != nil || got != tt.want {
				m.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
			}
			if got != ok && !bytes.Equal(p.Result(), bytes.Repeat([]byte{0x5c}, room)) {
				m.Errorf("%s: the destination was written to", tt.name)
			}
			if n := e.open.Load(); n != began {
				m.Errorf("%s: %d sessions of the engine are open, want %d", tt.name, n, began)
			}
		}
	})
}

// TestServiceMaxSize: max_size is what is promised, and CVE-2025-14876 is
// taking a request at its word beyond it.
func TestServiceMaxSize(t *testing.T) {
	const maxSize = 8 << 10
	onEachForm(t, options{device: virtiocrypto.Options{MaxSize: maxSize}}, func(m *machine) {
		heap := *m.mem
		for i, params := range sampleParams() {
			id, err := m.control.Create(params)
			if err != nil {
				m.Fatal(err)
			}
			for _, over := range []int{0, 16} {
				for _, scattered := range []bool{false, true} {
					w := samples()[i]
					w.Session = id
					rest := len(w.AAD) + w.Result
					if i == sampleCipher {
						rest = 0
					}
					n := (maxSize-rest)&^15 + over // of text
					w.CipherLen, w.HashLen = 48, n-4
					if i == sampleOpen {
						n += 16
					}
					w.Src, w.Dst = make([]byte, n), w.Dst-64+n
					if i == sampleHash || i == sampleMAC || i == sampleSHAKE {
						w.Dst = 0
					}
					readable, room, _ := m.o.form.Data(w)
					var cuts []int
					if scattered {
						cuts = []int{100, 1000, 3000}
					}
					mem := heap
					p, err := cryptodrv.NewPlain(&mem, readable, room, cuts, clip(cuts, room), 0)
					if err != nil {
						m.Fatal(err)
					}
					want := virtiocrypto.StatusOK
					if i == sampleOpen {
						want = virtiocrypto.StatusBadMsg
					}
					if over > 0 {
						want = virtiocrypto.StatusErr
					}
					if got, _, err := m.data.DoPlain(p); err != nil || got != want {
						m.Errorf("%T, %d bytes, scattered %t: %v, %v; want %v", params, n, scattered, got, err, want)
					}
				}
			}
		}
	})
}

// TestGCMWithJ0: a nonce of 16 bytes is J0, the first counter block, and that
// of a nonce of 12 bytes is the nonce and a counter of 1.
func TestGCMWithJ0(t *testing.T) {
	onEachForm(t, options{}, func(m *machine) {
		r := newRand(31)
		p := virtiocrypto.AEADParams{Algo: virtiocrypto.AEADGCM, Direction: virtiocrypto.DirectionEncrypt, Tag: 16, Key: random(r, 16)}
		iv, text := random(r, 12), random(r, 50)
		want := refAEAD(engine.AESGCM, p.Key, iv, nil, text)
		m.try(&task{params: p, want: want, work: cryptodrv.Work{
			Opcode: cryptodrv.OpAEADEncrypt, IV: append(bytes.Clone(iv), 0, 0, 0, 1), Src: text, Dst: 66, Tag: 16,
		}}, "J0")
		m.try(&task{params: p, status: virtiocrypto.StatusNotSupp, work: cryptodrv.Work{
			Opcode: cryptodrv.OpAEADEncrypt, IV: append(bytes.Clone(iv), 0, 0, 0, 2), Src: text, Dst: 66, Tag: 16,
		}}, "J0 of another nonce")
	})
}

// TestMoreRoomThanResult: an AEAD's destination may be longer than its result,
// and what is behind it stays as it is.
func TestMoreRoomThanResult(t *testing.T) {
	onEachForm(t, options{}, func(m *machine) {
		p := virtiocrypto.AEADParams{Algo: virtiocrypto.AEADGCM, Direction: virtiocrypto.DirectionEncrypt, Tag: 16, Key: key128}
		text, iv := []byte("text"), make([]byte, 12)
		sealed := refAEAD(engine.AESGCM, key128, iv, nil, text)
		d := p
		d.Direction = virtiocrypto.DirectionDecrypt
		for _, k := range []task{
			{params: p, want: sealed, work: cryptodrv.Work{Opcode: cryptodrv.OpAEADEncrypt, IV: iv, Src: text, Dst: 50, Tag: 16}},
			{params: d, want: text, work: cryptodrv.Work{Opcode: cryptodrv.OpAEADDecrypt, IV: iv, Src: sealed, Dst: 50, Tag: 16}},
		} {
			id, err := m.control.Create(k.params)
			if err != nil {
				m.Fatal(err)
			}
			k.work.Session = id
			readable, room, _ := m.o.form.Data(k.work)
			pl := m.fill(m.mem, readable, room)
			if s, _, err := m.data.DoPlain(pl); err != nil || s != virtiocrypto.StatusOK {
				m.Fatal(s, err)
			}
			want := append(bytes.Clone(k.want), bytes.Repeat([]byte{0x5c}, 50-len(k.want))...)
			if !bytes.Equal(pl.Result(), want) {
				m.Errorf("result %x, want %x", pl.Result(), want)
			}
		}
	})
}

// TestAEADTagOfTheSession: Linux's header has no tag length in requests, so 0
// stands for the session's in the forms with sessions.
func TestAEADTagOfTheSession(t *testing.T) {
	for _, f := range forms[:2] {
		onEachLink(t, options{form: f.form}, func(m *machine) {
			p := virtiocrypto.AEADParams{Algo: virtiocrypto.AEADGCM, Direction: virtiocrypto.DirectionEncrypt, Tag: 13, Key: key128}
			text, iv := []byte("text"), make([]byte, 12)
			want := refAEAD(engine.AESGCM, key128, iv, nil, text)[:len(text)+13]
			m.try(&task{params: p, want: want, work: cryptodrv.Work{Opcode: cryptodrv.OpAEADEncrypt, IV: iv, Src: text, Dst: 17}}, "no tag length")
		})
	}
}

// TestSessionInStatelessForm: what the fixed part says of a session is ignored
// where the request names one.
func TestSessionInStatelessForm(t *testing.T) {
	onEachLink(t, options{form: forms[2].form}, func(m *machine) {
		words := []int{sampleCipher: 3, sampleHash: 1, sampleSHAKE: 1, sampleMAC: 2, sampleSeal: 3, sampleOpen: 3, sampleChain: 8, sampleHashFirst: 8}
		for i, params := range sampleParams() {
			id, err := m.control.Create(params)
			if err != nil {
				m.Fatal(err)
			}
			w := samples()[i]
			w.Session = id
			readable, room, _ := m.o.form.Data(w)
			want := virtiocrypto.StatusOK
			if i == sampleOpen {
				want = virtiocrypto.StatusBadMsg
			}
			for word := range words[i] {
				le.PutUint32(readable[fixedPart+4*word:], 99)
			}
			mem := *m.mem
			if got, _, err := m.data.DoPlain(m.fill(&mem, readable, room)); err != nil || got != want {
				m.Errorf("%T: %v, %v; want %v", params, got, err, want)
			}
		}
	})
}

// TestBadTagGivesNothing: after BADMSG the destination holds no plaintext,
// in one piece, in pieces and in place.
func TestBadTagGivesNothing(t *testing.T) {
	onEachEngine(t, func(t *testing.T, e engine.Engine) {
		onEachForm(t, options{engine: e}, func(m *machine) {
			if !m.can(engine.AESGCM) {
				return
			}
			text := bytes.Repeat([]byte("sixteen bytes.  "), 8)
			sealed := refAEAD(engine.AESGCM, key128, make([]byte, 12), nil, text)
			sealed[len(sealed)-1] ^= 1
			id, err := m.control.Create(virtiocrypto.AEADParams{Algo: virtiocrypto.AEADGCM, Direction: virtiocrypto.DirectionDecrypt, Tag: 16, Key: key128})
			if err != nil {
				m.Fatal(err)
			}
			k := &task{work: cryptodrv.Work{Opcode: cryptodrv.OpAEADDecrypt, IV: make([]byte, 12), Src: sealed, Dst: len(text), Tag: 16}, inSize: len(text)}
			for _, cuts := range [][]int{nil, {20, 100}} {
				for _, inPlace := range []bool{false, true} {
					mem := *m.mem
					p := m.plain(&mem, k, id, cuts, cuts, inPlace)
					if s, _, err := m.data.DoPlain(p); err != nil || s != virtiocrypto.StatusBadMsg {
						m.Fatalf("%v, %v; want BADMSG", s, err)
					}
					if bytes.Contains(p.Result(), text[:16]) {
						m.Errorf("cuts %v, in place %t: the destination holds plaintext", cuts, inPlace)
					}
				}
			}
		})
	})
}

// TestDriversMemoryStays: the device writes to nothing that it only reads. "The
// IV will be updated", says the specification; it lies in the readable part,
// and stays as the driver wrote it.
func TestDriversMemoryStays(t *testing.T) {
	onEachForm(t, options{}, func(m *machine) {
		params := sampleParams()
		for _, a := range []engine.Algorithm{engine.AESCTR, engine.AESXTS} {
			params = append(params, virtiocrypto.CipherParams{Algo: cipherNumbers[a], Direction: virtiocrypto.DirectionEncrypt, Key: append(bytes.Clone(key128), random(newRand(1), a.KeySizes()[0]-16)...)})
		}
		for i, p := range params {
			w := samples()[sampleCipher]
			if i < len(samples()) {
				w = samples()[i]
			}
			id, err := m.control.Create(p)
			if err != nil {
				m.Fatal(err)
			}
			w.IV = bytes.Repeat([]byte{0xee}, len(w.IV)) // a counter that carries
			sessions := []uint64{id}
			if m.o.form.Stateless {
				sessions = append(sessions, 0)
			}
			for _, w.Session = range sessions {
				if w.Session == 0 {
					w.Params = p
				}
				readable, room, _ := m.o.form.Data(w)
				for _, cuts := range [][]int{nil, {30, 60, 80, 95, 110}} {
					mem := *m.mem
					r, err := cryptodrv.NewPlain(&mem, readable, room, clip(cuts, len(readable)), nil, 1)
					if err != nil {
						m.Fatal(err)
					}
					status, _, err := m.data.DoPlain(r)
					if err != nil || status != virtiocrypto.StatusOK && i != sampleOpen {
						m.Fatalf("%T: %v, %v", p, status, err)
					}
					var now []byte
					for _, b := range r.Readable {
						now = append(now, mem.Bytes(b)...)
					}
					if !bytes.Equal(now, readable) {
						m.Errorf("%T, session %#x: the readable part was %x and is %x", p, w.Session, readable, now)
					}
				}
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// public does a public-key request and returns its status and result. With
// session 0 it is stateless.
func (m *machine) public(id uint64, p virtiocrypto.AKCipherParams, w cryptodrv.Work, cuts ...int) (virtiocrypto.Status, []byte) {
	m.Helper()
	if w.Session = id; id == 0 {
		w.Params = p
	}
	readable, room, _ := m.o.form.Data(w)
	mem := *m.mem
	pl, err := cryptodrv.NewPlain(&mem, readable, room, clip(cuts, len(readable)), clip(cuts, room), 1)
	if err != nil {
		m.Fatal(err)
	}
	status, written, err := m.data.DoPlain(pl)
	if err != nil {
		m.Fatal(err)
	}
	result := pl.Result()
	if status == virtiocrypto.StatusOK {
		// "The driver needs to check how many bytes the device has written."
		if int(written) < 1 || int(written)-1 > len(result) {
			m.Fatalf("%d bytes written to %d and the status", written, len(result))
		}
		result = result[:written-1]
	}
	return status, result
}

// keyPair opens sessions for both of its keys; in stateless form it also gives
// 0 for the session of requests that bring them.
func (m *machine) keyPair(private, public virtiocrypto.AKCipherParams) (pairs [][2]uint64) {
	m.Helper()
	open := func(p virtiocrypto.AKCipherParams) uint64 {
		id, err := m.control.Create(p)
		if err != nil {
			m.Fatalf("%+v: %v", p, err)
		}
		return id
	}
	pairs = [][2]uint64{{open(private), open(public)}}
	if m.o.form.Stateless {
		pairs = append(pairs, [2]uint64{})
	}
	return pairs
}

const ok, rejected = virtiocrypto.StatusOK, virtiocrypto.StatusKeyRejected

func TestRSA(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	onEachForm(t, options{}, func(m *machine) {
		private := virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: virtiocrypto.KeyPrivate, Padding: virtiocrypto.RSAPaddingPKCS1, Hash: 6, Key: x509.MarshalPKCS1PrivateKey(k)}
		public := private
		public.KeyType, public.Key = virtiocrypto.KeyPublic, x509.MarshalPKCS1PublicKey(&k.PublicKey)
		for _, ids := range m.keyPair(private, public) {
			for _, cuts := range [][]int{nil, {30, 110, 200, 300}} {
				s, sig := m.public(ids[0], private, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest[:], Dst: 256}, cuts...)
				if s != ok || rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, digest[:], sig) != nil {
					m.Fatalf("sign: %s, %x", s, sig)
				}
				verify := cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Src: sig, Signed: digest[:]}
				for i, p := range []virtiocrypto.AKCipherParams{private, public} {
					if s, rest := m.public(ids[i], p, verify, cuts...); s != ok || len(rest) != 0 {
						m.Errorf("verify: %s, %x", s, rest)
					}
				}
				forged := verify
				forged.Src = bytes.Clone(sig)
				forged.Src[100] ^= 1
				if s, _ := m.public(ids[1], public, forged); s != rejected {
					m.Errorf("a forged signature: %s", s)
				}
				forged = verify
				forged.Signed = bytes.Repeat([]byte{1}, 32)
				if s, _ := m.public(ids[1], public, forged); s != rejected {
					m.Errorf("another digest: %s", s)
				}
				s, sealed := m.public(ids[1], public, cryptodrv.Work{Opcode: cryptodrv.OpAKEncrypt, Src: []byte("a secret"), Dst: 300}, cuts...)
				if s != ok || len(sealed) != 256 {
					m.Fatalf("encrypt: %s, %d bytes", s, len(sealed))
				}
				s, text := m.public(ids[0], private, cryptodrv.Work{Opcode: cryptodrv.OpAKDecrypt, Src: sealed, Dst: 256}, cuts...)
				if s != ok || string(text) != "a secret" {
					m.Errorf("decrypt: %s, %q", s, text)
				}
			}
			for _, tt := range []struct {
				name string
				key  int
				work cryptodrv.Work
				want virtiocrypto.Status
			}{
				{"sign with the public key", 1, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest[:], Dst: 256}, virtiocrypto.StatusNotSupp},
				{"decrypt with the public key", 1, cryptodrv.Work{Opcode: cryptodrv.OpAKDecrypt, Src: make([]byte, 256), Dst: 256}, virtiocrypto.StatusNotSupp},
				{"too little room", 0, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest[:], Dst: 255}, virtiocrypto.StatusErr},
				{"no room", 0, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest[:], Dst: 0}, virtiocrypto.StatusErr},
				{"a digest of another length", 0, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest[:31], Dst: 256}, virtiocrypto.StatusErr},
				{"too much to encrypt", 1, cryptodrv.Work{Opcode: cryptodrv.OpAKEncrypt, Src: make([]byte, 246), Dst: 256}, virtiocrypto.StatusErr},
				{"nonsense to decrypt", 0, cryptodrv.Work{Opcode: cryptodrv.OpAKDecrypt, Src: make([]byte, 256), Dst: 256}, virtiocrypto.StatusErr},
				{"CVE-2025-14876: a long source, and there", 0, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: make([]byte, 4097), Dst: 256}, virtiocrypto.StatusErr},
				{"CVE-2025-14876: a long signature, and there", 1, cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Src: make([]byte, 4097), Signed: digest[:]}, virtiocrypto.StatusErr},
				{"no signature", 1, cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Signed: digest[:]}, rejected},
				{"much that was signed", 1, cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Src: make([]byte, 256), Signed: make([]byte, 4097)}, virtiocrypto.StatusErr},
				{"a long destination is no harm", 0, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest[:], Dst: 1 << 20}, ok},
			} {
				p := []virtiocrypto.AKCipherParams{private, public}[tt.key]
				if s, _ := m.public(ids[tt.key], p, tt.work); s != tt.want {
					m.Errorf("%s: %s, want %s", tt.name, s, tt.want)
				}
			}
			m.publicLies(ids, private)
		}
	})
}

// publicLies sends requests whose lengths are not those of what is there.
func (m *machine) publicLies(ids [2]uint64, private virtiocrypto.AKCipherParams) {
	m.Helper()
	digest := make([]byte, 32)
	for _, op := range []uint32{cryptodrv.OpAKSign, cryptodrv.OpAKDecrypt, cryptodrv.OpAKEncrypt, cryptodrv.OpAKVerify} {
		w := cryptodrv.Work{Opcode: op, Session: ids[0], Src: digest, Dst: 256}
		if op == cryptodrv.OpAKVerify {
			w.Dst, w.Signed = 0, digest
		}
		if ids[0] == 0 {
			w.Params = private
		}
		honest, room, _ := m.o.form.Data(w)
		at := fixedPart
		if m.o.form.Stateless {
			at += 20
		}
		for _, l := range [][2]uint32{
			{1000, 256}, {allOnes, 256}, {allOnes, allOnes}, {1 << 31, 1 << 31}, {32, allOnes}, {allOnes - 31, 64}, {32, 257}, {4097, 32},
		} {
			readable := bytes.Clone(honest)
			le.PutUint32(readable[at:], l[0])
			le.PutUint32(readable[at+4:], l[1])
			mem := *m.mem
			p := m.fill(&mem, readable, room)
			if s, _, err := m.data.DoPlain(p); err != nil || s != virtiocrypto.StatusErr {
				m.Errorf("opcode %#x with lengths %d: %s, %v; want ERR", op, l, s, err)
			}
			if !bytes.Equal(p.Result(), bytes.Repeat([]byte{0x5c}, room)) {
				m.Errorf("opcode %#x with lengths %d: the destination was written to", op, l)
			}
		}
	}
}

// TestECDSA: each curve by both numbers of the algorithm, keys with and
// without what is optional in them.
func TestECDSA(t *testing.T) {
	digest := sha256.Sum256([]byte("message"))
	onEachForm(t, options{}, func(m *machine) {
		for number, curve := range map[uint32]elliptic.Curve{2: elliptic.P224(), 3: elliptic.P256(), 4: elliptic.P384(), 5: elliptic.P521()} {
			k, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				m.Fatal(err)
			}
			full, err := x509.MarshalECPrivateKey(k)
			if err != nil {
				m.Fatal(err)
			}
			d, err := k.Bytes()
			if err != nil {
				m.Fatal(err)
			}
			point, err := k.PublicKey.Bytes()
			if err != nil {
				m.Fatal(err)
			}
			type bare struct {
				Version int
				Key     []byte
			}
			short, err := asn1.Marshal(bare{1, bytes.TrimLeft(d, "\x00")})
			if err != nil {
				m.Fatal(err)
			}
			for _, algo := range []virtiocrypto.AKCipherAlgo{2, 3} {
				for _, der := range [][]byte{full, short} {
					private := virtiocrypto.AKCipherParams{Algo: algo, KeyType: virtiocrypto.KeyPrivate, Curve: number, Key: der}
					public := private
					public.KeyType, public.Key = virtiocrypto.KeyPublic, point
					for _, ids := range m.keyPair(private, public) {
						s, sig := m.public(ids[0], private, cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: digest[:], Dst: 150})
						if s != ok || !ecdsa.VerifyASN1(&k.PublicKey, digest[:], sig) {
							m.Fatalf("%s, sign: %s, %x", curve.Params().Name, s, sig)
						}
						verify := cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Src: sig, Signed: digest[:]}
						if s, _ := m.public(ids[1], public, verify); s != ok {
							m.Errorf("%s, verify: %s", curve.Params().Name, s)
						}
						verify.Signed = bytes.Repeat([]byte{9}, 32)
						if s, _ := m.public(ids[1], public, verify); s != rejected {
							m.Errorf("%s, another digest: %s", curve.Params().Name, s)
						}
						if s, _ := m.public(ids[1], public, cryptodrv.Work{Opcode: cryptodrv.OpAKEncrypt, Src: digest[:], Dst: 150}); s != virtiocrypto.StatusNotSupp {
							m.Errorf("%s encrypts: %s", curve.Params().Name, s)
						}
					}
				}
			}
			// Keys that are not of the curve.
			other := virtiocrypto.AKCipherParams{Algo: 2, KeyType: virtiocrypto.KeyPrivate, Curve: number%4 + 2, Key: full}
			for _, der := range [][]byte{full, append(bytes.Clone(full), 0), full[:len(full)-1], nil} {
				if other.Key = der; len(der) != len(full) {
					other.Curve = number
				}
				if id, err := m.control.Create(other); err == nil {
					m.Errorf("%s: a key of another curve, or of no form, is session %#x", curve.Params().Name, id)
				}
			}
		}
	})
}

// TestLongWork: a symmetric request does not wait for signatures that were
// sent before it on the same queue, and all are answered.
func TestLongWork(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	onEachLink(t, options{}, func(m *machine) {
		sign, err := m.control.Create(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: virtiocrypto.KeyPrivate, Padding: 1, Hash: 6, Key: x509.MarshalPKCS1PrivateKey(k)})
		if err != nil {
			m.Fatal(err)
		}
		hash, err := m.control.Create(virtiocrypto.HashParams{Algo: virtiocrypto.HashSHA256, Result: 32})
		if err != nil {
			m.Fatal(err)
		}
		const signatures = 40
		request := func(i int) *cryptodrv.Plain {
			w := cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Session: sign, Src: make([]byte, 32), Dst: 512}
			if i == signatures {
				w = cryptodrv.Work{Opcode: cryptodrv.OpHash, Session: hash, Src: make([]byte, 32), Result: 32}
			}
			readable, room, _ := m.o.form.Data(w)
			// Scattered, so that the hash needs scratch memory.
			p, err := cryptodrv.NewPlain(m.mem, readable, room, []int{75, 90}, nil, 1)
			if err != nil {
				m.Fatal(err)
			}
			return p
		}
		all := make([]*cryptodrv.Plain, signatures+1)
		for i := range all {
			all[i] = request(i)
			if err := all[i].Add(m.data.Queue, uint64(i)); err != nil {
				m.Fatal(err)
			}
		}
		m.data.Show()
		used := make([]virtqdrv.Used, 64)
		var order []uint64
		for len(order) < len(all) {
			n, err := m.data.Await(used)
			if err != nil {
				m.Fatal(err)
			}
			for _, u := range used[:n] {
				order = append(order, u.Cookie)
			}
		}
		for i, c := range order {
			if c == signatures && i > signatures/2 {
				m.Errorf("the hash is answer %d of %d", i, len(order))
			}
		}
		for i, p := range all {
			if p.Status() != ok {
				m.Errorf("request %d: %s", i, p.Status())
			}
		}
		// Destroying a session waits for its requests.
		for i := range 8 {
			if err := all[i].Add(m.data.Queue, uint64(i)); err != nil {
				m.Fatal(err)
			}
		}
		m.data.Show()
		if err := m.control.Destroy(sign); err != nil {
			m.Fatal(err)
		}
		for got := 0; got < 8; {
			n, err := m.data.Await(used)
			if err != nil {
				m.Fatal(err)
			}
			got += n
		}
		for i := range 8 {
			if s := all[i].Status(); s != ok && s != virtiocrypto.StatusInvSess {
				m.Errorf("request %d: %s", i, s)
			}
		}
	})
}

// TestVerificationWritesNothing: a verification has no destination, and one
// that is refused none yet: what the device clears when it is done with a
// public-key request must not be what an earlier request was given.
func TestVerificationWritesNothing(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	onEachForm(t, options{polling: virtio.Polling{Spin: time.Millisecond}}, func(m *machine) {
		verify, err := m.control.Create(virtiocrypto.AKCipherParams{Algo: 2, KeyType: virtiocrypto.KeyPublic, Curve: 3, Key: point})
		if err != nil {
			m.Fatal(err)
		}
		params := virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCTR, Direction: virtiocrypto.DirectionEncrypt, Key: key128}
		encrypt, err := m.control.Create(params)
		if err != nil {
			m.Fatal(err)
		}
		heap := *m.mem
		src := bytes.Repeat([]byte{7}, 512)
		for range 6 {
			mem := heap
			var all []*cryptodrv.Plain
			var want [][]byte
			for i := range 300 {
				w := cryptodrv.Work{Opcode: cryptodrv.OpCipherEncrypt, Session: encrypt, IV: make([]byte, 16), Src: src, Dst: len(src)}
				switch i % 4 {
				case 1:
					w = cryptodrv.Work{Opcode: cryptodrv.OpAKVerify, Session: verify, Src: key128, Signed: key128}
				case 2:
					w = cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Session: verify, Src: key128, Dst: 100} // not with a public key
				case 3:
					w = cryptodrv.Work{Opcode: cryptodrv.OpHash, Session: verify, Src: key128, Result: 32} // of another service
				}
				readable, room, _ := m.o.form.Data(w)
				all = append(all, m.fill(&mem, readable, room))
				expected := bytes.Repeat([]byte{0x5c}, room)
				if i%4 == 0 {
					expected = reference(m, engine.Params{Algorithm: engine.AESCTR, Key: key128}, w.IV, src)
				}
				want = append(want, expected)
			}
			m.batchPlain(m.data, len(all), func(i int) *cryptodrv.Plain { return all[i] })
			for i, p := range all {
				if got := p.Result(); !bytes.Equal(got, want[i]) {
					m.Fatalf("request %d, %s: its destination holds %x", i, p.Status(), got)
				}
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"fmt"
	"testing"

	"vcrypto/engine/gocrypto"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// Sessions that the tests of refused requests use, in the order of samples.
func sampleParams() []virtiocrypto.SessionParams {
	cbc := virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: virtiocrypto.DirectionEncrypt, Key: key128}
	gcm := virtiocrypto.AEADParams{Algo: virtiocrypto.AEADGCM, Direction: virtiocrypto.DirectionEncrypt, Tag: 16, Key: key128}
	open := gcm
	open.Direction = virtiocrypto.DirectionDecrypt
	mac := virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA256, Result: 32, Key: key128}
	return []virtiocrypto.SessionParams{
		cbc,
		virtiocrypto.HashParams{Algo: virtiocrypto.HashSHA256, Result: 32},
		virtiocrypto.HashParams{Algo: virtiocrypto.HashSHAKE256, Result: 100},
		mac,
		gcm,
		open,
		virtiocrypto.ChainParams{Order: virtiocrypto.ChainCipherThenHash, HashMode: virtiocrypto.HashModeAuth, Cipher: cbc, MAC: mac},
		virtiocrypto.ChainParams{Order: virtiocrypto.ChainHashThenCipher, HashMode: virtiocrypto.HashModePlain, Cipher: cbc, Hash: virtiocrypto.HashParams{Algo: virtiocrypto.HashSHA1, Result: 20}},
	}
}

const (
	sampleCipher = iota
	sampleHash
	sampleSHAKE
	sampleMAC
	sampleSeal
	sampleOpen
	sampleChain
	sampleHashFirst
)

// samples are honest requests for them, of 64 bytes.
func samples() []cryptodrv.Work {
	iv, src, aad := make([]byte, 16), bytes.Repeat([]byte{7}, 64), []byte("additional data")
	chain := cryptodrv.Work{Opcode: cryptodrv.OpCipherEncrypt, Chain: true, IV: iv, Src: src, AAD: aad, Dst: 64, Result: 32,
		CipherStart: 8, CipherLen: 48, HashStart: 4, HashLen: 60}
	first := chain
	first.Result = 20
	return []cryptodrv.Work{
		{Opcode: cryptodrv.OpCipherEncrypt, IV: iv, Src: src, Dst: 64},
		{Opcode: cryptodrv.OpHash, Src: src, Result: 32},
		{Opcode: cryptodrv.OpHash, Src: src, Result: 100},
		{Opcode: cryptodrv.OpMAC, Src: src, Result: 32},
		{Opcode: cryptodrv.OpAEADEncrypt, IV: iv[:12], AAD: aad, Src: src, Dst: 80, Tag: 16},
		{Opcode: cryptodrv.OpAEADDecrypt, IV: iv[:12], AAD: aad, Src: src, Dst: 48, Tag: 16},
		chain,
		first,
	}
}

// Fields of a fixed part, as indices of le32, in the forms with sessions.
const (
	hashSrc, hashResult                               = 0, 1
	aeadIV, aeadAAD, aeadSrc, aeadDst, aeadTag        = 0, 1, 2, 3, 4
	chainIV, chainSrc, chainDst                       = 0, 1, 2
	chainCipherStart, chainCipherLen                  = 3, 4
	chainHashStart, chainHashLen                      = 5, 6
	chainAAD, chainResult                             = 7, 8
	symType                                           = 10
	fixedPart                                         = 24 // offset, bytes
	allOnes                                    uint32 = 1<<32 - 1
)

type change struct {
	field int
	value uint32
}

// TestServiceRequestRefused: what the fixed part of a request lies about is
// found out. The destination stays as it was, and the next request is served.
func TestServiceRequestRefused(t *testing.T) {
	const maxSize = 8 << 10
	bad, notSupp, noSess := virtiocrypto.StatusErr, virtiocrypto.StatusNotSupp, virtiocrypto.StatusInvSess
	for _, f := range forms[:2] {
		t.Run(f.name, func(t *testing.T) {
			e := newStrictEngine(gocrypto.New())
			onEachLink(t, options{form: f.form, engine: e, device: virtiocrypto.Options{MaxSize: maxSize}}, func(m *machine) {
				var ids []uint64
				for _, p := range sampleParams() {
					id, err := m.control.Create(p)
					if err != nil {
						m.Fatal(err)
					}
					ids = append(ids, id)
				}
				for _, tt := range []struct {
					name    string
					sample  int
					opcode  int // -1 for the honest one
					changes []change
					want    virtiocrypto.Status
				}{
					{"hash: source longer than sent", sampleHash, -1, []change{{hashSrc, 65}}, bad},
					{"hash: source of all ones", sampleHash, -1, []change{{hashSrc, allOnes}}, bad},
					{"hash: source longer than max_size", sampleHash, -1, []change{{hashSrc, maxSize + 1}}, bad},
					{"hash: no result", sampleHash, -1, []change{{hashResult, 0}}, bad},
					{"hash: short result", sampleHash, -1, []change{{hashResult, 31}}, bad},
					{"hash: long result", sampleHash, -1, []change{{hashResult, 33}}, bad},
					{"hash: result of all ones", sampleHash, -1, []change{{hashResult, allOnes}}, bad},
					{"SHAKE: not the session's length", sampleSHAKE, -1, []change{{hashResult, 99}}, bad},
					{"SHAKE: result of all ones", sampleSHAKE, -1, []change{{hashResult, allOnes}}, bad},
					{"hash: the sum overflows", sampleHash, -1, []change{{hashSrc, allOnes - 31}, {hashResult, 32}}, bad},
					{"MAC: source longer than sent", sampleMAC, -1, []change{{hashSrc, 65}}, bad},
					{"MAC: source of all ones", sampleMAC, -1, []change{{hashSrc, allOnes}}, bad},
					{"MAC: no result", sampleMAC, -1, []change{{hashResult, 0}}, bad},
					{"MAC: long result", sampleMAC, -1, []change{{hashResult, 33}}, bad},

					{"AEAD: no nonce", sampleSeal, -1, []change{{aeadIV, 0}}, bad},
					{"AEAD: nonce of 11 bytes", sampleSeal, -1, []change{{aeadIV, 11}}, bad},
					{"AEAD: nonce of 13 bytes", sampleSeal, -1, []change{{aeadIV, 13}}, bad},
					{"AEAD: J0, but less sent", sampleSeal, -1, []change{{aeadIV, 16}}, bad},
					{"AEAD: J0 of a longer nonce", sampleSeal, -1, []change{{aeadIV, 16}, {aeadSrc, 60}, {aeadDst, 80}}, notSupp},
					{"AEAD: nonce of all ones", sampleSeal, -1, []change{{aeadIV, allOnes}}, bad},
					{"AEAD: AAD longer than sent", sampleSeal, -1, []change{{aeadAAD, 16}}, bad},
					{"AEAD: AAD of all ones", sampleSeal, -1, []change{{aeadAAD, allOnes}}, bad},
					{"AEAD: AAD of half", sampleSeal, -1, []change{{aeadAAD, 1 << 31}}, bad},
					{"AEAD: source longer than sent", sampleSeal, -1, []change{{aeadSrc, 80}, {aeadDst, 80}}, bad},
					{"AEAD: source of all ones", sampleSeal, -1, []change{{aeadSrc, allOnes}, {aeadDst, allOnes}}, bad},
					{"AEAD: the sum overflows", sampleSeal, -1, []change{{aeadAAD, allOnes - 63}, {aeadSrc, 64}}, bad},
					{"AEAD: no room for the tag", sampleSeal, -1, []change{{aeadDst, 64}}, bad},
					{"AEAD: room for less than the tag", sampleSeal, -1, []change{{aeadDst, 79}}, bad},
					{"AEAD: destination longer than sent", sampleSeal, -1, []change{{aeadDst, 81}}, bad},
					{"AEAD: destination of all ones", sampleSeal, -1, []change{{aeadDst, allOnes}}, bad},
					{"AEAD: tag too short", sampleSeal, -1, []change{{aeadTag, 15}}, bad},
					{"AEAD: tag too long", sampleSeal, -1, []change{{aeadTag, 17}}, bad},
					{"AEAD: tag of all ones", sampleSeal, -1, []change{{aeadTag, allOnes}}, bad},
					{"AEAD: source shorter than its tag", sampleOpen, -1, []change{{aeadSrc, 15}, {aeadDst, 0}}, bad},
					{"AEAD: no source to decrypt", sampleOpen, -1, []change{{aeadSrc, 0}, {aeadDst, 0}}, bad},
					{"AEAD: destination too short", sampleOpen, -1, []change{{aeadDst, 47}}, bad},
					{"AEAD: tag that does not verify", sampleOpen, -1, nil, virtiocrypto.StatusBadMsg},
					{"AEAD: decryption in a session for encryption", sampleSeal, int(cryptodrv.OpAEADDecrypt), nil, bad},
					{"AEAD: encryption in a session for decryption", sampleOpen, int(cryptodrv.OpAEADEncrypt), nil, bad},

					{"chain: source and destination differ", sampleChain, -1, []change{{chainDst, 63}}, bad},
					{"chain: source longer than sent", sampleChain, -1, []change{{chainSrc, 96}, {chainDst, 96}}, bad},
					{"chain: all ones", sampleChain, -1, []change{{chainSrc, allOnes}, {chainDst, allOnes}}, bad},
					{"chain: cipher outside", sampleChain, -1, []change{{chainCipherStart, 17}}, bad},
					{"chain: cipher longer than the source", sampleChain, -1, []change{{chainCipherLen, 64}}, bad},
					{"chain: cipher wraps around", sampleChain, -1, []change{{chainCipherStart, allOnes - 15}, {chainCipherLen, 32}}, bad},
					{"chain: cipher wraps to 0", sampleChain, -1, []change{{chainCipherStart, 1 << 31}, {chainCipherLen, 1 << 31}}, bad},
					{"chain: cipher not whole blocks", sampleChain, -1, []change{{chainCipherLen, 47}}, bad},
					{"chain: hash outside", sampleChain, -1, []change{{chainHashStart, 5}}, bad},
					{"chain: hash longer than the source", sampleChain, -1, []change{{chainHashLen, 61}}, bad},
					{"chain: hash wraps around", sampleChain, -1, []change{{chainHashStart, allOnes}, {chainHashLen, 1}}, bad},
					{"chain: hash of all ones", sampleChain, -1, []change{{chainHashLen, allOnes}}, bad},
					{"chain: AAD longer than sent", sampleChain, -1, []change{{chainAAD, 16}}, bad},
					{"chain: AAD of all ones", sampleChain, -1, []change{{chainAAD, allOnes}}, bad},
					{"chain: no result", sampleChain, -1, []change{{chainResult, 0}}, bad},
					{"chain: long result", sampleChain, -1, []change{{chainResult, 33}}, bad},
					{"chain: result of all ones", sampleChain, -1, []change{{chainResult, allOnes}}, bad},
					{"chain: no IV", sampleChain, -1, []change{{chainIV, 0}}, bad},
					{"chain: IV of all ones", sampleChain, -1, []change{{chainIV, allOnes}}, bad},
					{"chain: hash first, cipher outside", sampleHashFirst, -1, []change{{chainCipherStart, 20}}, bad},
					{"chain: decryption in a session for encryption", sampleChain, int(cryptodrv.OpCipherDecrypt), nil, bad},
					{"chain: a plain cipher's request", sampleChain, -1, []change{{symType, virtiocrypto.SymOpCipher}}, noSess},
					{"chain: op_type none", sampleChain, -1, []change{{symType, virtiocrypto.SymOpNone}}, notSupp},
					{"chain: op_type all ones", sampleChain, -1, []change{{symType, allOnes}}, notSupp},
					{"cipher: a chain's request", sampleCipher, -1, []change{{symType, virtiocrypto.SymOpChain}}, noSess},

					{"a hash in a MAC's session", sampleMAC, int(cryptodrv.OpHash), nil, noSess},
					{"a MAC in a hash's session", sampleHash, int(cryptodrv.OpMAC), nil, noSess},
					{"an AEAD in a cipher's session", sampleCipher, int(cryptodrv.OpAEADEncrypt), nil, noSess},
					{"a cipher in an AEAD's session", sampleSeal, int(cryptodrv.OpCipherEncrypt), []change{{symType, virtiocrypto.SymOpCipher}}, noSess},
					{"a signature in a hash's session", sampleHash, int(cryptodrv.OpAKSign), nil, noSess},
					{"hash opcode 1", sampleHash, 0x101, nil, notSupp},
					{"AEAD opcode 2", sampleSeal, 0x302, nil, notSupp},
					{"a control opcode", sampleHash, int(cryptodrv.OpHashCreate), nil, notSupp},
					{"IPSEC", sampleHash, 0x500, nil, notSupp},
				} {
					w := samples()[tt.sample]
					w.Session = ids[tt.sample]
					mem := *m.mem
					readable, room, _ := m.o.form.Data(w)
					// There is always enough for the fixed part of another
					// opcode.
					readable = append(readable, make([]byte, 0)...)
					if tt.opcode >= 0 {
						le.PutUint32(readable, uint32(tt.opcode))
						if m.o.form.Revision1 {
							readable = append(readable, make([]byte, 64)...)
						}
					}
					if m.o.form.Revision1 && tt.opcode >= 0 && tt.changes != nil {
						continue // the field is elsewhere
					}
					for _, c := range tt.changes {
						le.PutUint32(readable[fixedPart+4*c.field:], c.value)
					}
					p := m.fill(&mem, readable, room)
					status, written, err := m.data.DoPlain(p)
					if err != nil {
						m.Fatal(err)
					}
					if status != tt.want || written != uint32(room+1) {
						m.Errorf("%s: %s, %d bytes written; want %s, %d", tt.name, status, written, tt.want, room+1)
					}
					if status != virtiocrypto.StatusBadMsg && !bytes.Equal(p.Result(), bytes.Repeat([]byte{0x5c}, room)) {
						m.Errorf("%s: the destination was written to", tt.name)
					}
				}
				// All is well with the honest ones.
				for i, w := range samples() {
					w.Session = ids[i]
					mem := *m.mem
					readable, room, _ := m.o.form.Data(w)
					want := virtiocrypto.StatusOK
					if i == sampleOpen {
						want = virtiocrypto.StatusBadMsg
					}
					if status, _, err := m.data.DoPlain(m.fill(&mem, readable, room)); err != nil || status != want {
						m.Errorf("honest request %d: %v, %v", i, status, err)
					}
				}
				e.check(m)
			})
		})
	}
}

// fill lays out a request whose destination holds 0x5c.
func (m *machine) fill(mem *virtqdrv.Memory, readable []byte, room int) *cryptodrv.Plain {
	m.Helper()
	p, err := cryptodrv.NewPlain(mem, readable, room, nil, nil, 0)
	if err != nil {
		m.Fatal(err)
	}
	for _, b := range p.Writable {
		copy(mem.Bytes(b), bytes.Repeat([]byte{0x5c}, int(b.Len)))
	}
	return p
}

// TestEveryField puts odd values into each word of each request, in each form,
// with sessions and stateless: it is answered and nothing else is written to.
func TestEveryField(t *testing.T) {
	onEachForm(t, options{device: virtiocrypto.Options{MaxSize: 8 << 10}}, func(m *machine) {
		odd := []uint32{0, 1, 2, 3, 12, 15, 16, 17, 63, 64, 65, 80, 255, 512, 513, 8 << 10, 8<<10 + 1, 1<<31 - 1, 1 << 31, allOnes - 63, allOnes - 15, allOnes}
		heap := *m.mem
		for i, params := range sampleParams() {
			id, err := m.control.Create(params)
			if err != nil {
				m.Fatal(err)
			}
			works := []cryptodrv.Work{samples()[i]}
			works[0].Session = id
			if m.o.form.Stateless {
				w := samples()[i]
				w.Params = params
				works = append(works, w)
			}
			for _, w := range works {
				honest, room, _ := m.o.form.Data(w)
				for at := 16; at < min(len(honest), fixedPart+76); at += 4 {
					for _, v := range odd {
						mem := heap
						readable := bytes.Clone(honest)
						if at+4 > len(readable) {
							continue
						}
						le.PutUint32(readable[at:], v)
						p := m.fill(&mem, readable, room)
						status, written, err := m.data.DoPlain(p)
						if err != nil {
							m.Fatal(err)
						}
						if status > virtiocrypto.StatusKeyRejected || written != uint32(room+1) {
							m.Errorf("%T, word at %d is %#x: %s, %d bytes written", params, at, v, status, written)
						}
					}
				}
			}
		}
		m.worksAs()
	})
}

// worksAs checks that the device still serves an honest request.
func (m *machine) worksAs() {
	m.Helper()
	r := newRand(5)
	for _, p := range sampleParams()[:4] {
		m.try(someTask(m, r, p, 4096), fmt.Sprintf("%T", p))
	}
}

// TestServiceTooShort sends each beginning of each request.
func TestServiceTooShort(t *testing.T) {
	onEachForm(t, options{}, func(m *machine) {
		heap := *m.mem
		for i, params := range sampleParams() {
			id, err := m.control.Create(params)
			if err != nil {
				m.Fatal(err)
			}
			w := samples()[i]
			w.Session = id
			works := []cryptodrv.Work{w}
			if m.o.form.Stateless {
				w.Session, w.Params = 0, params
				works = append(works, w)
			}
			for _, w := range works {
				honest, room, _ := m.o.form.Data(w)
				for n := 1; n < len(honest); n++ {
					mem := heap
					p := m.fill(&mem, honest[:n], room)
					if status, _, err := m.data.DoPlain(p); err != nil || status != virtiocrypto.StatusErr {
						m.Errorf("%T: %d of %d bytes: %v, %v", params, n, len(honest), status, err)
					}
					if !bytes.Equal(p.Result(), bytes.Repeat([]byte{0x5c}, room)) {
						m.Errorf("%T: %d of %d bytes: the destination was written to", params, n, len(honest))
					}
				}
				for n := range room {
					mem := heap
					p := m.fill(&mem, honest, n)
					if status, _, err := m.data.DoPlain(p); err != nil || status != virtiocrypto.StatusErr {
						m.Errorf("%T: room for %d of %d bytes: %v, %v", params, n, room, status, err)
					}
				}
			}
		}
	})
}

// TestServiceSessionRefused: parameters that do not hold together. None leaves
// a session behind.
func TestServiceSessionRefused(t *testing.T) {
	cbc := virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: 1, Key: key128}
	mac := virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA256, Result: 32, Key: key128}
	gcm := virtiocrypto.AEADParams{Algo: virtiocrypto.AEADGCM, Direction: 1, Tag: 16, Key: key128}
	chain := virtiocrypto.ChainParams{Order: 1, HashMode: 2, Cipher: cbc, MAC: mac}
	bad, notSupp := virtiocrypto.StatusErr, virtiocrypto.StatusNotSupp
	const limit = 3
	e := newStrictEngine(gocrypto.New())
	onEachForm(t, options{engine: e, device: virtiocrypto.Options{MaxSessions: limit}}, func(m *machine) {
		type hash = virtiocrypto.HashParams
		with := func(p virtiocrypto.SessionParams) []byte { return m.o.form.Control(p) }
		mod := func(p virtiocrypto.SessionParams, field int, v uint32) []byte { return changed(with(p), 16+4*field, v) }
		aead := func(f func(*virtiocrypto.AEADParams)) []byte { p := gcm; f(&p); return with(p) }
		chained := func(f func(*virtiocrypto.ChainParams)) []byte { p := chain; f(&p); return with(p) }
		ak := func(p virtiocrypto.AKCipherParams) []byte { return with(p) }
		for _, tt := range []struct {
			name    string
			request []byte
			want    virtiocrypto.Status
		}{
			{"no hash", with(hash{Algo: 0, Result: 32}), notSupp},
			{"MD5", with(hash{Algo: 1, Result: 16}), notSupp},
			{"hash 13", with(hash{Algo: 13, Result: 16}), notSupp},
			{"hash all ones", with(hash{Algo: 1<<32 - 1, Result: 16}), notSupp},
			{"short hash", with(hash{Algo: virtiocrypto.HashSHA256, Result: 31}), bad},
			{"long hash", with(hash{Algo: virtiocrypto.HashSHA256, Result: 33}), bad},
			{"empty hash", with(hash{Algo: virtiocrypto.HashSHA256}), bad},
			{"empty SHAKE", with(hash{Algo: virtiocrypto.HashSHAKE128}), bad},
			{"SHAKE longer than max_size", with(hash{Algo: virtiocrypto.HashSHAKE128, Result: 1<<20 + 1}), bad},
			{"HMAC-MD5", with(virtiocrypto.MACParams{Algo: 1, Result: 16}), notSupp},
			{"CMAC, which this engine has not", with(virtiocrypto.MACParams{Algo: 26, Result: 16, Key: key128}), notSupp},
			{"GMAC", with(virtiocrypto.MACParams{Algo: 41, Result: 16, Key: key128}), notSupp},
			{"MAC all ones", with(virtiocrypto.MACParams{Algo: 1<<32 - 1, Result: 16, Key: key128}), notSupp},
			{"no MAC", with(virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA1, Result: 0, Key: key128}), bad},
			{"long MAC", with(virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA1, Result: 21, Key: key128}), bad},
			{"MAC key of 513 bytes", with(virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA1, Result: 20, Key: make([]byte, 513)}), bad},
			{"MAC key longer than sent", mod(mac, 2, 17), bad},
			{"MAC key of all ones", mod(mac, 2, allOnes), bad},
			{"no AEAD", aead(func(p *virtiocrypto.AEADParams) { p.Algo = 0 }), notSupp},
			{"CCM, which this engine has not", aead(func(p *virtiocrypto.AEADParams) { p.Algo = virtiocrypto.AEADCCM }), notSupp},
			{"AEAD without direction", aead(func(p *virtiocrypto.AEADParams) { p.Direction = 0 }), bad},
			{"AEAD direction 3", aead(func(p *virtiocrypto.AEADParams) { p.Direction = 3 }), bad},
			{"AEAD without tag", aead(func(p *virtiocrypto.AEADParams) { p.Tag = 0 }), bad},
			{"AEAD with a tag of 17 bytes", aead(func(p *virtiocrypto.AEADParams) { p.Tag = 17 }), bad},
			{"AEAD with a tag of 11 bytes", aead(func(p *virtiocrypto.AEADParams) { p.Tag = 11 }), notSupp},
			{"AEAD with a tag of all ones", aead(func(p *virtiocrypto.AEADParams) { p.Tag = allOnes }), bad},
			{"AEAD key of 15 bytes", aead(func(p *virtiocrypto.AEADParams) { p.Key = p.Key[:15] }), bad},
			{"AEAD key of 65 bytes", aead(func(p *virtiocrypto.AEADParams) { p.Key = make([]byte, 65) }), bad},
			{"AEAD key longer than sent", mod(gcm, 1, 32), bad},
			{"chain order 0", chained(func(p *virtiocrypto.ChainParams) { p.Order = 0 }), bad},
			{"chain order 3", chained(func(p *virtiocrypto.ChainParams) { p.Order = 3 }), bad},
			{"hash mode 0", mod(chain, 1, 0), bad},
			{"nested hash", mod(chain, 1, 3), notSupp},
			{"hash mode 4", mod(chain, 1, 4), bad},
			{"chain with a cipher that is not", chained(func(p *virtiocrypto.ChainParams) { p.Cipher.Algo = 1 }), notSupp},
			{"chain with a MAC that is not", chained(func(p *virtiocrypto.ChainParams) { p.MAC.Algo = 1 }), notSupp},
			{"chain with a bad key", chained(func(p *virtiocrypto.ChainParams) { p.Cipher.Key = p.Cipher.Key[:15] }), bad},
			{"chain with half of its keys", mod(chain, 3, 32), bad},
			{"chain with a MAC's key that is not there", mod(chain, 8, 17), bad},
			{"chain with a MAC's key of all ones", mod(chain, 8, allOnes), bad},
			{"no public-key algorithm", ak(virtiocrypto.AKCipherParams{Algo: 0, KeyType: 1}), notSupp},
			{"public-key algorithm 4", ak(virtiocrypto.AKCipherParams{Algo: 4, KeyType: 1}), notSupp},
			{"key type 0", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, Padding: 1}), bad},
			{"key type 3", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, Padding: 1, KeyType: 3}), bad},
			{"raw RSA, which this engine has not", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 1}), notSupp},
			{"RSA padding 2", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 1, Padding: 2}), notSupp},
			{"RSA with MD5", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 1, Padding: 1, Hash: 4}), notSupp},
			{"RSA with hash 10", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 1, Padding: 1, Hash: 10}), notSupp},
			{"RSA without a key", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 2, Padding: 1}), bad},
			{"RSA with nonsense for a key", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 2, Padding: 1, Key: make([]byte, 500)}), bad},
			{"RSA key of 8193 bytes", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 2, Padding: 1, Key: make([]byte, 8193)}), bad},
			{"RSA key of all ones", mod(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 2, Padding: 1}, 2, allOnes), bad},
			{"no curve", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSA, KeyType: 1}), notSupp},
			{"P-192", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSA, KeyType: 1, Curve: 1}), notSupp},
			{"curve 6", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSA, KeyType: 1, Curve: 6}), notSupp},
			{"ECDSA with nonsense for a key", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSA, KeyType: 2, Curve: 3, Key: make([]byte, 32)}), bad},
			{"ECDSA with no point", ak(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSA, KeyType: 1, Curve: 3, Key: make([]byte, 65)}), bad},
			{"IPSEC", changed(with(mac), 0, 0x502), notSupp},
			{"AKCIPHER create of the other services", changed(with(mac), 0, 0x402), notSupp},
		} {
			answer, err := m.control.Exchange(tt.request, cryptodrv.InputSize)
			if err != nil {
				m.Fatal(err)
			}
			if id, status := cryptodrv.Input(answer); status != tt.want || id != 0 {
				m.Errorf("%s: session %#x, %s; want %s", tt.name, id, status, tt.want)
			}
		}
		// Each beginning of each request.
		for _, p := range sampleParams() {
			honest := with(p)
			for n := 1; n < len(honest); n++ {
				answer, err := m.control.Exchange(honest[:n], cryptodrv.InputSize)
				if err != nil {
					m.Fatal(err)
				}
				if id, status := cryptodrv.Input(answer); status != bad && status != notSupp || id != 0 {
					m.Errorf("%T: %d of %d bytes: session %#x, %s", p, n, len(honest), id, status)
				}
			}
		}
		if n := m.dev.Counters().Sessions.Load(); n != 0 {
			m.Errorf("%d sessions were opened", n)
		}
		if n := e.open.Load(); n != 0 {
			m.Errorf("%d sessions of the engine are open", n)
		}
		m.fillSessions(limit) // NOSPC with revision 1, ERR without
	})
}

// TestServiceOverlap shifts destinations over source and additional data: the
// engine gets what it may have, and the result is what it is without overlap.
func TestServiceOverlap(t *testing.T) {
	e := newStrictEngine(gocrypto.New())
	m := newMachine(t, options{engine: e}, newLocal)
	r := newRand(21)
	arena, err := m.mem.Alloc(4096, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{sampleHash, sampleMAC, sampleSeal, sampleChain, sampleHashFirst} {
		params := sampleParams()[i]
		id, err := m.control.Create(params)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			k := someTask(t, r, params, 512)
			k.work.Session = id
			readable, room, _ := m.o.form.Data(k.work)
			if len(readable) > 1500 || room == 0 {
				continue
			}
			for shift := -room; shift <= len(readable); shift += 1 + r.IntN(9) {
				mem := *m.mem
				p := m.fill(&mem, readable, room)
				buf := func(off, n int) virtqdrv.Buf {
					return virtqdrv.Buf{Addr: arena.Addr + uint64(off), Len: uint32(n)}
				}
				// The header stays out of it: it is copied before anything is
				// written, and the source is not.
				hdr := cryptodrv.HeaderSize
				copy(m.mem.Bytes(buf(1500, len(readable)-hdr)), readable[hdr:])
				status := p.Writable[len(p.Writable)-1]
				status = virtqdrv.Buf{Addr: status.Addr + uint64(status.Len) - 1, Len: 1}
				p.Readable = append(cryptodrv.Part(p.Readable, 0, hdr), buf(1500, len(readable)-hdr))
				p.Writable = []virtqdrv.Buf{buf(1500+shift, room), status}
				got, _, err := m.data.DoPlain(p)
				if err != nil || got != virtiocrypto.StatusOK || !bytes.Equal(p.Result(), k.want) {
					t.Fatalf("%T, destination %d bytes after the payload: %s, %v, result wrong", params, shift, got, err)
				}
			}
		}
	}
	e.check(m)
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"testing"

	"vcrypto/engine"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// TestRequestRefused: requests that do not hold together. Each is answered,
// its destination stays as it was, and the next request is served. Several
// are other devices' bugs by name.
func TestRequestRefused(t *testing.T) {
	const maxSize = 8 << 10
	onEachLink(t, options{device: virtiocrypto.Options{MaxSize: maxSize}}, func(m *machine) {
		cbc := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		cbcDecrypt := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionDecrypt, key128)
		ecb := m.session(virtiocrypto.CipherAESECB, virtiocrypto.DirectionEncrypt, key128)
		ctr := m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionEncrypt, key128)

		const all = 1<<32 - 1
		type header = cryptodrv.Header
		for _, tt := range []struct {
			name    string
			session uint64
			iv      int
			size    int
			change  func(*header)
			want    virtiocrypto.Status
		}{
			{"CVE-2017-5931: IV and source lengths whose sum overflows", cbc, 16, 64, func(h *header) { h.IVLen, h.SrcLen, h.DstLen = all, all, all }, virtiocrypto.StatusErr},
			{"CVE-2017-5931: the sum is 0 in 32 bits", cbc, 16, 64, func(h *header) { h.IVLen, h.SrcLen, h.DstLen = 1<<31, 1<<31, 1<<31 }, virtiocrypto.StatusErr},
			{"CVE-2017-5931: the sum is the honest one in 32 bits", cbc, 16, 64, func(h *header) { h.IVLen, h.SrcLen, h.DstLen = all-15, 96, 96 }, virtiocrypto.StatusErr},
			{"CVE-2017-5931: ECB with an IV of almost 4 GiB", ecb, 0, 64, func(h *header) { h.IVLen = all }, virtiocrypto.StatusErr},
			{"CVE-2017-5931: destination length overflows", cbc, 16, 64, func(h *header) { h.DstLen = all }, virtiocrypto.StatusErr},
			{"CVE-2023-3180: source longer than destination", cbc, 16, 64, func(h *header) { h.DstLen = 48 }, virtiocrypto.StatusErr},
			{"CVE-2023-3180: destination longer than source", cbc, 16, 64, func(h *header) { h.SrcLen = 48 }, virtiocrypto.StatusErr},
			{"CVE-2023-3180: no destination", cbc, 16, 64, func(h *header) { h.DstLen = 0 }, virtiocrypto.StatusErr},
			{"CVE-2023-3180: no source", cbc, 16, 64, func(h *header) { h.SrcLen = 0 }, virtiocrypto.StatusErr},
			{"CVE-2023-3180: stream cipher", ctr, 16, 64, func(h *header) { h.DstLen = 63 }, virtiocrypto.StatusErr},
			{"CVE-2025-14876: longer than max_size, and there", cbc, 16, maxSize + 16, func(*header) {}, virtiocrypto.StatusErr},
			{"CVE-2025-14876: longer than max_size, stream cipher", ctr, 16, maxSize + 1, func(*header) {}, virtiocrypto.StatusErr},
			{"CVE-2025-14876: longer than max_size, and not there", cbc, 16, 64, func(h *header) { h.SrcLen, h.DstLen = all&^15, all&^15 }, virtiocrypto.StatusErr},
			{"source and destination longer than their buffers", cbc, 16, 64, func(h *header) { h.SrcLen, h.DstLen = 80, 80 }, virtiocrypto.StatusErr},
			{"not whole blocks", cbc, 16, 64, func(h *header) { h.SrcLen, h.DstLen = 63, 63 }, virtiocrypto.StatusErr},
			{"not whole blocks in ECB", ecb, 0, 64, func(h *header) { h.SrcLen, h.DstLen = 1, 1 }, virtiocrypto.StatusErr},
			{"no IV", cbc, 16, 64, func(h *header) { h.IVLen = 0 }, virtiocrypto.StatusErr},
			{"IV too short", cbc, 16, 64, func(h *header) { h.IVLen = 15 }, virtiocrypto.StatusErr},
			{"IV too long", cbc, 32, 64, func(*header) {}, virtiocrypto.StatusErr},
			{"no IV, stream cipher", ctr, 0, 64, func(*header) {}, virtiocrypto.StatusErr},
			{"decryption in a session for encryption", cbc, 16, 64, func(h *header) { h.Opcode = cryptodrv.OpCipherDecrypt }, virtiocrypto.StatusErr},
			{"encryption in a session for decryption", cbcDecrypt, 16, 64, func(*header) {}, virtiocrypto.StatusErr},
			{"op_type none", cbc, 16, 64, func(h *header) { h.OpType = virtiocrypto.SymOpNone }, virtiocrypto.StatusNotSupp},
			{"op_type chain", cbc, 16, 64, func(h *header) { h.OpType = virtiocrypto.SymOpChain }, virtiocrypto.StatusInvSess},
			{"op_type all ones", cbc, 16, 64, func(h *header) { h.OpType = all }, virtiocrypto.StatusNotSupp},
			{"hash", cbc, 16, 64, func(h *header) { h.Opcode = 0x100 }, virtiocrypto.StatusInvSess},
			{"AEAD", cbc, 16, 64, func(h *header) { h.Opcode = 0x300 }, virtiocrypto.StatusInvSess},
			{"a control opcode", cbc, 16, 64, func(h *header) { h.Opcode = cryptodrv.OpCipherCreate }, virtiocrypto.StatusNotSupp},
			{"opcode all ones", cbc, 16, 64, func(h *header) { h.Opcode = all }, virtiocrypto.StatusNotSupp},
			{"unknown session", cbc, 16, 64, func(h *header) { h.SessionID = 1<<64 - 1 }, virtiocrypto.StatusInvSess},
			{"session 0", cbc, 16, 64, func(h *header) { h.SessionID = 0 }, virtiocrypto.StatusInvSess},
		} {
			before := m.dev.Counters().Errors.Load()
			mem := *m.mem
			r := newRequest(m, &mem, cryptodrv.Shape{IV: tt.iv, Size: tt.size})
			untouched := bytes.Repeat([]byte{0x5c}, tt.size)
			copy(mem.Bytes(r.Writable[0]), untouched)
			h := r.Header(tt.session, cryptodrv.OpCipherEncrypt)
			tt.change(&h)
			r.SetHeader(h)
			if s := m.do(r); s != tt.want {
				m.Errorf("%s: %s, want %s", tt.name, s, tt.want)
			}
			if !bytes.Equal(r.Result(), untouched) {
				m.Errorf("%s: the destination was written to", tt.name)
			}
			if n := m.dev.Counters().Errors.Load() - before; n != 1 {
				m.Errorf("%s: %d errors were counted", tt.name, n)
			}
			m.works0(cbc)
		}
	})
}

// TestRequestTooShort sends each beginning of a request, with each size of
// the writable part up to one too small.
func TestRequestTooShort(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		const size = 16
		r := m.request(cryptodrv.Shape{IV: 16, Size: size, ReadCuts: []int{}, WriteCuts: []int{}})
		r.Fill(id, cryptodrv.OpCipherEncrypt, key128, key128)
		readable, writable := r.Readable[0], r.Writable[0]
		send := func(read, write uint32) (status byte, written uint32) {
			var in, out []virtqdrv.Buf
			if read > 0 {
				in = []virtqdrv.Buf{{Addr: readable.Addr, Len: read}}
			}
			if write > 0 {
				out = []virtqdrv.Buf{{Addr: writable.Addr, Len: write}}
			}
			b := m.mem.Bytes(writable)
			for i := range b {
				b[i] = 0xff
			}
			written, err := m.data.Exchange(in, out)
			if err != nil {
				m.Fatal(err)
			}
			for i, c := range b[write:] {
				if c != 0xff {
					m.Fatalf("%d bytes to read, %d to write: wrote byte %d after them", read, write, i)
				}
			}
			if write == 0 {
				return 0xff, written
			}
			return b[write-1], written
		}
		for read := uint32(1); read < readable.Len; read++ {
			if s, _ := send(read, writable.Len); s != byte(virtiocrypto.StatusErr) {
				m.Errorf("%d of %d bytes of a request: status %d", read, readable.Len, s)
			}
		}
		if s, _ := send(0, writable.Len); s != byte(virtiocrypto.StatusErr) {
			m.Errorf("nothing to read: status %d", s)
		}
		for write := uint32(1); write < writable.Len; write++ {
			if s, _ := send(readable.Len, write); s != byte(virtiocrypto.StatusErr) {
				m.Errorf("room for %d of %d bytes: status %d", write, writable.Len, s)
			}
		}
		// Without room for a status the chain is given back all the same.
		if _, written := send(readable.Len, 0); written != 0 {
			m.Errorf("%d bytes were written to nothing", written)
		}
		if s, written := send(readable.Len, writable.Len); s != byte(virtiocrypto.StatusOK) || written != writable.Len {
			m.Errorf("the whole request: status %d, %d bytes written", s, written)
		}
		m.works(0)
	})
}

// TestZeroLength: nothing to encrypt is no error.
func TestZeroLength(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		for algorithm, algo := range algos {
			id := m.session(algo, virtiocrypto.DirectionEncrypt, key128)
			r := m.request(cryptodrv.Shape{IV: algorithm.IVSize()})
			r.Fill(id, cryptodrv.OpCipherEncrypt, key128, nil)
			if s := m.do(r); s != virtiocrypto.StatusOK {
				m.Errorf("%s: %s", algorithm, s)
			}
		}
	})
}

// TestECBPassesOverAnIV: some drivers send one.
func TestECBPassesOverAnIV(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		p := engine.Params{Algorithm: engine.AESECB, Direction: engine.Encrypt, Key: key128}
		id := m.session(virtiocrypto.CipherAESECB, virtiocrypto.DirectionEncrypt, key128)
		src := bytes.Repeat(key128, 3)
		for _, n := range []int{0, 1, 16, 100} {
			r := m.request(cryptodrv.Shape{IV: n, Size: len(src)})
			r.Fill(id, cryptodrv.OpCipherEncrypt, make([]byte, n), src)
			if s := m.do(r); s != virtiocrypto.StatusOK || !bytes.Equal(r.Result(), reference(m, p, nil, src)) {
				m.Errorf("IV of %d bytes: %s, %x", n, s, r.Result())
			}
		}
	})
}

// TestMaxSize: what the configuration space promises is taken, in one piece
// and in many.
func TestMaxSize(t *testing.T) {
	const maxSize = 1 << 20
	onEachLink(t, options{device: virtiocrypto.Options{MaxSize: maxSize}}, func(m *machine) {
		p := engine.Params{Algorithm: engine.AESCTR, Direction: engine.Encrypt, Key: key128}
		id := m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionEncrypt, key128)
		rnd := newRand(2)
		src, iv := random(rnd, maxSize), random(rnd, 16)
		want := reference(m, p, iv, src)
		for _, pieces := range []int{0, 3, 60} {
			mem := *m.mem
			r := newRequest(m, &mem, cryptodrv.Shape{
				IV: 16, Size: maxSize,
				ReadCuts: cuts(rnd, maxSize, pieces), WriteCuts: cuts(rnd, maxSize, pieces),
			})
			r.Fill(id, cryptodrv.OpCipherEncrypt, iv, src)
			if s := m.do(r); s != virtiocrypto.StatusOK || !bytes.Equal(r.Result(), want) {
				m.Errorf("%d pieces: %s", pieces, s)
			}
		}
	})
}

// TestNonsenseIsNotLogged: a guest must not be able to fill the host's disk.
func TestNonsenseIsNotLogged(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
		r.Fill(99, cryptodrv.OpCipherEncrypt, nil, nil)
		for range 100 {
			m.do(r)
			if _, err := m.data.Exchange(r.Readable, nil); err != nil {
				m.Fatal(err)
			}
			if _, err := m.data.Exchange(nil, r.Writable); err != nil {
				m.Fatal(err)
			}
			for _, request := range [][]byte{nil, {1}, cryptodrv.DestroyRequest(99), cryptodrv.CreateRequest(cbcEncrypt(nil))} {
				for _, room := range []int{0, 1, 16} {
					if len(request)+room == 0 {
						continue
					}
					if _, err := m.control.Exchange(request, room); err != nil {
						m.Fatal(err)
					}
				}
			}
		}
		if lines := m.log.take(); len(lines) > 0 {
			m.Errorf("%d lines, the first is %q", len(lines), lines[0])
		}
	})
}

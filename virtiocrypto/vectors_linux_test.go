// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

var (
	algos = map[engine.Algorithm]virtiocrypto.CipherAlgo{
		engine.AESECB: virtiocrypto.CipherAESECB,
		engine.AESCBC: virtiocrypto.CipherAESCBC,
		engine.AESCTR: virtiocrypto.CipherAESCTR,
	}
	directions = []engine.Direction{engine.Encrypt, engine.Decrypt}
)

// wire returns what stands for a direction in a session and in a request.
func wire(d engine.Direction) (session, opcode uint32) {
	if d == engine.Encrypt {
		return virtiocrypto.DirectionEncrypt, cryptodrv.OpCipherEncrypt
	}
	return virtiocrypto.DirectionDecrypt, cryptodrv.OpCipherDecrypt
}

// reference does a request with Go's crypto library.
func reference(t testing.TB, p engine.Params, iv, src []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, len(src))
	switch p.Algorithm {
	case engine.AESECB:
		one := block.Encrypt
		if p.Direction == engine.Decrypt {
			one = block.Decrypt
		}
		for i := 0; i < len(src); i += aes.BlockSize {
			one(dst[i:], src[i:])
		}
	case engine.AESCBC:
		if p.Direction == engine.Decrypt {
			cipher.NewCBCDecrypter(block, iv).CryptBlocks(dst, src)
		} else {
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(dst, src)
		}
	case engine.AESCTR:
		cipher.NewCTR(block, iv).XORKeyStream(dst, src)
	}
	return dst
}

// checkVectors does the examples of NIST SP 800-38A, both ways, and returns
// the names of those that came out wrong.
func checkVectors(m *machine) (wrong []string) {
	m.Helper()
	for _, v := range enginetest.Vectors {
		for _, d := range directions {
			in, want := v.Plaintext, v.Ciphertext
			if d == engine.Decrypt {
				in, want = want, in
			}
			direction, opcode := wire(d)
			id := m.session(algos[v.Algorithm], direction, v.Key)
			for _, inPlace := range []bool{false, true} {
				r := m.request(cryptodrv.Shape{IV: len(v.IV), Size: len(in), InPlace: inPlace})
				r.Fill(id, opcode, v.IV, in)
				if status := m.do(r); status != virtiocrypto.StatusOK || !bytes.Equal(r.Result(), want) {
					wrong = append(wrong, fmt.Sprintf("%s, %s, in place %t: %s, %x", v.Name, d, inPlace, status, r.Result()))
				}
			}
			if err := m.control.Destroy(id); err != nil {
				m.Fatal(err)
			}
		}
	}
	return wrong
}

func TestVectors(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		for _, wrong := range checkVectors(m) {
			m.Error(wrong)
		}
		// 9 vectors, 2 directions, in place and not.
		if n := m.dev.Counters().Operations.Load(); n != 9*2*2 {
			m.Errorf("the device counted %d operations", n)
		}
		if n := m.dev.Counters().Bytes.Load(); n != 9*2*2*64 {
			m.Errorf("the device counted %d bytes", n)
		}
	})
}

// TestVectorsFindAWrongEngine: a test that cannot fail says nothing.
func TestVectorsFindAWrongEngine(t *testing.T) {
	onEachLink(t, options{engine: wrongEngine{gocrypto.New()}}, func(m *machine) {
		if wrong := checkVectors(m); len(wrong) != 9*2*2 {
			m.Errorf("%d of 36 wrong answers were found", len(wrong))
		}
	})
}

// wrongEngine turns one bit of each result.
type wrongEngine struct{ engine.Engine }

func (e wrongEngine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	return wrongWorker{w}, err
}

type wrongWorker struct{ engine.Worker }

func (w wrongWorker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	n := w.Worker.Reap(done, mode)
	for _, r := range done[:n] {
		if len(r.Dst) > 0 {
			r.Dst[len(r.Dst)/2] ^= 0x10
		}
	}
	return n
}

// TestAgainstReference sends batches of requests of mixed sessions, sizes,
// segment counts and directions.
func TestAgainstReference(t *testing.T) {
	onEachLink(t, options{device: virtiocrypto.Options{MaxSize: 64 << 10}}, func(m *machine) {
		r := newRand(1)
		type session struct {
			engine.Params
			id uint64
		}
		var sessions []session
		for algorithm, algo := range algos {
			for _, n := range algorithm.KeySizes() {
				for _, d := range directions {
					direction, _ := wire(d)
					key := random(r, n)
					id := m.session(algo, direction, key)
					sessions = append(sessions, session{engine.Params{Algorithm: algorithm, Direction: d, Key: key}, id})
				}
			}
		}
		type job struct {
			*cryptodrv.Request
			want, src []byte
			what      string
			inPlace   bool
		}
		const size, shapes, rounds = 2048, 48, 40
		for round := range rounds {
			mem := *m.mem // each round takes the same memory
			jobs := make([]job, shapes)
			for i := range jobs {
				s := sessions[r.IntN(len(sessions))]
				n := r.IntN(size/16+1) * 16
				if s.Algorithm == engine.AESCTR {
					n = r.IntN(size + 1)
				}
				if r.IntN(16) == 0 {
					n = 64 << 10
				}
				iv, src := random(r, s.Algorithm.IVSize()), random(r, n)
				shape := cryptodrv.Shape{IV: len(iv), Size: n, InPlace: r.IntN(2) == 0, Align: 1 << r.IntN(7)}
				if r.IntN(2) == 0 {
					shape.ReadCuts = cuts(r, cryptodrv.HeaderSize+len(iv)+n, r.IntN(64))
				}
				if r.IntN(2) == 0 {
					shape.WriteCuts = cuts(r, n+cryptodrv.StatusSize, r.IntN(64))
				}
				req := newRequest(m, &mem, shape)
				_, opcode := wire(s.Direction)
				req.Fill(s.id, opcode, iv, src)
				jobs[i] = job{req, reference(m, s.Params, iv, src), src, fmt.Sprintf("%s, %d key bytes, %s, %+v", s.Algorithm, len(s.Key), s.Direction, shape), shape.InPlace}
			}
			m.batch(m.data, len(jobs), func(i int) *cryptodrv.Request { return jobs[i].Request })
			for _, j := range jobs {
				if j.Status() != virtiocrypto.StatusOK || !bytes.Equal(j.Result(), j.want) {
					m.Fatalf("round %d: %s: status %s, result wrong", round, j.what, j.Status())
				}
				if !j.inPlace && !bytes.Equal(j.Source(), j.src) {
					m.Fatalf("round %d: %s: the source was changed", round, j.what)
				}
			}
		}
	})
}

// cuts returns at most n places to cut size bytes at.
func cuts(r interface{ IntN(int) int }, size, n int) []int {
	c := make([]int, n)
	for i := range c {
		c[i] = r.IntN(size + 1)
	}
	sortInts(c)
	return c
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// TestOneOfManyIsAnsweredAsAlone: the first request of a session that a queue
// has goes the general way, those with it may go a quicker one. Whatever their
// headers say and however they lie in memory, the answers are the same.
func TestOneOfManyIsAnsweredAsAlone(t *testing.T) {
	m := newMachine(t, options{}, newLocal)
	encrypt := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
	decrypt := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionDecrypt, key128)
	ecb := m.session(virtiocrypto.CipherAESECB, virtiocrypto.DirectionEncrypt, key128)
	var beside []*cryptodrv.Request
	for _, id := range []uint64{encrypt, decrypt, ecb} {
		iv, op := 16, cryptodrv.OpCipherEncrypt
		if id == ecb {
			iv = 0
		}
		if id == decrypt {
			op = cryptodrv.OpCipherDecrypt
		}
		r := m.request(cryptodrv.Shape{IV: iv, Size: 32})
		r.Fill(id, op, key128[:iv], make([]byte, 32))
		beside = append(beside, r)
	}
	const iv, size, head = 16, 64, cryptodrv.HeaderSize
	var shapes []*cryptodrv.Request
	for _, read := range [][]int{nil, {}, {head + iv}, {head}, {head + iv, head + iv + 16}, {40}, {head + 8}} {
		for _, write := range [][]int{nil, {}, {16}} {
			shapes = append(shapes, m.request(cryptodrv.Shape{IV: iv, Size: size, ReadCuts: read, WriteCuts: write}))
		}
		shapes = append(shapes, m.request(cryptodrv.Shape{IV: iv, Size: size, ReadCuts: read, InPlace: true}))
	}
	// The last writes over half of what it reads.
	overlap := m.request(cryptodrv.Shape{IV: iv, Size: size, ReadCuts: []int{head + iv}})
	over := overlap.Readable[1]
	overlap.Writable[0] = virtqdrv.Buf{Addr: over.Addr + 16, Len: over.Len - 16}
	shapes = append(shapes, overlap)
	r := rand.New(rand.NewPCG(3, 4))
	src := make([]byte, size)
	for i := range src {
		src[i] = byte(r.Uint32())
	}
	used := make([]virtqdrv.Used, 4)
	ask := func(req *cryptodrv.Request, others []*cryptodrv.Request) (virtiocrypto.Status, []byte) {
		t.Helper()
		req.SetIV(key128)
		req.SetSource(src)
		req.Forget()
		for i, o := range append(others, req) {
			if err := o.Add(m.data.Queue, uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		m.data.Show()
		for left := len(others) + 1; left > 0; {
			n, err := m.data.Await(used)
			if err != nil {
				t.Fatal(err)
			}
			left -= n
		}
		return req.Status(), append(req.Result(), req.Source()...)
	}
	pick := func(usual uint32, others ...uint32) uint32 {
		if r.IntN(6) > 0 {
			return usual
		}
		return others[r.IntN(len(others))]
	}
	answers := make(map[virtiocrypto.Status]int)
	for range 4000 {
		req := shapes[r.IntN(len(shapes))]
		session, op := encrypt, cryptodrv.OpCipherEncrypt
		switch r.IntN(8) {
		case 0:
			session, op = decrypt, cryptodrv.OpCipherDecrypt
		case 1:
			session = ecb
		case 2:
			session = uint64(r.Uint32())
		}
		h := req.Header(session, pick(op, 0, 1, 2, 0x100, 0x300, r.Uint32()))
		h.IVLen = pick(h.IVLen, 0, 8, 17, 32, r.Uint32())
		h.SrcLen = pick(h.SrcLen, 0, 16, 48, 63, 80, 1<<31, r.Uint32())
		h.DstLen = pick(h.SrcLen, 0, 16, 48, 65, 80, 1<<31, r.Uint32())
		h.OpType = pick(h.OpType, 0, 2, 3, r.Uint32())
		if req == overlap {
			h.SrcLen, h.DstLen = size-16, size-16
		}
		h.Algo, h.Flag = r.Uint32(), r.Uint32()
		req.SetHeader(h)
		alone, result := ask(req, nil)
		together, result2 := ask(req, beside)
		if alone != together || alone == virtiocrypto.StatusOK && !bytes.Equal(result, result2) {
			t.Fatalf("%+v: %v alone, %v with others", h, alone, together)
		}
		answers[alone]++
	}
	if answers[virtiocrypto.StatusOK] < 500 || answers[virtiocrypto.StatusErr] < 500 {
		t.Errorf("answers: %v", answers)
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/xts"

	"vcrypto/engine"
)

var hashes = map[engine.Algorithm]func() hash.Hash{
	engine.SHA1:     sha1.New,
	engine.SHA224:   sha256.New224,
	engine.SHA256:   sha256.New,
	engine.SHA384:   sha512.New384,
	engine.SHA512:   sha512.New,
	engine.SHA3_224: func() hash.Hash { return sha3.New224() },
	engine.SHA3_256: func() hash.Hash { return sha3.New256() },
	engine.SHA3_384: func() hash.Hash { return sha3.New384() },
	engine.SHA3_512: func() hash.Hash { return sha3.New512() },
}

var hmacs = map[engine.Algorithm]engine.Algorithm{
	engine.HMACSHA1:   engine.SHA1,
	engine.HMACSHA224: engine.SHA224,
	engine.HMACSHA256: engine.SHA256,
	engine.HMACSHA384: engine.SHA384,
	engine.HMACSHA512: engine.SHA512,
}

// The second implementations. CMAC and CCM are written down from their
// standards, for want of a library.

// cmac is NIST SP 800-38B section 6.2.
func cmac(b cipher.Block, msg []byte) []byte {
	double := func(x []byte) {
		carry := byte(0)
		for i := 15; i >= 0; i-- {
			x[i], carry = x[i]<<1|carry, x[i]>>7
		}
		x[15] ^= carry * 0x87
	}
	k := make([]byte, 16)
	b.Encrypt(k, k)
	double(k)
	if len(msg) == 0 || len(msg)%16 != 0 {
		double(k)
		msg = append(bytes.Clone(msg), 0x80)
		msg = append(msg, make([]byte, (16-len(msg)%16)%16)...)
	}
	x := make([]byte, 16)
	for i := 0; i < len(msg); i += 16 {
		for j := range x {
			x[j] ^= msg[i+j]
			if i+16 == len(msg) {
				x[j] ^= k[j]
			}
		}
		b.Encrypt(x, x)
	}
	return x
}

// ccm is NIST SP 800-38C section 6.1, with the formatting of appendix A.
func ccm(b cipher.Block, nonce, aad, msg []byte, tagSize int) (text, tag []byte) {
	l := 15 - len(nonce)
	flags := byte((tagSize-2)/2<<3 | (l - 1))
	if len(aad) > 0 {
		flags |= 1 << 6
	}
	length := binary.BigEndian.AppendUint64(nil, uint64(len(msg)))
	block := append(append([]byte{flags}, nonce...), make([]byte, l)...)
	copy(block[16-min(l, 8):], length[8-min(l, 8):])
	pad := func(b []byte) []byte { return append(b, make([]byte, (16-len(b)%16)%16)...) }
	if len(aad) > 0 {
		prefix := binary.BigEndian.AppendUint16(nil, uint16(len(aad)))
		if len(aad) >= 0xff00 {
			prefix = binary.BigEndian.AppendUint32([]byte{0xff, 0xfe}, uint32(len(aad)))
		}
		block = pad(append(append(block, prefix...), aad...))
	}
	block = pad(append(block, msg...))
	x := make([]byte, 16)
	for ; len(block) > 0; block = block[16:] {
		for j := range x {
			x[j] ^= block[j]
		}
		b.Encrypt(x, x)
	}
	counter := append(append([]byte{byte(l - 1)}, nonce...), make([]byte, l)...)
	stream := cipher.NewCTR(b, counter)
	stream.XORKeyStream(x, x)
	text = make([]byte, len(msg))
	stream.XORKeyStream(text, msg)
	return text, x[:tagSize]
}

// lengths are those at which implementations change their ways, and random ones.
func lengths(r *rand.ChaCha8, unit int) []int {
	all := []int{0, 1, 15, 16, 17, 31, 32, 55, 56, 63, 64, 65, 71, 72, 104, 111, 112, 127, 128, 129, 135, 136, 137, 143, 144, 255, 256, 257, 4095, 4096, 4097, 65535, 65536, 100003}
	for range 40 {
		all = append(all, rand.New(r).IntN(9000))
	}
	for i := range all {
		all[i] = all[i] / unit * unit
	}
	return all
}

func TestHashes(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 4, nil)
	r := newRand(1)
	for a, h := range hashes {
		s := newSession(t, e, engine.Params{Algorithm: a, Key: []byte("ignored")})
		for _, n := range lengths(r, 1) {
			ref := h()
			msg := random(r, n)
			ref.Write(msg)
			req := &engine.Request{Session: s, Src: msg, Dst: make([]byte, a.ResultSize())}
			if st := do(t, w, req); st != engine.OK || !bytes.Equal(req.Dst, ref.Sum(nil)) {
				t.Errorf("%s of %d bytes: status %d, %x", a, n, st, req.Dst)
			}
		}
		for _, n := range []int{0, 1, a.ResultSize() - 1, a.ResultSize() + 1} {
			req := &engine.Request{Session: s, Src: []byte("x"), Dst: make([]byte, n)}
			if st := do(t, w, req); st != engine.BadRequest || !bytes.Equal(req.Dst, make([]byte, n)) {
				t.Errorf("%s into %d bytes: status %d", a, n, st)
			}
		}
	}
	for a, sum := range map[engine.Algorithm]func([]byte, int) []byte{
		engine.SHAKE128: sha3.SumSHAKE128,
		engine.SHAKE256: sha3.SumSHAKE256,
	} {
		s := newSession(t, e, engine.Params{Algorithm: a})
		for i, n := range lengths(r, 1) {
			msg := random(r, n)
			req := &engine.Request{Session: s, Src: msg, Dst: make([]byte, 1+i*i)}
			if st := do(t, w, req); st != engine.OK || !bytes.Equal(req.Dst, sum(msg, len(req.Dst))) {
				t.Errorf("%s of %d bytes into %d: status %d", a, n, len(req.Dst), st)
			}
		}
		if st := do(t, w, &engine.Request{Session: s, Src: []byte("x")}); st != engine.BadRequest {
			t.Errorf("%s into nothing: status %d", a, st)
		}
	}
}

func TestMACs(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 4, nil)
	r := newRand(2)
	check := func(s engine.Session, what string, size int, ref func([]byte) []byte) {
		t.Helper()
		for i, n := range lengths(r, 1) {
			msg := random(r, n)
			req := &engine.Request{Session: s, Src: msg, Dst: make([]byte, 1+i%size)}
			if st := do(t, w, req); st != engine.OK || !bytes.Equal(req.Dst, ref(msg)[:len(req.Dst)]) {
				t.Errorf("%s of %d bytes, %d of it: status %d, %x", what, n, len(req.Dst), st, req.Dst)
			}
		}
		for _, n := range []int{0, size + 1} {
			if st := do(t, w, &engine.Request{Session: s, Dst: make([]byte, n)}); st != engine.BadRequest {
				t.Errorf("%s into %d bytes: status %d", what, n, st)
			}
		}
	}
	for a, h := range hmacs {
		for _, n := range []int{0, 1, 20, 63, 64, 65, 127, 128, 129, 1000} {
			key := random(r, n)
			s := newSession(t, e, engine.Params{Algorithm: a, Key: key})
			check(s, fmt.Sprintf("%s with %d key bytes", a, n), a.ResultSize(), func(msg []byte) []byte {
				m := hmac.New(hashes[h], key)
				m.Write(msg)
				return m.Sum(nil)
			})
		}
	}
	for _, n := range engine.CMACAES.KeySizes() {
		key := random(r, n)
		b, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		s := newSession(t, e, engine.Params{Algorithm: engine.CMACAES, Key: key})
		check(s, fmt.Sprintf("CMAC with %d key bytes", n), 16, func(msg []byte) []byte { return cmac(b, msg) })
	}
	for _, n := range []int{0, 8, 15, 17, 64} {
		refused(t, e, engine.Params{Algorithm: engine.CMACAES, Key: make([]byte, n)}, engine.ErrKey)
	}
}

func TestXTS(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 4, nil)
	r := newRand(3)
	for _, n := range engine.AESXTS.KeySizes() {
		key := random(r, n)
		ref, err := xts.NewCipher(aes.NewCipher, key)
		if err != nil {
			t.Fatal(err)
		}
		enc := newSession(t, e, engine.Params{Algorithm: engine.AESXTS, Direction: engine.Encrypt, Key: key})
		dec := newSession(t, e, engine.Params{Algorithm: engine.AESXTS, Direction: engine.Decrypt, Key: key})
		for _, n := range append(lengths(r, 1), 16<<20) {
			msg := random(r, n)
			req := &engine.Request{Session: enc, Src: msg, Dst: make([]byte, n), IVLen: 16}
			copy(req.IV[:8], random(r, 8)) // a sector number, as the reference has it
			st := do(t, w, req)
			if n < 16 {
				if st != engine.BadRequest {
					t.Errorf("%d bytes: status %d", n, st)
				}
				continue
			}
			if st != engine.OK {
				t.Fatalf("%d bytes: status %d", n, st)
			}
			if n%16 == 0 { // the reference steals no ciphertext; vectors do
				want := make([]byte, n)
				ref.Encrypt(want, msg, binary.LittleEndian.Uint64(req.IV[:]))
				if !bytes.Equal(req.Dst, want) {
					t.Errorf("%d bytes: wrong", n)
				}
			}
			// Back, in place.
			req.Session, req.Src = dec, req.Dst
			if st := do(t, w, req); st != engine.OK || !bytes.Equal(req.Dst, msg) {
				t.Errorf("%d bytes, decrypted: status %d", n, st)
			}
		}
		big := make([]byte, 16<<20+1)
		req := &engine.Request{Session: enc, Src: big, Dst: big, IVLen: 16}
		if st := do(t, w, req); st != engine.BadRequest || !bytes.Equal(big, make([]byte, len(big))) {
			t.Errorf("more than 2^20 blocks: status %d", st)
		}
	}
	refused(t, e, engine.Params{Algorithm: engine.AESXTS, Direction: engine.Encrypt, Key: make([]byte, 32)}, engine.ErrKey)
	for _, n := range []int{0, 16, 31, 33, 48, 63, 65} {
		refused(t, e, engine.Params{Algorithm: engine.AESXTS, Direction: engine.Encrypt, Key: random(r, n)}, engine.ErrKey)
	}
}

// seal is an AEAD of a second implementation.
type seal func(nonce, aad, msg []byte, tagSize int) (text, tag []byte)

func sealWith(a engine.Algorithm, key []byte) seal {
	split := func(b []byte, n, tagSize int) (text, tag []byte) { return b[:n], b[n : n+tagSize] }
	if a == engine.ChaCha20Poly1305 {
		return func(nonce, aad, msg []byte, tagSize int) (text, tag []byte) {
			c, _ := chacha20poly1305.New(key)
			return split(c.Seal(nil, nonce, msg, aad), len(msg), tagSize)
		}
	}
	b, _ := aes.NewCipher(key)
	if a == engine.AESCCM {
		return func(nonce, aad, msg []byte, tagSize int) (text, tag []byte) {
			return ccm(b, nonce, aad, msg, tagSize)
		}
	}
	return func(nonce, aad, msg []byte, tagSize int) (text, tag []byte) {
		c, _ := cipher.NewGCMWithNonceSize(b, len(nonce))
		return split(c.Seal(nil, nonce, msg, aad), len(msg), tagSize)
	}
}

func TestAEADs(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 4, nil)
	r := newRand(4)
	rnd := rand.New(r)
	for _, tt := range []struct {
		algorithm    engine.Algorithm
		minIV, maxIV int
		tags         []int
	}{
		{engine.AESGCM, 1, 16, gcmTags},
		{engine.AESCCM, 7, 13, ccmTags},
		{engine.ChaCha20Poly1305, 12, 12, chachaTags},
	} {
		for _, keySize := range tt.algorithm.KeySizes() {
			for _, tagSize := range tt.tags {
				t.Run(fmt.Sprintf("%s/%d/tag%d", tt.algorithm, keySize*8, tagSize), func(t *testing.T) {
					key := random(r, keySize)
					ref := sealWith(tt.algorithm, key)
					p := engine.Params{Algorithm: tt.algorithm, Key: key, TagSize: tagSize}
					p.Direction = engine.Encrypt
					enc := newSession(t, e, p)
					p.Direction = engine.Decrypt
					dec := newSession(t, e, p)
					request := func(s engine.Session, nonce, src, aad []byte) *engine.Request {
						req := &engine.Request{Session: s, Src: src, Dst: make([]byte, len(src)), AAD: aad, TagLen: uint8(tagSize)}
						req.IVLen = uint8(copy(req.IV[:], nonce))
						return req
					}
					for i, n := range lengths(r, 1) {
						nonce := random(r, tt.minIV+i%(tt.maxIV-tt.minIV+1))
						if tt.algorithm == engine.AESCCM && len(nonce) == 13 && n > 0xffff {
							nonce = nonce[:12]
						}
						aad := random(r, rnd.IntN(1+rnd.IntN(1+rnd.IntN(70000))))
						msg := random(r, n)
						text, tag := ref(nonce, aad, msg, tagSize)

						req := request(enc, nonce, msg, aad)
						if st := do(t, w, req); st != engine.OK || !bytes.Equal(req.Dst, text) || !bytes.Equal(req.Tag[:tagSize], tag) {
							t.Fatalf("%d bytes, nonce %d, aad %d: status %d, or wrong", n, len(nonce), len(aad), st)
						}
						for _, c := range req.Tag[tagSize:] {
							if c != 0 {
								t.Error("written beyond the tag")
							}
						}
						req = request(dec, nonce, text, aad)
						copy(req.Tag[:], tag)
						if st := do(t, w, req); st != engine.OK || !bytes.Equal(req.Dst, msg) {
							t.Fatalf("%d bytes, nonce %d, aad %d, decrypted: status %d, or wrong", n, len(nonce), len(aad), st)
						}
						// Anything changed is noticed, and nothing of it shown; in place.
						req = request(dec, nonce, text, bytes.Clone(aad))
						copy(req.Tag[:], tag)
						req.Src = req.Dst
						copy(req.Src, text)
						switch which := i % 3; {
						case which == 1 && n > 0:
							req.Src[rnd.IntN(n)] ^= 1
						case which == 2 && len(aad) > 0:
							req.AAD[rnd.IntN(len(aad))] ^= 1
						default:
							req.Tag[rnd.IntN(tagSize)] ^= 0x80
						}
						if st := do(t, w, req); st != engine.BadTag || !bytes.Equal(req.Dst, make([]byte, n)) {
							t.Fatalf("%d bytes, changed: status %d", n, st)
						}
					}
					// What does not fit.
					for _, iv := range []int{0, tt.minIV - 1, tt.maxIV + 1, 255} {
						req := request(enc, nil, make([]byte, 16), nil)
						req.IVLen = uint8(iv)
						if st := do(t, w, req); st != engine.BadRequest {
							t.Errorf("a nonce of %d bytes: status %d", iv, st)
						}
					}
					for _, size := range []int{0, tagSize - 1, tagSize + 1, 255} {
						req := request(dec, make([]byte, 12), make([]byte, 16), nil)
						req.TagLen = uint8(size)
						if st := do(t, w, req); st != engine.BadRequest {
							t.Errorf("a tag of %d bytes: status %d", size, st)
						}
					}
					req := request(enc, make([]byte, 12), make([]byte, 16), nil)
					req.Dst = req.Dst[:15]
					if st := do(t, w, req); st != engine.BadRequest {
						t.Errorf("destination too short: status %d", st)
					}
				})
			}
		}
		for _, n := range []int{-1, 0, 1, 2, 3, 5, 17, 255, 272} {
			refused(t, e, engine.Params{Algorithm: tt.algorithm, Direction: engine.Encrypt, Key: make([]byte, 32), TagSize: n}, engine.ErrNotSupported)
		}
		refused(t, e, engine.Params{Algorithm: tt.algorithm, Direction: engine.Encrypt, Key: make([]byte, 31), TagSize: 16}, engine.ErrKey)
		refused(t, e, engine.Params{Algorithm: tt.algorithm, Key: make([]byte, 32), TagSize: 16}, engine.ErrNotSupported)
	}
}

// TestCCMLength holds CCM to the length that the nonce leaves room for.
func TestCCMLength(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 1, nil)
	s := newSession(t, e, engine.Params{Algorithm: engine.AESCCM, Direction: engine.Encrypt, Key: make([]byte, 16), TagSize: 16})
	for n, want := range map[int]engine.Status{0xffff: engine.OK, 0x10000: engine.BadRequest} {
		b := make([]byte, n)
		if st := do(t, w, &engine.Request{Session: s, Src: b, Dst: b, IVLen: 13, TagLen: 16}); st != want {
			t.Errorf("%d bytes: status %d, want %d", n, st, want)
		}
	}
}

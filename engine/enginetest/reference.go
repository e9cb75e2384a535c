// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"vcrypto/engine"
)

// The second opinion: Go's crypto libraries, and for XTS, CMAC and CCM, which
// those lack in part, the publications' algorithms written down.

// Reference returns what a session for p makes of a request, and its tag if it
// is an AEAD's: for those always what encryption makes of a plaintext. n is how
// long a hash's or MAC's result is. It knows all symmetric algorithms.
func Reference(t testing.TB, p engine.Params, iv, aad, src []byte, n int) (dst, tag []byte) {
	t.Helper()
	switch p.Algorithm.Kind() {
	case engine.Cipher:
		return refCipher(t, p, iv, src), nil
	case engine.AEAD:
		return refSeal(t, p, iv, aad, src)
	}
	return refDigest(t, p, src, n), nil
}

var hashes = map[engine.Algorithm]func() hash.Hash{
	engine.SHA1: sha1.New, engine.SHA224: sha256.New224, engine.SHA256: sha256.New,
	engine.SHA384: sha512.New384, engine.SHA512: sha512.New,
	engine.SHA3_224: func() hash.Hash { return sha3.New224() },
	engine.SHA3_256: func() hash.Hash { return sha3.New256() },
	engine.SHA3_384: func() hash.Hash { return sha3.New384() },
	engine.SHA3_512: func() hash.Hash { return sha3.New512() },
	engine.MD5:      md5.New,
}

var hmacs = map[engine.Algorithm]func() hash.Hash{
	engine.HMACSHA1: sha1.New, engine.HMACSHA224: sha256.New224, engine.HMACSHA256: sha256.New,
	engine.HMACSHA384: sha512.New384, engine.HMACSHA512: sha512.New,
	engine.HMACMD5: md5.New,
}

// refCipher does a cipher's request.
func refCipher(t testing.TB, p engine.Params, iv, src []byte) []byte {
	t.Helper()
	dst := make([]byte, len(src))
	var block cipher.Block
	switch p.Algorithm {
	case engine.AESXTS:
		return xts(p, iv, src)
	case engine.ARC4:
		must(rc4.NewCipher(p.Key)).XORKeyStream(dst, src)
		return dst
	case engine.DESECB, engine.DESCBC:
		block = must(des.NewCipher(p.Key))
	case engine.TripleDESECB, engine.TripleDESCBC, engine.TripleDESCTR:
		block = must(des.NewTripleDESCipher(p.Key))
	default:
		block = must(aes.NewCipher(p.Key))
	}
	switch p.Algorithm {
	case engine.AESECB, engine.DESECB, engine.TripleDESECB:
		one := block.Encrypt
		if p.Direction == engine.Decrypt {
			one = block.Decrypt
		}
		for i := 0; i < len(src); i += block.BlockSize() {
			one(dst[i:], src[i:])
		}
	case engine.AESCBC, engine.DESCBC, engine.TripleDESCBC:
		if p.Direction == engine.Decrypt {
			cipher.NewCBCDecrypter(block, iv).CryptBlocks(dst, src)
		} else {
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(dst, src)
		}
	case engine.AESCTR, engine.TripleDESCTR:
		cipher.NewCTR(block, iv).XORKeyStream(dst, src)
	default:
		t.Fatalf("the conformance test has no reference for %s", p.Algorithm)
	}
	return dst
}

// xts is IEEE 1619 section 5.3 and 5.4, with ciphertext stealing. src has at
// least a block.
func xts(p engine.Params, tweak, src []byte) []byte {
	half := len(p.Key) / 2
	k1 := must(aes.NewCipher(p.Key[:half]))
	t := bytes.Clone(tweak)
	must(aes.NewCipher(p.Key[half:])).Encrypt(t, t)
	one := k1.Encrypt
	if p.Direction == engine.Decrypt {
		one = k1.Decrypt
	}
	// double multiplies a tweak by x.
	double := func(t []byte) []byte {
		lo, hi := binary.LittleEndian.Uint64(t), binary.LittleEndian.Uint64(t[8:])
		d := binary.LittleEndian.AppendUint64(nil, lo<<1^0x87*(hi>>63))
		return binary.LittleEndian.AppendUint64(d, hi<<1|lo>>63)
	}
	dst := make([]byte, len(src))
	do := func(out, in, t []byte) {
		subtle.XORBytes(out, in, t)
		one(out, out)
		subtle.XORBytes(out, out, t)
	}
	part := len(src) % aes.BlockSize
	whole := len(src) - part
	if part > 0 {
		whole -= aes.BlockSize // the last whole block is done with what follows it
	}
	for i := 0; i < whole; i += aes.BlockSize {
		do(dst[i:i+aes.BlockSize], src[i:i+aes.BlockSize], t)
		t = double(t)
	}
	if part == 0 {
		return dst
	}
	first, second := t, double(t)
	if p.Direction == engine.Decrypt {
		first, second = second, first
	}
	last, stolen := dst[whole:whole+aes.BlockSize], make([]byte, aes.BlockSize)
	do(last, src[whole:whole+aes.BlockSize], first)
	copy(stolen, last)
	copy(dst[whole+aes.BlockSize:], stolen[:part])
	copy(stolen, src[whole+aes.BlockSize:])
	do(last, stolen, second)
	return dst
}

// refDigest returns the first n bytes of a hash or a MAC.
func refDigest(t testing.TB, p engine.Params, src []byte, n int) []byte {
	t.Helper()
	switch a := p.Algorithm; {
	case hashes[a] != nil:
		h := hashes[a]()
		h.Write(src)
		return h.Sum(nil)[:n]
	case hmacs[a] != nil:
		h := hmac.New(hmacs[a], p.Key)
		h.Write(src)
		return h.Sum(nil)[:n]
	case a == engine.SHAKE128:
		return sha3.SumSHAKE128(src, n)
	case a == engine.SHAKE256:
		return sha3.SumSHAKE256(src, n)
	case a == engine.CMACAES:
		return cmac(must(aes.NewCipher(p.Key)), src)[:n]
	}
	t.Fatalf("the conformance test has no reference for %s", p.Algorithm)
	return nil
}

// refSeal encrypts for an AEAD, and returns ciphertext and tag.
func refSeal(t testing.TB, p engine.Params, iv, aad, plaintext []byte) (ciphertext, tag []byte) {
	t.Helper()
	var sealed []byte
	switch p.Algorithm {
	case engine.AESCCM:
		return ccmSeal(must(aes.NewCipher(p.Key)), p.TagSize, iv, aad, plaintext)
	case engine.AESGCM:
		block := must(aes.NewCipher(p.Key))
		a := must(cipher.NewGCMWithNonceSize(block, len(iv)))
		sealed = a.Seal(nil, iv, plaintext, aad)
	case engine.ChaCha20Poly1305:
		sealed = must(chacha20poly1305.New(p.Key)).Seal(nil, iv, plaintext, aad)
	default:
		t.Fatalf("the conformance test has no reference for %s", p.Algorithm)
	}
	n := len(plaintext)
	return sealed[:n], sealed[n : n+p.TagSize] // a short tag is a long one's beginning
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the test chose the arguments
	}
	return v
}

// cmac is NIST SP 800-38B section 6.2.
func cmac(b cipher.Block, msg []byte) []byte {
	double := func(in []byte) []byte {
		out := make([]byte, aes.BlockSize)
		for i := range out {
			out[i] = in[i] << 1
			if i+1 < len(in) {
				out[i] |= in[i+1] >> 7
			}
		}
		out[15] ^= 0x87 * (in[0] >> 7)
		return out
	}
	k := make([]byte, aes.BlockSize)
	b.Encrypt(k, k)
	k = double(k)
	last := len(msg) - len(msg)%aes.BlockSize
	if last == len(msg) && last > 0 {
		last -= aes.BlockSize
	}
	final := append([]byte(nil), msg[last:]...)
	if len(final) < aes.BlockSize {
		k = double(k)
		final = append(final, 0x80)
		final = append(final, make([]byte, aes.BlockSize-len(final))...)
	}
	for i := range final {
		final[i] ^= k[i]
	}
	return cbcMAC(b, append(append([]byte(nil), msg[:last]...), final...))
}

// cbcMAC is the last block of CBC with an IV of zeros.
func cbcMAC(b cipher.Block, blocks []byte) []byte {
	x := make([]byte, aes.BlockSize)
	for ; len(blocks) > 0; blocks = blocks[aes.BlockSize:] {
		subtle.XORBytes(x, x, blocks[:aes.BlockSize])
		b.Encrypt(x, x)
	}
	return x
}

// ccmSeal is NIST SP 800-38C section 6.1, with the formatting of appendix A.
func ccmSeal(b cipher.Block, tagSize int, nonce, aad, plaintext []byte) (ciphertext, tag []byte) {
	pad := func(in []byte) []byte { return append(in, make([]byte, -len(in)&(aes.BlockSize-1))...) }
	q := 15 - len(nonce)
	first := make([]byte, aes.BlockSize)
	binary.BigEndian.PutUint64(first[8:], uint64(len(plaintext)))
	first[0] = byte((tagSize-2)/2<<3 | (q - 1))
	if len(aad) > 0 {
		first[0] |= 0x40
	}
	copy(first[1:], nonce)
	if q < 8 && uint64(len(plaintext))>>(8*q) != 0 {
		panic("ccm: message too long for the nonce")
	}
	blocks := first
	if n := len(aad); n > 0 && n < 0xff00 {
		blocks = append(blocks, byte(n>>8), byte(n))
	} else if n > 0 {
		blocks = append(blocks, 0xff, 0xfe, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	blocks = pad(append(blocks, aad...))
	blocks = pad(append(blocks, plaintext...))
	mac := cbcMAC(b, blocks)

	counter := make([]byte, aes.BlockSize)
	counter[0] = byte(q - 1)
	copy(counter[1:], nonce)
	stream := cipher.NewCTR(b, counter)
	stream.XORKeyStream(mac, mac)
	ciphertext = make([]byte, len(plaintext))
	stream.XORKeyStream(ciphertext, plaintext)
	return ciphertext, mac[:tagSize]
}

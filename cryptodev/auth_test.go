// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/cryptodevtest"
)

// newFor opens a session for p, or skips where the node need not have it.
func newFor(t testing.TB, d *cryptodev.Device, p cryptodev.SessionParams) *cryptodev.Session {
	t.Helper()
	s, err := d.NewSession(p)
	if errors.Is(err, syscall.EINVAL) && !cryptodevtest.MustHave(p) {
		t.Skipf("%s does not have %s, and need not", d.Path(), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAEAD(t *testing.T) {
	dev := cryptodevtest.Open(t)
	for _, size := range []int{0, 1, 15, 16, 17, 1000, 100_000, 400_000} {
		t.Run(fmt.Sprint("gcm-", size), func(t *testing.T) {
			key, iv, plain, aad := random(16), random(12), random(size), random(size%300)
			s := newFor(t, dev, cryptodev.SessionParams{Cipher: cryptodev.AESGCM, Key: key})
			block, err := aes.NewCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			g, err := cipher.NewGCM(block)
			if err != nil {
				t.Fatal(err)
			}
			want := g.Seal(nil, iv, plain, aad)
			got := make([]byte, size+16)
			if err := s.Seal(got, plain, iv, aad); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("the sealed message is not what Go makes of it")
			}
			back := bytes.Clone(got)
			if err := s.Open(back[:size], back, iv, aad); err != nil || !bytes.Equal(back[:size], plain) {
				t.Errorf("opened in place: %v", err)
			}
			got[size/2] ^= 1
			if err := s.Open(back[:size], got, iv, aad); !errors.Is(err, syscall.EBADMSG) {
				t.Errorf("a changed message: %v, want EBADMSG", err)
			}
		})
	}
}

// TestCCM: NIST SP 800-38C, examples 1 and 2.
func TestCCM(t *testing.T) {
	dev := cryptodevtest.Open(t)
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, v := range []struct{ iv, aad, plain, sealed string }{
		{"10111213141516", "0001020304050607", "20212223", "7162015b4dac255d"},
		{"1011121314151617", "000102030405060708090a0b0c0d0e0f", "202122232425262728292a2b2c2d2e2f", "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"},
	} {
		s := newFor(t, dev, cryptodev.SessionParams{Cipher: cryptodev.AESCCM, Key: unhex("404142434445464748494a4b4c4d4e4f")})
		plain, want := unhex(v.plain), unhex(v.sealed)
		got := make([]byte, len(want))
		if err := s.Seal(got, plain, unhex(v.iv), unhex(v.aad)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("sealed: %x, %v", got, err)
		}
		if err := s.Open(got[:len(plain)], got, unhex(v.iv), unhex(v.aad)); err != nil || !bytes.Equal(got[:len(plain)], plain) {
			t.Errorf("opened: %x, %v", got, err)
		}
	}
}

// TestRecord: TLS records, against what their parts make.
func TestRecord(t *testing.T) {
	dev := cryptodevtest.Open(t)
	key, mackey, iv, header := random(16), random(20), random(16), random(13)
	s := newFor(t, dev, cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: key, Hash: cryptodev.HMACSHA1, HashKey: mackey})
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 11, 12, 16, 1000, 16384} {
		text := random(size)
		mac := hmac.New(sha1.New, mackey)
		mac.Write(header)
		mac.Write(text)
		want := mac.Sum(bytes.Clone(text))
		pad := 16 - len(want)%16
		want = append(want, bytes.Repeat([]byte{byte(pad - 1)}, pad)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, want)

		record := append(bytes.Clone(text), make([]byte, s.RecordSize(size)-size)...)
		n, err := s.SealRecord(record, size, header, iv)
		if err != nil || !bytes.Equal(record[:n], want) {
			t.Fatalf("%d bytes: not the record that its parts make: %v", size, err)
		}
		bad := bytes.Clone(record)
		bad[n-1] ^= 0x40
		before := bytes.Clone(bad)
		if _, err := s.OpenRecord(bad, header, iv); !errors.Is(err, syscall.EBADMSG) || !bytes.Equal(bad, before) {
			t.Errorf("%d bytes, changed: %v, want EBADMSG and the record as it was", size, err)
		}
		header[0] ^= 1
		if _, err := s.OpenRecord(bytes.Clone(record[:n]), header, iv); !errors.Is(err, syscall.EBADMSG) {
			t.Errorf("%d bytes, another header: %v, want EBADMSG", size, err)
		}
		header[0] ^= 1
		n, err = s.OpenRecord(record[:n], header, iv)
		if err != nil || !bytes.Equal(record[:n], text) {
			t.Errorf("%d bytes do not come back: %v", size, err)
		}
	}
	if _, err := s.SealRecord(make([]byte, 31), 0, header, iv); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a record without room: %v", err)
	}
}

// TestPacket: SRTP packets likewise.
func TestPacket(t *testing.T) {
	dev := cryptodevtest.Open(t)
	key, mackey, iv := random(16), random(20), random(16)
	s := newFor(t, dev, cryptodev.SessionParams{Cipher: cryptodev.AESCTR, Key: key, Hash: cryptodev.HMACSHA1, HashKey: mackey})
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{20, 100, 1400} {
		packet := random(12 + size)
		want := bytes.Clone(packet)
		cipher.NewCTR(block, iv).XORKeyStream(want[12:], want[12:])
		mac := hmac.New(sha1.New, mackey)
		mac.Write(want)
		got, tag := bytes.Clone(packet), make([]byte, 10)
		if err := s.SealPacket(got, 12, tag, iv); err != nil || !bytes.Equal(got, want) || !bytes.Equal(tag, mac.Sum(nil)[:10]) {
			t.Fatalf("%d bytes: not the packet that its parts make: %v", size, err)
		}
		tag[0] ^= 1
		if err := s.OpenPacket(got, 12, tag, iv); !errors.Is(err, syscall.EBADMSG) || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, another tag: %v, want EBADMSG and the packet as it was", size, err)
		}
		tag[0] ^= 1
		if err := s.OpenPacket(got, 12, tag, iv); err != nil || !bytes.Equal(got, packet) {
			t.Errorf("%d bytes do not come back: %v", size, err)
		}
	}
}

// TestCryptSum does a cipher and a MAC in one call.
func TestCryptSum(t *testing.T) {
	dev := cryptodevtest.Open(t)
	key, mackey, iv, plain := random(16), random(64), random(16), random(4096)
	s := newFor(t, dev, cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: key, Hash: cryptodev.HMACSHA256, HashKey: mackey})
	want := sumOf(cryptodev.HMACSHA256, mackey, plain)
	for _, flags := range []cryptodev.Flags{0, cryptodev.WriteIV, cryptodev.NoZeroCopy} {
		text, sum := make([]byte, len(plain)), make([]byte, 32)
		if err := s.CryptSum(cryptodev.Encrypt, text, plain, bytes.Clone(iv), sum, flags); err != nil || !bytes.Equal(sum, want) {
			t.Errorf("flags %d: encrypt: MAC %x, %v", flags, sum, err)
		}
		clear(sum)
		if err := s.CryptSum(cryptodev.Decrypt, text, text, bytes.Clone(iv), sum, flags); err != nil || !bytes.Equal(sum, want) || !bytes.Equal(text, plain) {
			t.Errorf("flags %d: decrypt: MAC %x, %v", flags, sum, err)
		}
	}
	if err := s.Encrypt(plain, plain, iv); err != nil {
		t.Errorf("without a place for the MAC: %v", err)
	}
	info, err := s.Info()
	if err != nil || info.Name != "cbc(aes)" || info.HashName != "hmac(sha256)" {
		t.Errorf("info %+v, %v", info, err)
	}
}

// TestMisused: what does not fit a session is refused before a call is made.
func TestMisused(t *testing.T) {
	var node cryptodevtest.Node
	dev := node.Open(t)
	buf, iv, sum := make([]byte, 64), make([]byte, 16), make([]byte, 32)
	cbc := newFor(t, dev, cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: random(16)})
	gcm := newFor(t, dev, cryptodev.SessionParams{Cipher: cryptodev.AESGCM, Key: random(16)})
	sha := newFor(t, dev, cryptodev.SessionParams{Hash: cryptodev.SHA256})
	_, message := sha.Message()
	_, noMessage := cbc.Message()
	_, record := gcm.SealRecord(buf, 1, iv, iv)
	if message != nil {
		t.Error(message)
	}
	for name, err := range map[string]error{
		"GCM by Encrypt":         gcm.Encrypt(buf, buf, iv[:12]),
		"CBC by Seal":            cbc.Seal(buf, buf[:48], iv, nil),
		"hash by Encrypt":        sha.Encrypt(buf, buf, nil),
		"hash of a cipher":       cbc.Sum(sum, buf),
		"message of a cipher":    noMessage,
		"sum of another size":    sha.Sum(sum[:31], buf),
		"GCM, short IV":          gcm.Seal(buf, buf[:48], iv[:11], nil),
		"GCM, no tag":            gcm.Seal(buf, buf, iv[:12], nil),
		"GCM, long tag":          gcm.Seal(buf, buf[:40], iv[:12], nil),
		"GCM, overlap":           gcm.Seal(buf[8:40], buf[:16], iv[:12], nil),
		"GCM, open to more":      gcm.Open(buf, buf[:48], iv[:12], nil),
		"record of an AEAD":      record,
		"packet of no payload":   cbc.SealPacket(buf, 64, nil, iv),
		"packet without a MAC":   cbc.SealPacket(buf, 1, sum[:4], iv),
		"sum without a hash":     cbc.CryptSum(cryptodev.Encrypt, buf, buf, iv, sum, 0),
		"async, sum of a cipher": cbc.Submit(&cryptodev.Request{Dst: buf, Src: buf, IV: iv, Sum: sum}),
		"async, hash to Dst":     sha.Submit(&cryptodev.Request{Dst: buf, Src: buf, Sum: sum}),
	} {
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v, want EINVAL", name, err)
		}
	}
	if n := node.Requests(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	for _, p := range []cryptodev.SessionParams{
		{}, {Key: iv}, {Hash: 999}, {Hash: cryptodev.HMACSHA1}, {Hash: cryptodev.SHA1, HashKey: iv},
		{Hash: cryptodev.HMACSHA1, HashKey: make([]byte, 513)}, {Hash: cryptodev.SHA1, Key: iv},
		{Cipher: cryptodev.AESGCM, Key: iv, Hash: cryptodev.SHA1},
	} {
		if _, err := dev.NewSession(p); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v, want EINVAL", p, err)
		}
	}
	if ops, err := dev.PublicKeys(); ops != 0 || err != nil {
		t.Errorf("public key operations: %#x, %v", ops, err)
	}
}

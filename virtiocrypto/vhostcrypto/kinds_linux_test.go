// SPDX-License-Identifier: Apache-2.0

package vhostcrypto_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// exchange sends a data request of any kind.
func (f *frontEnd) exchange(w cryptodrv.Work) (virtiocrypto.Status, []byte) {
	f.t.Helper()
	readable, room, _ := cryptodrv.Form{}.Data(w)
	mem := f.memory.Memory
	p, err := cryptodrv.NewPlain(&mem, readable, room, nil, nil, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	status, written, err := f.queue.DoPlain(p)
	if err != nil {
		f.t.Fatal(err)
	}
	if status != virtiocrypto.StatusOK {
		return status, nil
	}
	return status, p.Result()[:written-1]
}

// TestChains: what this route is there for, IPsec's cipher and HMAC at once,
// in both orders and each layout of the messages.
func TestChains(t *testing.T) {
	path, log := backEnd(t, 8)
	key, macKey, iv := []byte("sixteen byte key"), bytes.Repeat([]byte("long"), 128), []byte("sixteen byte iv.")
	src := bytes.Repeat([]byte("0123456789abcdef"), 4)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Clone(src)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(secret[16:], src[16:])
	sum := func(b []byte) []byte {
		m := hmac.New(sha256.New, macKey)
		m.Write(b)
		return m.Sum(nil)
	}
	plainSum := sha256.Sum256(src[8:])
	for _, layout := range cryptodrv.AllMessages() {
		f := dial(t, path, layout)
		p := virtiocrypto.ChainParams{
			Order:    virtiocrypto.ChainCipherThenHash,
			HashMode: virtiocrypto.HashModeAuth,
			Cipher:   virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: virtiocrypto.DirectionEncrypt, Key: key},
			MAC:      virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA256, Result: 20, Key: macKey},
		}
		w := cryptodrv.Work{
			Opcode: cryptodrv.OpCipherEncrypt, Chain: true, IV: iv, Src: src, Dst: len(src), Result: 20,
			CipherStart: 16, CipherLen: 48, HashStart: 8, HashLen: 56,
		}
		try := func(want []byte) {
			t.Helper()
			id := f.session(p)
			if id <= 0 {
				t.Fatalf("%s: session %d", layout, id)
			}
			w.Session = uint64(id)
			if s, got := f.exchange(w); s != virtiocrypto.StatusOK || !bytes.Equal(got, want) {
				t.Errorf("%s, order %d, hash mode %d: %s, %x, want %x", layout, p.Order, p.HashMode, s, got, want)
			}
			if err := f.Do(cryptodrv.MessageClose, cryptodrv.CloseMessage(id)); err != nil {
				t.Error(err)
			}
		}
		try(append(bytes.Clone(secret), sum(secret[8:])[:20]...))
		p.Order = virtiocrypto.ChainHashThenCipher
		try(append(bytes.Clone(secret), sum(src[8:])[:20]...))
		p.HashMode, p.MAC = virtiocrypto.HashModePlain, virtiocrypto.MACParams{}
		p.Hash = virtiocrypto.HashParams{Algo: virtiocrypto.HashSHA256, Result: 32}
		w.Result = 32
		try(append(bytes.Clone(secret), plainSum[:]...))

		for what, change := range map[string]func(*virtiocrypto.ChainParams){
			"nested hash":           func(p *virtiocrypto.ChainParams) { p.HashMode = virtiocrypto.HashModeNested },
			"hash mode 0":           func(p *virtiocrypto.ChainParams) { p.HashMode = 0 },
			"order 0":               func(p *virtiocrypto.ChainParams) { p.Order = 0 },
			"MAC key of 513 bytes":  func(p *virtiocrypto.ChainParams) { p.HashMode, p.MAC.Key = 2, make([]byte, 513) },
			"a MAC that is not one": func(p *virtiocrypto.ChainParams) { p.HashMode, p.MAC.Algo = 2, 40 },
			"cipher key of 65":      func(p *virtiocrypto.ChainParams) { p.Cipher.Key = make([]byte, 65) },
		} {
			bad := p
			bad.MAC = virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA256, Result: 20}
			change(&bad)
			if id := f.session(bad); id >= 0 {
				t.Errorf("%s: session %d", what, id)
			}
		}
		f.hangUp()
	}
	if lines := log.String(); lines != "" {
		t.Errorf("the log says %q", lines)
	}
}

// TestRSASessions: the newest layout has them.
func TestRSASessions(t *testing.T) {
	path, _ := backEnd(t, 8)
	k, err := rsa.GenerateKey(rand.Reader, 1024) // what there is room for: 1024 bytes of key
	if err != nil {
		t.Fatal(err)
	}
	f := dial(t, path, cryptodrv.MessagesNew)
	defer f.hangUp()
	p := virtiocrypto.AKCipherParams{
		Algo: virtiocrypto.AKCipherRSA, KeyType: virtiocrypto.KeyPrivate, Padding: virtiocrypto.RSAPaddingPKCS1, Hash: 6,
		Key: x509.MarshalPKCS1PrivateKey(k),
	}
	reply, err := f.Call(cryptodrv.MessageCreate, f.layout.Create(p))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(reply, p.Key[10:30]) {
		t.Error("the answer has the key")
	}
	id, err := f.layout.Created(reply)
	if err != nil || id <= 0 {
		t.Fatalf("session %d, %v", id, err)
	}
	digest := sha256.Sum256([]byte("message"))
	s, sig := f.exchange(cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Session: uint64(id), Src: digest[:], Dst: 128})
	if s != virtiocrypto.StatusOK || rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, digest[:], sig) != nil {
		t.Errorf("sign: %s, %x", s, sig)
	}
	for what, change := range map[string]func(*virtiocrypto.AKCipherParams){
		"ECDSA":             func(p *virtiocrypto.AKCipherParams) { p.Algo = virtiocrypto.AKCipherECDSA },
		"key of 1025 bytes": func(p *virtiocrypto.AKCipherParams) { p.Key = make([]byte, 1025) },
		"no key":            func(p *virtiocrypto.AKCipherParams) { p.Key = nil },
		"key type 3":        func(p *virtiocrypto.AKCipherParams) { p.KeyType = 3 },
		"padding 2":         func(p *virtiocrypto.AKCipherParams) { p.Padding = 2 },
	} {
		bad := p
		change(&bad)
		if id := f.session(bad); id >= 0 {
			t.Errorf("%s: session %d", what, id)
		}
	}
	// Other layouts have no op_code, or none but "create cipher session".
	old := cryptodrv.MessagesOld.Create(virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: 1, Key: make([]byte, 16)})
	copy(old[8:], []byte{0x04, 0x04})
	reply, err = f.Call(cryptodrv.MessageCreate, old)
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := cryptodrv.MessagesOld.Created(reply); id >= 0 {
		t.Errorf("RSA in the oldest layout: session %d", id)
	}
}

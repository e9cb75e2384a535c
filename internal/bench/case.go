// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"vcrypto/engine"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// Case is what is measured.
type Case struct {
	Algorithm engine.Algorithm
	Direction engine.Direction // of ciphers and AEADs
	Op        engine.Op        // of RSA: OpSign or OpDecrypt, which take the private key
	KeySize   int              // bytes, of RSA those of the modulus; 0 for the algorithm's smallest or usual
	Keys      int              // sessions that requests take in turn; 0 for one
	Size      int              // bytes a request; RSA has its own
	Depth     int              // requests in a batch
}

const (
	defaultKeySize = 32  // bytes, where the algorithm takes any
	defaultRSA     = 256 // bytes: RSA-2048

	digestSize = 32 // bytes: what is signed is a SHA-256 digest
	rsaSHA256  = 6  // VIRTIO_CRYPTO_RSA_SHA256
)

// complete fills in what was left open and checks the rest.
func (c Case) complete() (Case, error) {
	if c.Depth < 1 || c.Size < 1 {
		return c, fmt.Errorf("depth %d, %d bytes: both are at least 1", c.Depth, c.Size)
	}
	c.Keys = max(c.Keys, 1)
	kind := c.Algorithm.Kind()
	if kind == engine.PublicKey {
		if c.KeySize == 0 {
			c.KeySize = defaultRSA
		}
		switch {
		case c.Algorithm == engine.RSAPKCS1 && c.Op == engine.OpSign:
			c.Size = digestSize
		case (c.Algorithm == engine.RSAPKCS1 || c.Algorithm == engine.RSARaw) && c.Op == engine.OpDecrypt:
			c.Size = c.KeySize
		default:
			return c, fmt.Errorf("there is no benchmark of this operation of %s: there are rsa-pkcs1 sign, rsa-pkcs1 decrypt and rsa-raw decrypt", c.Algorithm)
		}
		return c, nil
	}
	if block := c.Algorithm.BlockSize(); c.Size%block != 0 {
		return c, fmt.Errorf("%d bytes: %s takes multiples of %d", c.Size, c.Algorithm, block)
	}
	if kind != engine.Hash && c.KeySize == 0 {
		c.KeySize = defaultKeySize
		if all := c.Algorithm.KeySizes(); all != nil {
			c.KeySize = all[0]
		}
	}
	return c, nil
}

// long reports whether a request takes so long that a thousand of them are
// many.
func (c Case) long() bool { return c.Algorithm.Kind() == engine.PublicKey }

// tagSize is the length of an AEAD's tag.
func (c Case) tagSize() int {
	if c.Algorithm.Kind() == engine.AEAD {
		return engine.MaxTag
	}
	return 0
}

// resultSize is the room that a request needs for its result, beside an AEAD's
// tag.
func (c Case) resultSize() int {
	switch c.Algorithm.Kind() {
	case engine.Hash, engine.MAC:
		return c.Algorithm.ResultSize()
	case engine.PublicKey:
		return c.KeySize
	}
	return c.Size
}

// newKey makes a key; nil for a hash.
func (c Case) newKey() ([]byte, error) {
	if c.Algorithm.Kind() == engine.PublicKey {
		k, err := rsa.GenerateKey(rand.Reader, 8*c.KeySize)
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKCS1PrivateKey(k), nil
	}
	key := make([]byte, c.KeySize)
	rand.Read(key) // never fails
	return key, nil
}

// newKeys makes as many keys as the case has.
func (c Case) newKeys() (keys [][]byte, err error) {
	for range c.Keys {
		key, err := c.newKey()
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// params describe a session for an engine.
func (c Case) params(key []byte) engine.Params {
	p := engine.Params{Algorithm: c.Algorithm, Direction: c.Direction, Key: key, TagSize: c.tagSize()}
	if c.Algorithm.Kind() == engine.PublicKey {
		p.Private = true
		if c.Op == engine.OpSign {
			p.Hash = engine.SHA256
		}
	}
	return p
}

// wire describes a session for the device.
func (c Case) wire(key []byte) (virtiocrypto.SessionParams, error) {
	direction := uint32(virtiocrypto.DirectionEncrypt)
	if c.Direction == engine.Decrypt {
		direction = virtiocrypto.DirectionDecrypt
	}
	var p virtiocrypto.SessionParams
	var ok bool
	switch c.Algorithm.Kind() {
	case engine.Cipher:
		var n virtiocrypto.CipherAlgo
		n, ok = virtiocrypto.CipherNumber(c.Algorithm)
		p = virtiocrypto.CipherParams{Algo: n, Direction: direction, Key: key}
	case engine.AEAD:
		var n virtiocrypto.AEADAlgo
		n, ok = virtiocrypto.AEADNumber(c.Algorithm)
		p = virtiocrypto.AEADParams{Algo: n, Direction: direction, Tag: uint32(c.tagSize()), Key: key}
	case engine.Hash:
		var n virtiocrypto.HashAlgo
		n, ok = virtiocrypto.HashNumber(c.Algorithm)
		p = virtiocrypto.HashParams{Algo: n, Result: uint32(c.resultSize())}
	case engine.MAC:
		var n virtiocrypto.MACAlgo
		n, ok = virtiocrypto.MACNumber(c.Algorithm)
		p = virtiocrypto.MACParams{Algo: n, Result: uint32(c.resultSize()), Key: key}
	case engine.PublicKey:
		rsa := virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: virtiocrypto.KeyPrivate, Key: key}
		rsa.Padding, ok = virtiocrypto.RSAPadding(c.Algorithm)
		if c.Op == engine.OpSign {
			rsa.Hash = rsaSHA256
		}
		p = rsa
	}
	if !ok {
		return nil, fmt.Errorf("the device has no %s", c.Algorithm)
	}
	return p, nil
}

// opcode is that of the case's data requests.
func (c Case) opcode() uint32 {
	decrypt := c.Direction == engine.Decrypt
	switch c.Algorithm.Kind() {
	case engine.Hash:
		return cryptodrv.OpHash
	case engine.MAC:
		return cryptodrv.OpMAC
	case engine.AEAD:
		if decrypt {
			return cryptodrv.OpAEADDecrypt
		}
		return cryptodrv.OpAEADEncrypt
	case engine.PublicKey:
		if c.Op == engine.OpSign {
			return cryptodrv.OpAKSign
		}
		return cryptodrv.OpAKDecrypt
	}
	if decrypt {
		return cryptodrv.OpCipherDecrypt
	}
	return cryptodrv.OpCipherEncrypt
}

// fill makes a source for a key: one that the operation takes.
func (c Case) fill(src, key []byte) error {
	rand.Read(src) // never fails
	if c.Op != engine.OpDecrypt {
		return nil
	}
	if c.Algorithm == engine.RSARaw {
		src[0] = 0 // so that the number is less than the modulus
		return nil
	}
	k, err := x509.ParsePKCS1PrivateKey(key)
	if err != nil {
		return err
	}
	//lint:ignore SA1019 this padding is what is measured; nothing is kept secret by it here
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &k.PublicKey, src[:digestSize])
	copy(src, sealed)
	return err
}

// input is what a request works on, and what shall come out.
type input struct {
	key     int
	iv, src []byte // an AEAD's source to decrypt ends in the tag
	want    []byte // of an AEAD's encryption with the tag
}

// work is the request of an input, in a session.
func (c Case) work(in *input, session uint64) cryptodrv.Work {
	w := cryptodrv.Work{Opcode: c.opcode(), Session: session, IV: in.iv, Src: in.src, Tag: c.tagSize()}
	switch c.Algorithm.Kind() {
	case engine.Hash, engine.MAC:
		w.Result = c.resultSize()
	case engine.AEAD:
		w.Dst = len(in.want)
	default:
		w.Dst = c.resultSize()
	}
	return w
}

// answerSize is how much of the result a driver has beside the status, in
// bytes: a hash, a MAC, the tag of an encryption.
func (c Case) answerSize() int {
	switch kind := c.Algorithm.Kind(); {
	case kind == engine.Hash, kind == engine.MAC:
		return c.resultSize()
	case kind == engine.AEAD && c.Direction != engine.Decrypt:
		return c.tagSize()
	}
	return 0
}

// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// box is one direction of a suite, whichever it is.
type box struct {
	id   ID
	cbc  BlockMode
	mac  hash.Hash
	gcm  AEAD
	iv   [NonceSize]byte // GCM: what the message's number is mixed into
	text []byte          // plaintext with padding; zeroed after each use
}

func (b *box) open(p Place, id ID, secret []byte, cbc func([]byte) (BlockMode, error), gcm func([]byte) (AEAD, error)) error {
	if !id.Known() || p.Suites()&id == 0 {
		return fmt.Errorf("%s: %w", id, ErrSuite)
	}
	k, err := expand(id, secret)
	if err != nil {
		return err
	}
	defer k.zero()
	b.id = id
	if id == GCM {
		b.iv = [NonceSize]byte(k.iv)
		b.gcm, err = gcm(k.cipher)
	} else {
		b.mac = hmac.New(sha256.New, k.mac)
		b.cbc, err = cbc(k.cipher)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w: %w", id, ErrCipher, err)
	}
	return nil
}

// Suite returns the suite.
func (b *box) Suite() ID { return b.id }

// Close gives the keys back, and zeroes what was sealed or opened last.
func (b *box) Close() error {
	clear(b.text[:cap(b.text)])
	clear(b.iv[:])
	if b.gcm != nil {
		return b.gcm.Close()
	}
	return b.cbc.Close()
}

// nonce is GCM's for message n: as in TLS 1.3 (RFC 8446 section 5.3).
func (b *box) nonce(n uint64) []byte {
	iv := b.iv
	for i := range 8 {
		iv[NonceSize-1-i] ^= byte(n >> (8 * i))
	}
	return iv[:]
}

// tag is CBC's MAC: over the additional data, IV and ciphertext, the message's
// number, and the length of the additional data, which says where it ends.
func (b *box) tag(n uint64, aad, sealed []byte) []byte {
	var end [16]byte
	binary.BigEndian.PutUint64(end[:], n)
	binary.BigEndian.PutUint64(end[8:], uint64(len(aad)))
	b.mac.Reset()
	b.mac.Write(aad)
	b.mac.Write(sealed)
	b.mac.Write(end[:])
	return b.mac.Sum(nil)
}

func (b *box) room(n int) []byte {
	if cap(b.text) < n {
		b.text = make([]byte, n)
	}
	return b.text[:n]
}

// Sealer seals. One goroutine uses it at a time.
type Sealer struct{ box }

// NewSealer opens a suite for sealing at p. The secret is borrowed for the call.
func NewSealer(p Place, id ID, secret []byte) (*Sealer, error) {
	s := new(Sealer)
	if err := s.open(p, id, secret, p.Encrypter, p.GCMSealer); err != nil {
		return nil, err
	}
	return s, nil
}

// Seal appends the sealed plaintext to dst. The number n is never used twice.
func (s *Sealer) Seal(dst []byte, n uint64, aad, plain []byte) ([]byte, error) {
	if len(plain) > MaxPlain {
		return nil, fmt.Errorf("%d bytes of plaintext, at most %d: %w", len(plain), MaxPlain, ErrSize)
	}
	size := len(plain) + blockSize - len(plain)%blockSize
	text := s.room(size)
	defer clear(text)
	for i := copy(text, plain); i < size; i++ {
		text[i] = byte(size - len(plain))
	}
	begin := len(dst)
	if s.id == GCM {
		dst = append(dst, make([]byte, size+TagSize)...)
		if err := s.gcm.Crypt(dst[begin:], text, aad, s.nonce(n)); err != nil {
			return nil, fmt.Errorf("encrypt: %w, nothing was sent: %w", ErrCipher, err)
		}
		return dst, nil
	}
	dst = append(dst, make([]byte, blockSize+size)...)
	iv := dst[begin:][:blockSize]
	rand.Read(iv) // never fails (crypto/rand)
	if err := s.cbc.Crypt(dst[begin+blockSize:], text, iv); err != nil {
		return nil, fmt.Errorf("encrypt: %w, nothing was sent: %w", ErrCipher, err)
	}
	return append(dst, s.tag(n, aad, dst[begin:])...), nil
}

// Opener opens. One goroutine uses it at a time.
type Opener struct{ box }

// NewOpener opens a suite for opening at p. The secret is borrowed for the call.
func NewOpener(p Place, id ID, secret []byte) (*Opener, error) {
	o := new(Opener)
	if err := o.open(p, id, secret, p.Decrypter, p.GCMOpener); err != nil {
		return nil, err
	}
	return o, nil
}

// Open checks and decrypts what was sealed as message n with the same
// additional data. The plaintext is valid until the next call.
func (o *Opener) Open(n uint64, aad, sealed []byte) ([]byte, error) {
	if !o.id.Fits(len(sealed)) {
		return nil, fmt.Errorf("%d bytes: %w", len(sealed), ErrSize)
	}
	var text []byte
	if o.id == GCM {
		text = o.room(len(sealed) - TagSize)
		if err := o.gcm.Crypt(text, sealed, aad, o.nonce(n)); err != nil {
			clear(text)
			if errors.Is(err, ErrForged) {
				return nil, ErrForged
			}
			return nil, fmt.Errorf("decrypt: %w: %w", ErrCipher, err)
		}
	} else {
		sealed, mac := sealed[:len(sealed)-macSize], sealed[len(sealed)-macSize:]
		if !hmac.Equal(mac, o.tag(n, aad, sealed)) {
			return nil, ErrForged
		}
		text = o.room(len(sealed) - blockSize)
		if err := o.cbc.Crypt(text, sealed[blockSize:], sealed[:blockSize]); err != nil {
			return nil, fmt.Errorf("decrypt: %w: %w", ErrCipher, err)
		}
	}
	return unpad(text)
}

// unpad takes the padding off (PKCS #7, RFC 5652 section 6.3). It sees
// authentic plaintext only, so its time tells a stranger nothing.
func unpad(b []byte) ([]byte, error) {
	if len(b) == 0 || len(b)%blockSize != 0 {
		return nil, fmt.Errorf("%d bytes with padding: %w", len(b), ErrSize)
	}
	n := int(b[len(b)-1])
	if n < 1 || n > blockSize {
		return nil, fmt.Errorf("padding of %d bytes: %w", n, ErrSize)
	}
	for _, p := range b[len(b)-n:] {
		if int(p) != n {
			return nil, fmt.Errorf("padding bytes differ: %w", ErrSize)
		}
	}
	return b[:len(b)-n], nil
}

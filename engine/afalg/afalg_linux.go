// SPDX-License-Identifier: Apache-2.0

package afalg

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
	"vcrypto/engine/internal/serial"
)

const name = "afalg"

func init() {
	engine.Register(engine.Driver{
		Name:  name,
		About: "the Linux kernel's crypto API, over AF_ALG sockets",
		// Behind all libraries: two system calls and two copies a request. And
		// opening it has the kernel load modules.
		Rank: 1,
		May:  everything(),
		Probe: func(engine.Options) error {
			_, err := open()
			return err
		},
		Open: func(o engine.Options) (engine.Engine, error) {
			e, err := open()
			if err != nil {
				return nil, err // not a nil *Engine
			}
			e.trouble.Logger = o.Log
			return e, nil
		},
	})
}

// The kernel's types of algorithms, salg_type of struct sockaddr_alg.
const (
	skcipher = "skcipher"
	hash     = "hash"
	aead     = "aead"
)

// kernelTypes are those types by kind.
var kernelTypes = map[engine.Kind]string{
	engine.Cipher: skcipher,
	engine.Hash:   hash,
	engine.MAC:    hash,
	engine.AEAD:   aead,
}

// kernelNames are the kernel's names of the algorithms.
var kernelNames = map[engine.Algorithm]string{
	engine.AESECB: "ecb(aes)",
	engine.AESCBC: "cbc(aes)",
	engine.AESCTR: "ctr(aes)",
	engine.AESXTS: "xts(aes)",

	engine.SHA1:     "sha1",
	engine.SHA224:   "sha224",
	engine.SHA256:   "sha256",
	engine.SHA384:   "sha384",
	engine.SHA512:   "sha512",
	engine.SHA3_224: "sha3-224",
	engine.SHA3_256: "sha3-256",
	engine.SHA3_384: "sha3-384",
	engine.SHA3_512: "sha3-512",

	engine.HMACSHA1:   "hmac(sha1)",
	engine.HMACSHA224: "hmac(sha224)",
	engine.HMACSHA256: "hmac(sha256)",
	engine.HMACSHA384: "hmac(sha384)",
	engine.HMACSHA512: "hmac(sha512)",
	engine.CMACAES:    "cmac(aes)",

	engine.AESGCM:           "gcm(aes)",
	engine.AESCCM:           "ccm(aes)",
	engine.ChaCha20Poly1305: "rfc7539(chacha20,poly1305)",

	engine.DESECB:       "ecb(des)",
	engine.DESCBC:       "cbc(des)",
	engine.TripleDESECB: "ecb(des3_ede)",
	engine.TripleDESCBC: "cbc(des3_ede)",
	engine.TripleDESCTR: "ctr(des3_ede)",
	engine.MD5:          "md5",
	engine.HMACMD5:      "hmac(md5)",
}

// limits says of which algorithms requests may be refused for their length or
// nonce.
func limits(a engine.Algorithm) bool { return a == engine.AESXTS || a.Kind() == engine.AEAD }

// everything is what kernels may have.
func everything() []engine.Support {
	var all []engine.Support
	for _, a := range engine.Algorithms() {
		if kernelNames[a] != "" {
			all = append(all, engine.Support{Algorithm: a, KeySizes: a.KeySizes(), Limits: limits(a)})
		}
	}
	return all
}

// Engine is the engine.
type Engine struct {
	support []engine.Support
	room    int // bytes that a socket takes and gives at once
	trouble serial.Trouble
}

// maxRoom is the most that is given to a socket at once, in bytes, a multiple of
// every block size. The kernel also counts what it takes to keep track of the
// pages (net.core.optmem_max); this is well below what that is good for.
const maxRoom = 128 << 10

// open asks the kernel for each algorithm.
func open() (*Engine, error) {
	e := &Engine{room: maxRoom}
	var why []error
	for _, s := range everything() {
		err := e.try(&s)
		switch {
		case err == nil:
			e.support = append(e.support, s)
		case errors.Is(err, unix.ENOENT): // no such algorithm, or no such type
		default:
			why = append(why, err)
		}
	}
	if len(e.support) == 0 {
		return nil, unavailable(errors.Join(why...))
	}
	return e, nil
}

// unavailable says what is missing. cause is nil if the kernel simply has none of
// the algorithms.
func unavailable(cause error) error {
	const modules = "modprobe -a algif_skcipher algif_hash algif_aead (of CONFIG_CRYPTO_USER_API_SKCIPHER, _HASH, _AEAD), with the modules of the algorithms"
	err := fmt.Errorf("%w: this kernel offers none of the algorithms over AF_ALG: %s", engine.ErrUnavailable, modules)
	switch {
	case errors.Is(cause, unix.EAFNOSUPPORT):
		err = fmt.Errorf("%w: this kernel has no AF_ALG: %s, or another kernel; in a container or a systemd unit it may be forbidden: %w",
			engine.ErrUnavailable, modules, unix.EAFNOSUPPORT)
	case errors.Is(cause, unix.EPERM), errors.Is(cause, unix.EACCES):
		err = fmt.Errorf("%w: AF_ALG sockets are forbidden here, by a container's seccomp filter or a security module's policy: %w", engine.ErrUnavailable, cause)
	case cause != nil:
		err = fmt.Errorf("%w: %w", engine.ErrUnavailable, cause)
	}
	return &engine.Error{Engine: name, Op: "open", Err: err}
}

// try finds out what the kernel has of an algorithm, and how much a socket of it
// holds.
func (e *Engine) try(s *engine.Support) error {
	keys := s.KeySizes
	if keys == nil {
		keys = []int{minKey} // of an HMAC; hashes have none
	}
	if s.Algorithm.Kind() == engine.Hash {
		keys = []int{0}
	}
	var sizes []int
	var last error
	for _, n := range keys {
		p := engine.Params{Algorithm: s.Algorithm, Key: make([]byte, n), TagSize: engine.MaxTag}
		for i := range p.Key {
			p.Key[i] = byte(i) // no weak key
		}
		x, err := dial(p)
		if err != nil {
			last = err
			continue
		}
		if s.Algorithm.Kind() != engine.Hash && s.Algorithm.Kind() != engine.MAC {
			err = e.measure(x)
		}
		x.close()
		if err != nil {
			return err
		}
		sizes = append(sizes, n)
	}
	if sizes == nil {
		return last
	}
	if s.KeySizes != nil {
		s.KeySizes = sizes
	}
	return nil
}

// minKey is a key for a try, in bytes.
const minKey = 32

// measure lowers e.room to what a socket holds. The kernel counts whole pages,
// and does not begin another run of the destination's memory when less than a
// page is left.
func (e *Engine) measure(x *sockets) error {
	page := os.Getpagesize()
	for _, buffer := range []struct {
		option int
		name   string
	}{{unix.SO_SNDBUF, "wmem_default"}, {unix.SO_RCVBUF, "rmem_default"}} {
		n, err := unix.GetsockoptInt(x.op, unix.SOL_SOCKET, buffer.option)
		if err != nil {
			return fmt.Errorf("ask an AF_ALG socket for its buffers: %w", err)
		}
		if n = n/page*page - page; n < page {
			return fmt.Errorf("net.core.%s is too small for AF_ALG: it should be %d or more", buffer.name, 3*page)
		}
		e.room = min(e.room, n)
	}
	return nil
}

// Name returns "afalg".
func (*Engine) Name() string { return name }

// Algorithms lists what the kernel had when the engine was opened.
func (e *Engine) Algorithms() []engine.Support { return e.support }

// NewSession opens the session's sockets. The key is in the kernel then, and
// nowhere else.
func (e *Engine) NewSession(p engine.Params) (engine.Session, error) {
	s, err := e.newSession(p)
	if err != nil {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: fmt.Errorf("%s: %w", p.Algorithm, err)}
	}
	return s, nil
}

func (e *Engine) newSession(p engine.Params) (engine.Session, error) {
	i := slices.IndexFunc(e.support, func(s engine.Support) bool { return s.Algorithm == p.Algorithm })
	if i < 0 {
		return nil, engine.ErrNotSupported
	}
	kind := p.Algorithm.Kind()
	switch kind {
	case engine.Cipher, engine.AEAD:
		if p.Direction != engine.Encrypt && p.Direction != engine.Decrypt {
			return nil, fmt.Errorf("%s: %w", p.Direction, engine.ErrNotSupported)
		}
	case engine.Hash:
		if len(p.Key) > 0 {
			return nil, fmt.Errorf("a hash with a key: %w", engine.ErrKey)
		}
	}
	if sizes := p.Algorithm.KeySizes(); sizes != nil && !slices.Contains(sizes, len(p.Key)) {
		return nil, fmt.Errorf("%d key bytes: %w", len(p.Key), engine.ErrKey)
	}
	if sizes := e.support[i].KeySizes; sizes != nil && !slices.Contains(sizes, len(p.Key)) {
		return nil, fmt.Errorf("%d key bytes: %w", len(p.Key), engine.ErrNotSupported)
	}
	if kind == engine.AEAD && !tagFits(p.Algorithm, p.TagSize) {
		return nil, fmt.Errorf("a tag of %d bytes: %w", p.TagSize, engine.ErrNotSupported)
	}
	x, err := dial(p)
	if err != nil {
		return nil, err
	}
	switch kind {
	case engine.Cipher:
		return &cipherSession{base: base{engine: e, sockets: x}, algorithm: p.Algorithm, direction: p.Direction}, nil
	case engine.AEAD:
		return &aeadSession{base: base{engine: e, sockets: x}, algorithm: p.Algorithm, direction: p.Direction, tagSize: p.TagSize}, nil
	}
	return &hashSession{base: base{engine: e, sockets: x}, size: p.Algorithm.ResultSize(), part: kind == engine.MAC}, nil
}

// NewWorker makes a worker.
func (e *Engine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w := new(work)
	return serial.New(c, w.do), nil
}

// Close does nothing: sessions have all that there is.
func (*Engine) Close() error { return nil }

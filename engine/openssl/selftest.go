// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"vcrypto/engine"
)

// selfTest asks for the known answers and returns what the library has. An
// answer that is wrong is an error; an algorithm that no provider has is not.
func (e *Engine) selfTest() ([]engine.Support, error) {
	w, err := e.NewWorker(engine.WorkerConfig{Depth: 1})
	if err != nil {
		return nil, err
	}
	defer w.Close()

	has := map[engine.Algorithm]bool{}
	for _, a := range answers {
		err := e.check(w, a)
		if errors.Is(err, engine.ErrNotSupported) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.algorithm, err)
		}
		has[a.algorithm] = true
	}
	var all []engine.Support
	for _, a := range engine.Algorithms() {
		if has[a] {
			all = append(all, engine.Support{Algorithm: a, KeySizes: e.keySizes(a)})
		}
	}
	return all, nil
}

// keySizes returns those for which a session can be opened.
func (e *Engine) keySizes(a engine.Algorithm) []int {
	var sizes []int
	for _, n := range a.KeySizes() {
		key := make([]byte, n)
		for i := range key {
			key[i] = byte(i)
		}
		s, err := e.NewSession(engine.Params{Algorithm: a, Direction: engine.Encrypt, Key: key, TagSize: engine.MaxTag})
		if err != nil {
			continue
		}
		s.Close()
		sizes = append(sizes, n)
	}
	return sizes
}

// check asks for one answer; of ciphers and AEADs, in both directions.
func (e *Engine) check(w engine.Worker, a answer) error {
	in, out, tag := unhex(a.in), unhex(a.out), unhex(a.tag)
	switch a.algorithm.Kind() {
	case engine.Cipher, engine.AEAD:
		if err := e.ask(w, a, engine.Encrypt, in, out, tag, engine.OK); err != nil {
			return err
		}
		if err := e.ask(w, a, engine.Decrypt, out, in, tag, engine.OK); err != nil {
			return err
		}
		if len(tag) == 0 {
			return nil
		}
		tag[0] ^= 1
		return e.ask(w, a, engine.Decrypt, out, make([]byte, len(in)), tag, engine.BadTag)
	}
	if err := e.ask(w, a, 0, in, out, nil, engine.OK); err != nil || a.op != engine.OpVerify {
		return err
	}
	in[len(in)-1] ^= 1
	return e.ask(w, a, 0, in, out, nil, engine.BadSignature)
}

func (e *Engine) ask(w engine.Worker, a answer, d engine.Direction, in, out, tag []byte, want engine.Status) error {
	s, err := e.NewSession(engine.Params{
		Algorithm: a.algorithm, Direction: d, Key: unhex(a.key), TagSize: len(tag),
		Private: a.private, Hash: a.hash,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	for range 2 { // the second time with what the first one left
		r := &engine.Request{
			Session: s, Src: in, Dst: make([]byte, len(out)), AAD: unhex(a.aad),
			Op: a.op, TagLen: uint8(len(tag)),
		}
		r.IVLen = uint8(copy(r.IV[:], unhex(a.iv)))
		if d != engine.Encrypt {
			copy(r.Tag[:], tag)
		}
		done := make([]*engine.Request, 1)
		if w.Submit([]*engine.Request{r}) != 1 || w.Reap(done, engine.Wait) != 1 {
			return errors.New("a request was not taken, or not given back")
		}
		if r.Status != want {
			return fmt.Errorf("status %d instead of %d", r.Status, want)
		}
		if !bytes.Equal(r.Dst, out) || want == engine.OK && !bytes.Equal(r.Tag[:len(tag)], tag) {
			return errors.New("wrong answer")
		}
	}
	return nil
}

// unhex decodes what this package has in its source.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Start opens the engine and has it give the known answers. One that does not
// is closed again: the error wraps [ErrUnavailable] and says what went wrong.
func (d Driver) Start(o Options) (Engine, error) {
	e, err := d.Open(o)
	if err != nil {
		return nil, err
	}
	given, err := SelfTest(e)
	if err == nil {
		for _, s := range e.Algorithms() {
			if !slices.Contains(given, s.Algorithm) {
				err = fmt.Errorf("%s: the engine says that it has it, and does not give its known answer", s.Algorithm)
				break
			}
		}
	}
	if err != nil {
		// Whether such an engine closes well is no matter.
		e.Close()
		return nil, &Error{d.Name, "self-test", fmt.Errorf("%w: the engine must not be used: %w", err, ErrUnavailable)}
	}
	return e, nil
}

// SelfTest has an engine give the known answers, of ciphers and AEADs in both
// directions, and of AEADs and signatures also wrong ones to find. It returns
// the algorithms whose answers were given. A wrong answer is an error; an
// algorithm that the engine does not have is not. It takes a few milliseconds.
func SelfTest(e Engine) (given []Algorithm, err error) {
	return selfTest(e, answers)
}

func selfTest(e Engine, answers []answer) (given []Algorithm, err error) {
	t := tester{engine: e}
	if t.worker, err = e.NewWorker(WorkerConfig{Depth: 1, Wake: func() {}}); err != nil {
		return nil, err
	}
	defer func() {
		if closed := t.worker.Close(); err == nil {
			err = closed
		}
	}()
	for _, a := range answers {
		err := t.check(a)
		switch {
		case errors.Is(err, ErrNotSupported):
		case err != nil:
			return nil, fmt.Errorf("%s: %w", a.algorithm, err)
		case !slices.Contains(given, a.algorithm):
			given = append(given, a.algorithm)
		}
	}
	slices.Sort(given)
	return given, nil
}

// tester asks an engine.
type tester struct {
	engine Engine
	worker Worker
}

// check asks for one answer; of ciphers and AEADs, in both directions.
func (t *tester) check(a answer) error {
	in, out, tag := unhex(a.in), unhex(a.out), unhex(a.tag)
	switch a.algorithm.Kind() {
	case Cipher, AEAD:
		if err := t.ask(a, Encrypt, in, out, tag, OK); err != nil {
			return err
		}
		if err := t.ask(a, Decrypt, out, in, tag, OK); err != nil {
			return err
		}
		if len(tag) == 0 {
			return nil
		}
		tag[0] ^= 1
		return t.ask(a, Decrypt, out, make([]byte, len(in)), tag, BadTag)
	}
	if err := t.ask(a, 0, in, out, nil, OK); err != nil || a.op != OpVerify {
		return err
	}
	in[len(in)-1] ^= 1
	return t.ask(a, 0, in, out, nil, BadSignature)
}

func (t *tester) ask(a answer, d Direction, in, out, tag []byte, want Status) error {
	s, err := t.engine.NewSession(Params{
		Algorithm: a.algorithm, Direction: d, Key: unhex(a.key), TagSize: len(tag),
		Private: a.private, Hash: a.hash,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	for range 2 { // the second time with what the first one left
		r := &Request{
			Session: s, Src: bytes.Clone(in), Dst: make([]byte, len(out)), AAD: unhex(a.aad),
			Op: a.op, TagLen: uint8(len(tag)),
		}
		r.IVLen = uint8(copy(r.IV[:], unhex(a.iv)))
		if d != Encrypt {
			copy(r.Tag[:], tag)
		}
		done := make([]*Request, 1)
		if t.worker.Submit([]*Request{r}) != 1 || t.worker.Reap(done, Wait) != 1 || done[0] != r {
			return errors.New("a request was not taken, or not given back")
		}
		if r.Status == NotSupported {
			return fmt.Errorf("a request of %d bytes: %w", len(in), ErrNotSupported)
		}
		if r.Status != want {
			return fmt.Errorf("status %d instead of %d", r.Status, want)
		}
		if !bytes.Equal(r.Dst, out) || want == OK && !bytes.Equal(r.Tag[:len(tag)], tag) {
			return errors.New("wrong answer")
		}
		if a.algorithm.Kind() == PublicKey && a.op != OpVerify && r.N != len(out) {
			return fmt.Errorf("a result of %d bytes instead of %d", r.N, len(out))
		}
	}
	return nil
}

// unhex decodes what this package has in its source.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil // found as a wrong answer
	}
	return b
}

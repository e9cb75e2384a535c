// SPDX-License-Identifier: Apache-2.0

package enginetest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	_ "vcrypto/engine/ipsecmb"
	_ "vcrypto/engine/openssl"
)

// wrong is gocrypto, but for one algorithm of which each result has a bit
// turned; or none is given.
type wrong struct {
	engine.Engine
	algorithm engine.Algorithm
	how       func(*engine.Request)
}

func (e wrong) Name() string { return "wrong" }

type wrongSession struct{ engine.Session }

func (e wrong) NewSession(p engine.Params) (engine.Session, error) {
	s, err := e.Engine.NewSession(p)
	if err == nil && p.Algorithm == e.algorithm {
		s = wrongSession{s}
	}
	return s, err
}

func (e wrong) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	w, err := e.Engine.NewWorker(c)
	return &wrongWorker{Worker: w, how: e.how}, err
}

type wrongWorker struct {
	engine.Worker
	how   func(*engine.Request)
	spoil []*engine.Request
}

func (w *wrongWorker) Submit(reqs []*engine.Request) int {
	for _, r := range reqs {
		if s, ok := r.Session.(wrongSession); ok {
			r.Session = s.Session
			w.spoil = append(w.spoil, r)
		}
	}
	return w.Worker.Submit(reqs)
}

func (w *wrongWorker) Reap(done []*engine.Request, mode engine.ReapMode) int {
	n := w.Worker.Reap(done, mode)
	for _, r := range done[:n] {
		if slices.Contains(w.spoil, r) {
			w.how(r)
			r.Session = wrongSession{r.Session}
		}
	}
	w.spoil = w.spoil[:0]
	return n
}

// ways in which an engine can be wrong.
var ways = map[string]func(*engine.Request){
	"one bit": func(r *engine.Request) {
		switch {
		case len(r.Dst) > 0:
			r.Dst[len(r.Dst)-1] ^= 1
		case r.Status == engine.BadSignature:
			r.Status = engine.OK
		}
	},
	"the status": func(r *engine.Request) { r.Status = engine.Failed },
	"no tag and no signature is bad": func(r *engine.Request) {
		if r.Status == engine.BadTag || r.Status == engine.BadSignature {
			r.Status = engine.OK
		} else if len(r.Dst) > 0 {
			r.Dst[0] ^= 0x80
		}
	},
}

// TestWrongEngineIsNotUsed: an engine that is wrong in any one algorithm is
// not opened by its name, and not by auto, which has it first.
func TestWrongEngineIsNotUsed(t *testing.T) {
	inner := wrong{Engine: gocrypto.New()}
	d := engine.Driver{
		Name:  "wrong",
		Rank:  1000,
		Probe: func(engine.Options) error { return nil },
		Open:  func(engine.Options) (engine.Engine, error) { return inner, nil },
	}
	engine.Register(d)
	t.Cleanup(func() { inner.algorithm = 0 }) // it is right again

	// As long as it is right, it is used.
	e, err := d.Start(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	tried := 0
	for what, how := range ways {
		for _, s := range gocrypto.New().Algorithms() {
			inner.algorithm, inner.how = s.Algorithm, how
			tried++
			_, err := d.Start(engine.Options{})
			if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), s.Algorithm.String()) || !strings.Contains(err.Error(), "self-test") {
				t.Errorf("%s, %s: error %v", s.Algorithm, what, err)
			}
		}
	}
	t.Logf("%d wrong engines", tried)
	if _, err := engine.Open("wrong", engine.Options{}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("by its name: %v", err)
	}
	if _, err := engine.OpenMix(engine.Auto, map[engine.Algorithm]string{engine.SHA256: "wrong"}, engine.Options{}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("for an algorithm: %v", err)
	}
	auto, err := engine.Open(engine.Auto, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer auto.Close()
	s, err := auto.NewSession(engine.Params{Algorithm: inner.algorithm, Key: make([]byte, 16), Direction: engine.Encrypt})
	if _, ours := s.(wrongSession); ours {
		t.Error("auto uses the wrong engine")
	} else if err == nil {
		s.Close()
	}
}

// boaster says that it has what it has not.
type boaster struct{ engine.Engine }

func (boaster) Algorithms() []engine.Support { return []engine.Support{{Algorithm: engine.CMACAES}} }

func TestBoasterIsNotUsed(t *testing.T) {
	d := engine.Driver{Name: "boaster", Open: func(engine.Options) (engine.Engine, error) { return boaster{gocrypto.New()}, nil }}
	if _, err := d.Start(engine.Options{}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// TestEveryAlgorithmHasAnAnswer: engines that are here have known answers of
// all they say they have, and all of them together of all algorithms but those
// that only an absent library has.
func TestEveryAlgorithmHasAnAnswer(t *testing.T) {
	started := 0
	missing := engine.Algorithms()
	for _, d := range engine.Drivers() {
		if d.Name == "wrong" {
			continue
		}
		e, err := d.Start(engine.Options{})
		if errors.Is(err, engine.ErrUnavailable) && !strings.Contains(err.Error(), "self-test") {
			t.Log(err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		started++
		given, err := engine.SelfTest(e)
		if err != nil {
			t.Error(err)
		}
		missing = slices.DeleteFunc(missing, func(a engine.Algorithm) bool { return slices.Contains(given, a) })
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	onlyOpenSSL := []engine.Algorithm{engine.CMACAES, engine.AESCCM, engine.RSARaw, engine.ECDSAP192}
	for _, a := range missing {
		if !slices.Contains(onlyOpenSSL, a) {
			t.Errorf("%s has no known answer", a)
		}
	}
	if started > 2 && len(missing) > 0 {
		t.Errorf("all engines are here, and no answer is given of %v", missing)
	}
}

// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"errors"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

// byName is only used by name, and after all others in the order of engines,
// so that what it refuses goes back to one before it.
var byName = &wrapped{name: "by-name", has: map[engine.Algorithm]bool{engine.AESCBC: true}}

func init() {
	engine.Register(engine.Driver{
		Name:  byName.name,
		Probe: func(engine.Options) error { return nil },
		Open:  func(engine.Options) (engine.Engine, error) { return byName, nil },
	})
}

func openMix(t testing.TB, name string, by map[engine.Algorithm]string) engine.Engine {
	t.Helper()
	e, err := engine.OpenMix(name, by, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestMixConformance(t *testing.T) {
	by := map[engine.Algorithm]string{engine.AESCBC: "by-name", engine.AESCTR: "limited"}
	for _, name := range []string{"last", "gocrypto"} {
		t.Run(name, func(t *testing.T) {
			before := byName.refused
			enginetest.Run(t, func(t testing.TB) engine.Engine { return modes{openMix(t, name, by)} })
			if byName.refused == before {
				t.Error("the engine that was named never refused a request, so this tested nothing")
			}
		})
	}
}

// TestMix: each algorithm's sessions are of the engine it was given to, and
// the rest of the default's.
func TestMix(t *testing.T) {
	e := openMix(t, "last", map[engine.Algorithm]string{engine.AESCBC: "by-name", engine.AESECB: "later"})
	defer e.Close()
	if n := len(e.Algorithms()); n != 3 {
		t.Errorf("%d algorithms, want CBC, ECB and the default's CTR: %v", n, e.Algorithms())
	}
	for a, want := range map[engine.Algorithm]*wrapped{
		engine.AESCBC: byName, engine.AESECB: later, engine.AESCTR: last,
	} {
		s, err := e.NewSession(engine.Params{Algorithm: a, Direction: engine.Encrypt, Key: make([]byte, 16)})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.(*wrappedSession).e; got != want {
			t.Errorf("%s is done by %s, want %s", a, got.name, want.name)
		}
		s.Close()
	}
}

func TestMixRefuses(t *testing.T) {
	for _, c := range []struct {
		by   string
		want error
	}{
		{"later", engine.ErrNotSupported}, // has no CBC
		{"missing", engine.ErrUnavailable},
		{"unheard-of", nil},
	} {
		_, err := engine.OpenMix(engine.Auto, map[engine.Algorithm]string{engine.AESCBC: c.by}, engine.Options{})
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("CBC by engine %s: error %v, want %v", c.by, err, c.want)
		}
	}
}

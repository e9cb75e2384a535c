// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"testing"

	"vcrypto/engine"
)

// shy are engines that say what they may have, and are not here. They count how
// often they are opened.
var shy = map[string]*int{}

func init() {
	for name, a := range map[string]engine.Algorithm{
		"shy-common": engine.AESCBC,  // others have that
		"shy-rare":   engine.CMACAES, // and nobody this
		"shy-steals": engine.AESXTS,  // and this gocrypto has with limits
	} {
		opened := new(int)
		shy[name] = opened
		engine.Register(engine.Driver{
			Name: name, Rank: 1,
			May:   []engine.Support{{Algorithm: a, KeySizes: a.KeySizes()}},
			Probe: func(engine.Options) error { return engine.ErrUnavailable },
			Open: func(engine.Options) (engine.Engine, error) {
				*opened++
				return nil, engine.ErrUnavailable
			},
		})
	}
}

// present is such an engine that is here. Of others' limits it could make up for
// those of gocrypto's XTS.
var present = &wrapped{name: "shy-there", has: map[engine.Algorithm]bool{engine.AESXTS: false, engine.AESCTR: false}}

func init() {
	engine.Register(engine.Driver{
		Name: present.name, Rank: 1,
		May:   present.Algorithms(),
		Probe: func(engine.Options) error { return nil },
		Open:  func(engine.Options) (engine.Engine, error) { return present, nil },
	})
}

// TestMay: an engine that has nothing to add is not opened, but by its name. That
// another has limits is nothing to add to.
func TestMay(t *testing.T) {
	opened := func(name string, f func() (engine.Engine, error)) bool {
		t.Helper()
		before := *shy[name]
		if e, err := f(); err == nil {
			e.Close()
		}
		return *shy[name] > before
	}
	auto := func() (engine.Engine, error) { return engine.Open(engine.Auto, engine.Options{}) }
	mix := func() (engine.Engine, error) {
		return engine.OpenMix(engine.Auto, map[engine.Algorithm]string{engine.AESCBC: "gocrypto"}, engine.Options{})
	}
	named := func() (engine.Engine, error) { return engine.Open("gocrypto", engine.Options{}) }
	// A default by name with something of another's, which is not asked for more.
	namedMix := func(another string) func() (engine.Engine, error) {
		return func() (engine.Engine, error) {
			return engine.OpenMix("gocrypto", map[engine.Algorithm]string{engine.CMACAES: another}, engine.Options{})
		}
	}
	for _, tt := range []struct {
		name string
		how  string
		f    func() (engine.Engine, error)
		want bool
	}{
		{"shy-common", "auto", auto, false}, {"shy-common", "mix", mix, false}, {"shy-common", "gocrypto", named, false},
		{"shy-rare", "auto", auto, true}, {"shy-rare", "mix", mix, true}, {"shy-rare", "gocrypto", named, false},
		{"shy-rare", "gocrypto, CMAC by auto", namedMix(engine.Auto), true}, {"shy-rare", "gocrypto, CMAC by itself", namedMix("gocrypto"), false},
		{"shy-steals", "auto", auto, false}, {"shy-steals", "mix", mix, false}, {"shy-steals", "gocrypto", named, false},
	} {
		if got := opened(tt.name, tt.f); got != tt.want {
			t.Errorf("%s: opened for %s: %t, want %t", tt.name, tt.how, got, tt.want)
		}
	}
	for name := range shy {
		if !opened(name, func() (engine.Engine, error) { return engine.Open(name, engine.Options{}) }) {
			t.Errorf("%s is not opened by its name", name)
		}
	}
}

// TestMayMakesUpForNothing: of an engine that is there for another algorithm no
// session is opened beside one with limits, where a key would be for nothing.
func TestMayMakesUpForNothing(t *testing.T) {
	e := openMix(t, "gocrypto", map[engine.Algorithm]string{engine.AESCTR: present.name})
	defer e.Close()
	for _, s := range e.Algorithms() {
		if s.Algorithm == engine.AESXTS && !s.Limits {
			t.Error("XTS is said to be without limits")
		}
	}
	for _, tt := range []struct {
		a    engine.Algorithm
		want int
	}{{engine.AESXTS, 0}, {engine.AESCTR, 1}} {
		key := make([]byte, 32)
		key[0] = 1 // the halves of a key of XTS differ
		s, err := e.NewSession(engine.Params{Algorithm: tt.a, Direction: engine.Encrypt, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if present.open != tt.want {
			t.Errorf("%s: %d sessions of %s, want %d", tt.a, present.open, present.name, tt.want)
		}
		s.Close()
	}
}

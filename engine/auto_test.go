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
		"shy-steals": engine.AESXTS,  // and this with limits
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

// TestMay: an engine that has nothing to add is not opened, but by its name.
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
	for _, tt := range []struct {
		name string
		how  string
		f    func() (engine.Engine, error)
		want bool
	}{
		{"shy-common", "auto", auto, false}, {"shy-common", "mix", mix, false}, {"shy-common", "gocrypto", named, false},
		{"shy-rare", "auto", auto, true}, {"shy-rare", "mix", mix, true},
		{"shy-steals", "auto", auto, true}, {"shy-steals", "mix", mix, true}, {"shy-steals", "gocrypto", named, true},
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

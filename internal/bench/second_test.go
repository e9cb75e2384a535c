// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"testing"

	"vcrypto/engine"
	_ "vcrypto/engine/gocrypto" // has AES-CBC
)

// rare is an algorithm that no engine has.
const rare = engine.Algorithm(0xffff)

// asked counts how often an engine was asked whether it is there, that is a last
// resort.
var asked int

func init() {
	engine.Register(engine.Driver{
		Name: "last-resort", Rank: 1,
		May:   []engine.Support{{Algorithm: engine.AESCBC, KeySizes: []int{16}}},
		Probe: func(engine.Options) error { asked++; return engine.ErrUnavailable },
		Open:  func(engine.Options) (engine.Engine, error) { return nil, engine.ErrUnavailable },
	})
}

// TestOpenOther: who says what a device should answer is not a last resort where
// another has the algorithm, even that which is measured.
func TestOpenOther(t *testing.T) {
	asked = 0 // other tests may ask
	for _, not := range []string{engine.Auto, "gocrypto"} {
		e, err := openOther(not, engine.AESCBC)
		if err != nil {
			t.Fatal(err)
		}
		e.Close()
	}
	if asked != 0 {
		t.Errorf("a last resort was asked %d times", asked)
	}
	if e, err := openOther(engine.Auto, rare); err == nil {
		t.Errorf("engine %s has what none has", e.Name())
	}
	if asked == 0 {
		t.Error("where nobody else has an algorithm, the last resort is not asked")
	}
}

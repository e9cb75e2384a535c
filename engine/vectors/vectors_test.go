// SPDX-License-Identifier: Apache-2.0

package vectors_test

import (
	"testing"

	"vcrypto/engine/vectors"
)

// TestFiles: all that there is can be read.
func TestFiles(t *testing.T) {
	all, err := vectors.Files()
	if err != nil {
		t.Fatal(err)
	}
	n, invalid := 0, 0
	for _, f := range all {
		bad := 0
		for _, v := range f.Vectors {
			if v.Invalid {
				bad++
			}
			if !v.Params.Algorithm.Valid() {
				t.Errorf("%s has no algorithm", v.Name)
			}
		}
		if len(f.Vectors) == 0 {
			t.Errorf("%s has no vectors", f.Name)
		}
		t.Logf("%-28s %5d, %d invalid, left out %v", f.Name, len(f.Vectors), bad, f.Left)
		n += len(f.Vectors)
		invalid += bad
	}
	// What was counted when the files were chosen: none are lost on the way.
	if len(all) != 128 || n != 24208 || invalid != 6390 {
		t.Errorf("%d files, %d vectors, %d invalid; there should be 128, 24208 and 6390", len(all), n, invalid)
	}
}

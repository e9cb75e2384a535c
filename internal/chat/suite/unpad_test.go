// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"testing"
)

func TestUnpad(t *testing.T) {
	block := bytes.Repeat([]byte{16}, 16)
	for name, b := range map[string][]byte{
		"empty": nil, "odd": block[:15],
		"zero":  append(bytes.Clone(block[:15]), 0),
		"17":    append(bytes.Clone(block[:15]), 17),
		"mixed": append(append(bytes.Clone(block[:13]), 2), 3, 3),
	} {
		if p, err := unpad(b); err == nil {
			t.Errorf("%s: unpadded to %x", name, p)
		}
	}
}

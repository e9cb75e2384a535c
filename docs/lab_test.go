// SPDX-License-Identifier: Apache-2.0

// Package docs is the documentation. Its one Go file tests what lab.md says of
// the sources.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestLabNames: what lab.md sends a reader to is there.
func TestLabNames(t *testing.T) {
	text, err := os.ReadFile("lab.md")
	if err != nil {
		t.Fatal(err)
	}
	functions := regexp.MustCompile("`([\\w./-]+\\.(?:go|c|h))#(\\w+)`").FindAllSubmatch(text, -1)
	if len(functions) < 30 {
		t.Errorf("%d functions are named", len(functions))
	}
	for _, m := range functions {
		source, err := os.ReadFile(filepath.Join("..", string(m[1])))
		if err != nil {
			t.Error(err)
			continue
		}
		// Where it is defined: at a line's beginning, not where it is called.
		if !regexp.MustCompile(`(?m)^(func |static |int |long |void |bool |struct |__poll_t |u64 |const )[^;\n]*\b` + string(m[2]) + `\(`).Match(source) {
			t.Errorf("%s has no function %s", m[1], m[2])
		}
	}
	for _, m := range regexp.MustCompile("`([\\w-]+(?:/[\\w.-]+)+)`").FindAllSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", string(m[1]))); err != nil {
			t.Error(err)
		}
	}
}

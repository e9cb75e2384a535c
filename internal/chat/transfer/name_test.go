// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFileNames(t *testing.T) {
	for s, want := range map[string]string{
		"photo.jpg": "photo.jpg", "../../etc/passwd": "passwd", `C:\x\y.exe`: "y.exe", ".bashrc": "bashrc", "..": "file", "": "file", "/": "file",
		"-rf": "rf", "a\x00b": "a_x00b", "a\nb": "a_nb", "a;rm *": "a_rm _", "~/x": "x", "Ümläut.txt": "Ümläut.txt",
	} {
		if got := FileName(s); got != want {
			t.Errorf("%q became %q, expected %q", s, got, want)
		}
	}
	if got := FileName(strings.Repeat("ö", 500)); len(got) > 120 {
		t.Errorf("a name of %d bytes", len(got))
	}
}

// FuzzFileName: whatever it is called, it is a plain name.
func FuzzFileName(f *testing.F) {
	f.Add("../../etc/passwd")
	f.Add("a\u202egpj.exe")
	f.Fuzz(func(t *testing.T, s string) {
		n := FileName(s)
		if n == "" || len(n) > 120 || n[0] == '.' || n[0] == '-' || strings.ContainsAny(n, "/\\\x00\n\x1b") || filepath.Base(n) != n {
			t.Errorf("%q became %q", s, n)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package psk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const good = "0123456789abcdef"

func TestFile(t *testing.T) {
	for name, c := range map[string]struct{ content, key, err string }{
		"as it is":         {good, good, ""},
		"line":             {good + "\n", good, ""},
		"line of DOS":      {good + "\r\n", good, ""},
		"two lines":        {good + "\n\n", good + "\n", ""},
		"spaces are kept":  {" " + good + " \n", " " + good + " ", ""},
		"binary":           {"\x00\xff" + good, "\x00\xff" + good, ""},
		"ends in CR":       {good + "\r", good + "\r", ""},
		"largest":          {strings.Repeat("k", MaxSize) + "\r\n", strings.Repeat("k", MaxSize), ""},
		"empty":            {"", "", "empty"},
		"empty line":       {"\n", "", "empty"},
		"short":            {good[:15] + "\n", "", "15 bytes"},
		"too large":        {strings.Repeat("k", MaxSize+1), "", "more than"},
		"much too large":   {strings.Repeat("k", 1<<20), "", "more than"},
		"short, only with": {good[:15] + "\r\n", "", "15 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			key, warning, err := Read(file)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || key != nil {
					t.Fatalf("key %q, error %v", key, err)
				}
				if strings.Contains(err.Error(), good[:8]) {
					t.Error("the error shows the key")
				}
				return
			}
			if err != nil || string(key) != c.key || warning != "" {
				t.Errorf("key %q, warning %q, error %v", key, warning, err)
			}
		})
	}
}

func TestPermissions(t *testing.T) {
	for mode, warns := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o620: true, 0o644: true} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, warning, err := Read(file)
		if err != nil || (warning != "") != warns {
			t.Errorf("mode %#o: warning %q, error %v", mode, warning, err)
		}
	}
}

// TestPipe: a key from another program, as <(pass show chat) gives it.
func TestPipe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(file, 0o644); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(file, []byte(good+"\n"), 0)
	key, warning, err := Read(file)
	if err != nil || string(key) != good || warning != "" {
		t.Errorf("key %q, warning %q, error %v", key, warning, err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv(Env, good+"\n")
	if key, _, err := Read(""); err != nil || string(key) != good {
		t.Errorf("key %q, error %v", key, err)
	}
	t.Setenv(Env, "")
	if key, _, err := Read(""); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("empty: key %q, error %v", key, err)
	}
	os.Unsetenv(Env) // t.Setenv restores it
	if _, _, err := Read(""); !errors.Is(err, ErrNone) {
		t.Errorf("none: error %v", err)
	}
	if _, _, err := Read(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: error %v", err)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package classic builds cryptodev-linux, from which /dev/crypto of Linux is
// known, and runs its own programs in guests: its tests, its examples and what
// it measures speed with. They are the same for whatever answers at /dev/crypto,
// and so tell whether our driver does what programs expect, and how fast.
//
// No Debian has cryptodev-linux. Its sources come from whoever runs this, or
// from scripts/fetch-cryptodev-linux. They are built in a copy, by their own
// Makefiles where they have any.
package classic

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Modules are those of Debian's kernel 6.1 that have algorithms which
// cryptodev-linux's programs ask for, beside those that are built in. There is no
// modprobe in our guests that would load them when they are wanted.
var Modules = []string{"ecb", "ctr", "xts", "gcm", "ghash_generic", "ccm", "authenc", "des_generic", "sha512_generic", "rmd160"}

// asynchronous turns on what is off by default there.
const asynchronous = "CRYPTODEV_CFLAGS=-DENABLE_ASYNC"

// Sources is a copy of cryptodev-linux's sources to build in.
type Sources struct{ dir string }

// Copy copies the sources in folder from to folder to, which must not exist.
func Copy(ctx context.Context, from, to string) (Sources, error) {
	if _, err := os.Stat(filepath.Join(from, "cryptodev_int.h")); err != nil {
		return Sources{}, fmt.Errorf("%s: no sources of cryptodev-linux: %w", from, err)
	}
	return Sources{to}, command(ctx, "cp", "-r", from, to)
}

// Module builds the kernel module, asynchronous calls included, for a kernel
// whose headers are installed, and returns its path.
func (s Sources) Module(ctx context.Context, kernel string) (string, error) {
	err := command(ctx, "make", "-C", s.dir, asynchronous, "KERNEL_DIR=/lib/modules/"+kernel+"/build", "build")
	return filepath.Join(s.dir, "cryptodev.ko"), err
}

// Program is one of cryptodev-linux's.
type Program struct {
	Name string
	Path string
}

// Speed says whether the program measures until an alarm tells it to stop.
func (p Program) Speed() bool { return strings.HasSuffix(p.Name, "speed") }

// caller is a program around those examples that are only functions.
//
//go:embed examples/caller.c
var caller []byte

var hasMain = regexp.MustCompile(`(?m)^(int\s+)?main\s*\(`)

// Programs builds all programs of the folders tests and examples: those of tests
// by their Makefile, of which there is none in examples.
func (s Sources) Programs(ctx context.Context) ([]Program, error) {
	tests, examples := filepath.Join(s.dir, "tests"), filepath.Join(s.dir, "examples")
	// Its asynchelper.h has inline functions in the sense of GNU's C89.
	const cflags = "CFLAGS=-O2 -fgnu89-inline"
	for _, target := range []string{"clean", "all"} {
		if err := command(ctx, "env", cflags, "make", "-C", tests, asynchronous, target); err != nil {
			return nil, err
		}
	}
	sources, err := filepath.Glob(filepath.Join(examples, "*.c"))
	if err != nil || len(sources) == 0 {
		return nil, errors.Join(err, fmt.Errorf("%s: no examples", examples))
	}
	for _, source := range sources {
		build := []string{"cc", "-O2", "-Wall", "-I" + s.dir, "-I" + examples, "-o", strings.TrimSuffix(source, ".c"), source}
		text, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		if !hasMain.Match(text) {
			name := strings.TrimSuffix(filepath.Base(source), ".c")
			main := filepath.Join(s.dir, "caller-"+name+".c")
			if err := os.WriteFile(main, caller, 0o600); err != nil {
				return nil, err
			}
			define := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
			build = append(build, "-DEXAMPLE_"+define, main)
		}
		if err := command(ctx, build[0], build[1:]...); err != nil {
			return nil, err
		}
	}
	var all []Program
	for _, dir := range []string{tests, examples} {
		found, err := programs(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// programs returns what can be executed in a folder.
func programs(dir string) (found []Program, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	const anybody = fs.FileMode(0o111)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.Mode()&anybody != 0 {
			name := e.Name()
			if filepath.Base(dir) == "examples" {
				name = "examples/" + name
			}
			found = append(found, Program{Name: name, Path: filepath.Join(dir, e.Name())})
		}
	}
	return found, nil
}

// command runs one of the host's; its output is in the error.
func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

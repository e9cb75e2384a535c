// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// libraries returns what a dynamically linked ELF file needs to run: its loader
// and libraries, by the paths at which the loader looks for them. For anything
// else it returns nothing. The loader itself is asked, as ldd does: nobody else
// knows all its rules. It maps the file without running it.
func libraries(path string) ([]string, error) {
	loader, err := loaderOf(path)
	if err != nil || loader == "" {
		return nil, err
	}
	out, err := exec.Command(loader, "--list", path).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return nil, fmt.Errorf("listing the libraries of %s: %w", path, err)
	}
	libs := []string{loader}
	for line := range strings.Lines(string(out)) {
		// "name => path (address)", "path (address)" or "name => not found".
		name, target, found := strings.Cut(strings.TrimSpace(line), " => ")
		if !found {
			target = name
		}
		if strings.HasPrefix(target, "not found") {
			return nil, fmt.Errorf("%s needs the library %s, which this system does not have", path, name)
		}
		target, _, _ = strings.Cut(target, " (")
		if strings.HasPrefix(target, "/") && target != loader {
			libs = append(libs, target)
		}
	}
	return libs, nil
}

// loaderOf returns the program loader that an ELF file names, or that its
// libraries do (a shared object names none itself); "" if it needs none.
func loaderOf(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		var format *elf.FormatError
		if errors.As(err, &format) || isShort(err) {
			return "", nil // a script, or data
		}
		return "", err
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return "", nil
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name := make([]byte, p.Filesz)
			if _, err := p.ReadAt(name, 0); err != nil {
				return "", fmt.Errorf("reading the loader's name in %s: %w", path, err)
			}
			return strings.TrimRight(string(name), "\x00"), nil
		}
	}
	if needed, err := f.ImportedLibraries(); err != nil || len(needed) == 0 {
		return "", nil
	}
	// A shared object is loaded by the same loader as this system's programs.
	self, err := loaderOfShell()
	if err != nil {
		return "", fmt.Errorf("finding the loader for %s: %w", path, err)
	}
	return self, nil
}

// loaderOfShell returns the loader of /bin/sh, which every system has.
func loaderOfShell() (string, error) {
	f, err := elf.Open("/bin/sh")
	if err != nil {
		return "", err
	}
	hasLoader := false
	for _, p := range f.Progs {
		hasLoader = hasLoader || p.Type == elf.PT_INTERP
	}
	f.Close()
	if !hasLoader {
		return "", errors.New("/bin/sh is linked statically")
	}
	return loaderOf("/bin/sh")
}

// isShort says whether a file was too short to be ELF.
func isShort(err error) bool {
	return errors.Is(err, os.ErrInvalid) || strings.Contains(err.Error(), "EOF")
}

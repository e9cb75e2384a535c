// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// module is a kernel module, ready to be put into the initramfs.
type module struct {
	name   string // with underscores
	path   string // on the host
	params string
	data   []byte // the object, uncompressed
}

// moduleSet finds the modules of one kernel and puts them into load order. What
// a module needs is read from the module itself (its .modinfo section, from
// which depmod makes modules.dep too), as an unpacked kernel has no modules.dep.
type moduleSet struct {
	version string
	paths   map[string]string // name to path, all of the kernel's
	builtin map[string]bool   // compiled into the image

	order   []module
	visited map[string]bool
}

// newModuleSet reads what the kernel has.
func newModuleSet(k Kernel) (*moduleSet, error) {
	s := &moduleSet{
		version: k.Version,
		paths:   make(map[string]string),
		builtin: make(map[string]bool),
		visited: make(map[string]bool),
	}
	err := filepath.WalkDir(k.Modules, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, ok := moduleName(path); ok && !d.IsDir() {
			s.paths[name] = path
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the modules of kernel %s: %w", k.Version, err)
	}
	if text, err := os.ReadFile(filepath.Join(k.Modules, "modules.builtin")); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := moduleName(strings.TrimSpace(line)); ok {
				s.builtin[name] = true
			}
		}
	}
	return s, nil
}

// moduleName returns the module's name for a path like .../virtio-rng.ko.xz.
func moduleName(path string) (string, bool) {
	base, suffix, ok := strings.Cut(filepath.Base(path), ".ko")
	switch suffix {
	case "", ".xz", ".zst", ".gz":
		return strings.ReplaceAll(base, "-", "_"), ok
	}
	return "", false
}

// add puts a module of the kernel and all it needs into the order. optional
// modules may be missing.
func (s *moduleSet) add(name string, optional bool) error {
	name = strings.ReplaceAll(name, "-", "_")
	if s.visited[name] || s.builtin[name] {
		return nil
	}
	path, ok := s.paths[name]
	if !ok && optional {
		return nil
	}
	if !ok {
		return fmt.Errorf("kernel %s has no module %s", s.version, name)
	}
	s.visited[name] = true
	return s.addFile(name, path, "")
}

// addFile puts the module in a file into the order, after all it needs.
func (s *moduleSet) addFile(name, path, params string) error {
	data, err := readModule(path)
	if err != nil {
		return fmt.Errorf("kernel module %s: %w", path, err)
	}
	info, err := modinfo(data)
	if err != nil {
		return fmt.Errorf("kernel module %s: %w", path, err)
	}
	if built := vermagic(info); built != "" && built != s.version {
		return fmt.Errorf("kernel module %s was built for kernel %s, but the guest's is %s: build it for that one (make driver), or choose another guest kernel", path, built, s.version)
	}
	for _, soft := range info["softdep"] {
		before, _, _ := strings.Cut(soft, "post:")
		for _, name := range strings.Fields(strings.ReplaceAll(before, "pre:", " ")) {
			if err := s.add(name, true); err != nil {
				return err
			}
		}
	}
	for _, list := range info["depends"] {
		for name := range strings.SplitSeq(list, ",") {
			if name == "" {
				continue
			}
			if err := s.add(name, false); err != nil {
				return fmt.Errorf("kernel module %s needs %s: %w", path, name, err)
			}
		}
	}
	s.order = append(s.order, module{name, path, params, data})
	return nil
}

// insmod adds a module that is not the kernel's own.
func (s *moduleSet) insmod(m Insmod) error {
	name, ok := moduleName(m.Path)
	if !ok {
		return fmt.Errorf("%s is not a kernel module: its name does not end in .ko", m.Path)
	}
	if s.visited[name] {
		return fmt.Errorf("kernel module %s is to be loaded twice (%s)", name, m.Path)
	}
	s.visited[name] = true
	return s.addFile(name, m.Path, m.Params)
}

// maxModule bounds a module's size, in bytes, against files that unpack to no end.
const maxModule = 256 << 20

// readModule returns the object in a module's file, uncompressed.
func readModule(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	switch filepath.Ext(path) {
	case ".gz":
		r, err = gzip.NewReader(f)
	case ".xz":
		r, err = xz.NewReader(f)
	case ".zst":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(f, zstd.WithDecoderConcurrency(1)); err == nil {
			defer d.Close()
			r = d
		}
	}
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	if len(data) > maxModule {
		return nil, fmt.Errorf("larger than %d bytes", maxModule)
	}
	return data, nil
}

// modinfo returns the module's description of itself: values by key.
func modinfo(data []byte) (map[string][]string, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("it has no .modinfo section: not a kernel module")
	}
	text, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("reading .modinfo: %w", err)
	}
	info := make(map[string][]string)
	for field := range bytes.SplitSeq(text, []byte{0}) {
		if key, value, ok := strings.Cut(string(field), "="); ok {
			info[key] = append(info[key], value)
		}
	}
	return info, nil
}

// vermagic returns the version of the kernel that a module was built for.
func vermagic(info map[string][]string) string {
	for _, magic := range info["vermagic"] {
		built, _, _ := strings.Cut(magic, " ")
		return built
	}
	return ""
}

// BuiltFor returns the version of the kernel that the module in a file was built for.
func BuiltFor(path string) (string, error) {
	data, err := readModule(path)
	if err != nil {
		return "", fmt.Errorf("kernel module %s: %w", path, err)
	}
	info, err := modinfo(data)
	if err != nil {
		return "", fmt.Errorf("kernel module %s: %w", path, err)
	}
	return vermagic(info), nil
}

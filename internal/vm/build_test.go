// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// names returns the modules' names in load order.
func names(order []module) (list []string) {
	for _, m := range order {
		list = append(list, m.name)
	}
	return list
}

// TestModuleOrder checks, on the real kernel, that each module comes after what
// it depends on, once, and that what is built in is left out.
func TestModuleOrder(t *testing.T) {
	k, err := FindKernel("", "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := newModuleSet(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"virtio_net", "virtio-crypto", "virtio_net", "ext4", "9p"} {
		if err := set.add(name, false); err != nil {
			t.Fatal(err)
		}
	}
	order := names(set.order)
	for _, pair := range [][2]string{
		{"failover", "net_failover"}, {"net_failover", "virtio_net"}, {"virtio_ring", "virtio_net"},
		{"crypto_engine", "virtio_crypto"}, {"jbd2", "ext4"}, {"9pnet", "9p"},
	} {
		first, second := slices.Index(order, pair[0]), slices.Index(order, pair[1])
		if set.builtin[pair[0]] {
			continue
		}
		if first < 0 || second < 0 || first > second {
			t.Errorf("%s must come before %s: %v", pair[0], pair[1], order)
		}
	}
	sorted := slices.Sorted(slices.Values(order))
	if len(slices.Compact(sorted)) != len(order) {
		t.Errorf("a module is there twice: %v", order)
	}
	before := len(set.order)
	for name := range set.builtin {
		if err := set.add(name, false); err != nil {
			t.Errorf("module %s, which is built in: %v", name, err)
		}
	}
	if len(set.order) != before || len(set.builtin) == 0 {
		t.Errorf("%d modules are built in, %d of them are to be loaded", len(set.builtin), len(set.order)-before)
	}
	if err := set.add("no_such", false); err == nil || !strings.Contains(err.Error(), k.Version) {
		t.Errorf("a module that does not exist: %v", err)
	}
}

// TestCompressedModules reads a module in each form that distributions have.
func TestCompressedModules(t *testing.T) {
	k, err := FindKernel("", "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := newModuleSet(k)
	if err != nil {
		t.Fatal(err)
	}
	want, err := readModule(set.paths["virtio_net"])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for ext, compress := range map[string]func(io.Writer) (io.WriteCloser, error){
		".gz":  func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		".xz":  func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
		".zst": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
	} {
		var packed bytes.Buffer
		w, err := compress(&packed)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(want)
		w.Close()
		path := filepath.Join(dir, "virtio-net.ko"+ext)
		if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := readModule(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of %d, %v", ext, len(got), len(want), err)
		}
		if name, ok := moduleName(path); name != "virtio_net" || !ok {
			t.Errorf("the name of %s is %q, %v", path, name, ok)
		}
	}
	if _, ok := moduleName("/lib/modules/x/modules.order"); ok {
		t.Error("modules.order is taken for a module")
	}
	// A module of another kernel is refused, with both versions.
	set.version = "9.9.9-other"
	if err := set.add("virtio_net", false); err == nil || !strings.Contains(err.Error(), k.Version) || !strings.Contains(err.Error(), "9.9.9-other") {
		t.Errorf("a module of another kernel: %v", err)
	}
}

func TestLibraries(t *testing.T) {
	libs, err := libraries("/usr/bin/env")
	if err != nil {
		t.Fatal(err)
	}
	joined := strings.Join(libs, " ")
	if !strings.Contains(joined, "/ld-linux") || !strings.Contains(joined, "/libc.so.6") {
		t.Errorf("the libraries of env: %v", libs)
	}
	// What ldd says, if it is there, is what we say.
	if out, err := exec.Command("ldd", "/usr/bin/env").Output(); err == nil {
		for _, lib := range libs {
			if !strings.Contains(string(out), lib) {
				t.Errorf("ldd does not name %s: %s", lib, out)
			}
		}
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	busybox, err := FindBusybox()
	if err != nil {
		t.Fatal(err)
	}
	for _, static := range []string{script, busybox, os.Getenv("VCRYPTO_INIT")} {
		if libs, err := libraries(static); err != nil || len(libs) > 0 {
			t.Errorf("the libraries of %s: %v, %v", static, libs, err)
		}
	}
}

// TestImage writes an archive and reads it back.
func TestImage(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(tree, "sub"), 0o750),
		os.WriteFile(filepath.Join(tree, "sub", "private"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(tree, "run"), []byte("#!/bin/sh\n"), 0o755),
		os.Symlink("sub/private", filepath.Join(tree, "link")),
		os.Chmod(filepath.Join(tree, "run"), 0o755|fs.ModeSetuid),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	im := newImage()
	for _, f := range []File{
		{Host: tree, Guest: "/opt/tree"},
		{Host: "/usr/bin/env", Guest: "/bin/env"}, // /bin is a link to /usr/bin
		{Data: []byte("text"), Guest: "/etc/a/b"},
		{Data: []byte("again"), Guest: "/etc/a/b", Mode: 0o400}, // the later one stays
	} {
		if err := im.add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := im.add(File{Data: []byte("x"), Guest: "relative"}); err == nil {
		t.Error("a relative path in the guest is taken")
	}
	if err := im.add(File{Host: "/dev/null"}); err == nil {
		t.Error("a device is taken for a file")
	}
	var archive bytes.Buffer
	if err := im.write(&archive); err != nil {
		t.Fatal(err)
	}

	type file struct {
		mode    cpio.FileMode
		content string
	}
	files := make(map[string]file)
	dirs := map[string]bool{".": true}
	for r := cpio.NewReader(&archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Linkname != "" {
			content = []byte(h.Linkname)
		}
		files[h.Name] = file{h.Mode, string(content)}
		if !dirs[filepath.Dir(h.Name)] {
			t.Errorf("%s comes before its folder", h.Name)
		}
		dirs[h.Name] = h.Mode.IsDir()
	}
	for name, want := range map[string]file{
		"opt/tree":             {cpio.TypeDir | 0o750, ""},
		"opt/tree/sub":         {cpio.TypeDir | 0o750, ""},
		"opt/tree/sub/private": {cpio.TypeReg | 0o600, "secret"},
		"opt/tree/run":         {cpio.TypeReg | cpio.ModeSetuid | 0o755, "#!/bin/sh\n"},
		"opt/tree/link":        {cpio.TypeSymlink | 0o777, "sub/private"},
		"etc/a/b":              {cpio.TypeReg | 0o400, "again"},
		"bin":                  {cpio.TypeSymlink | 0o777, "usr/bin"},
		"tmp":                  {cpio.TypeDir | cpio.ModeSticky | 0o777, ""},
	} {
		if got := files[name]; got != want {
			t.Errorf("%s: %o %q, want %o %q", name, got.mode, got.content, want.mode, want.content)
		}
	}
	env, err := os.ReadFile("/usr/bin/env")
	if err != nil {
		t.Fatal(err)
	}
	if got := files["usr/bin/env"]; got.content != string(env) || got.mode.Perm() != 0o755 {
		t.Errorf("env: %d bytes of %d, mode %o", len(got.content), len(env), got.mode)
	}
	if _, there := files["usr/lib64/ld-linux-x86-64.so.2"]; !there {
		t.Error("env's loader is not in the image")
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Version{
		"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright": {7, 2, 22},
		"QEMU emulator version 11.1.3 (Debian)":                                     {11, 1, 3},
		"QEMU emulator version 10.0":                                                {10, 0, 0},
	} {
		if got, err := ParseVersion(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := ParseVersion("BusyBox v1.35"); err == nil {
		t.Error("busybox is taken for a QEMU")
	}
	if v := (Version{10, 2, 0}); !v.AtLeast(10, 2) || v.AtLeast(10, 3) || !v.AtLeast(9, 9) || v.AtLeast(11, 0) {
		t.Error("AtLeast is wrong")
	}
	ordered := []string{"6.1.0-9-amd64", "6.1.0-13-amd64", "6.12.95+deb12-amd64", "7.2.0"}
	if !slices.IsSortedFunc(ordered, compareNumbers) || compareNumbers(ordered[1], ordered[0]) <= 0 {
		t.Error("kernels are not in the order of their numbers")
	}
	for _, bad := range []string{"", ":/x", "/nonexistent:/x", "/etc/hosts:relative"} {
		if f, err := ParseFile(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, f)
		}
	}
	if f, err := ParseFile("/etc/hosts:/x"); err != nil || f.Host != "/etc/hosts" || f.Guest != "/x" {
		t.Errorf("%v, %v", f, err)
	}
}

// TestFindKernel makes caches of empty files.
func TestFindKernel(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("VCRYPTO_CACHE", cache)
	t.Setenv("VCRYPTO_KERNEL", "")
	put := func(version, image string) string {
		root := filepath.Join(cache, "kernels", version)
		for _, err := range []error{
			os.MkdirAll(filepath.Join(root, "boot"), 0o755),
			os.MkdirAll(filepath.Join(root, "lib", "modules", version), 0o755),
			os.WriteFile(filepath.Join(root, "boot", image+"-"+version), nil, 0o644),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return filepath.Join(root, "boot", image+"-"+version)
	}
	check := func(image, modules, wantVersion, wantImage string) {
		t.Helper()
		k, err := FindKernel(image, modules)
		if err != nil || k.Version != wantVersion || filepath.Base(k.Image) != wantImage {
			t.Errorf("FindKernel(%q, %q) = %v, %v; want %s, %s", image, modules, k, err, wantVersion, wantImage)
		}
	}
	put("6.1.0-9-amd64", "vmlinuz")
	put("6.1.0-13-amd64", "vmlinuz")
	check("", "", "6.1.0-13-amd64", "vmlinuz-6.1.0-13-amd64")
	check("6.1.0-9-amd64", "", "6.1.0-9-amd64", "vmlinuz-6.1.0-9-amd64")
	path := put("6.1.0-9-amd64", "vmlinux")
	check("6.1.0-9-amd64", "", "6.1.0-9-amd64", "vmlinux-6.1.0-9-amd64") // uncompressed is better
	check(path, "", "6.1.0-9-amd64", "vmlinux-6.1.0-9-amd64")
	check(path, filepath.Join(cache, "kernels/6.1.0-13-amd64/lib/modules/6.1.0-13-amd64"), "6.1.0-13-amd64", "vmlinux-6.1.0-9-amd64")
	if err := os.Symlink("6.1.0-9-amd64", filepath.Join(cache, "kernels", "default")); err != nil {
		t.Fatal(err)
	}
	check("", "", "6.1.0-9-amd64", "vmlinux-6.1.0-9-amd64")
	for _, bad := range [][2]string{{"5.0", ""}, {"/nonexistent", ""}, {"", "/lib/modules"}, {path, "/nonexistent"}} {
		if k, err := FindKernel(bad[0], bad[1]); err == nil {
			t.Errorf("FindKernel(%q, %q) = %v", bad[0], bad[1], k)
		}
	}
}

func TestLogBuffer(t *testing.T) {
	var tee bytes.Buffer
	l := newLogBuffer(&tee)
	line := strings.Repeat("x", 1023) + "\n"
	for range 3 * maxLog / len(line) {
		io.WriteString(l, line)
	}
	io.WriteString(l, "the end\r\n")
	if n := len(l.text); n > 2*maxLog || n < maxLog {
		t.Errorf("%d bytes are kept", n)
	}
	if !strings.HasSuffix(l.String(), "x\nthe end\n") || tee.Len() < 3*maxLog-1024 {
		t.Error("the end of the log is lost, or its copy")
	}
	if tail := l.tail(); strings.Count(tail, "\n") != tailLines-1 {
		t.Errorf("the tail has %d lines", strings.Count(tail, "\n")+1)
	}
}

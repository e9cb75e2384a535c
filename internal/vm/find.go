// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// QEMUName is the emulator's program name.
const QEMUName = "qemu-system-x86_64"

// CacheDir returns the folder that the fetch scripts fill: $VCRYPTO_CACHE, or
// vcrypto in the user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("VCRYPTO_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w; set VCRYPTO_CACHE to a folder", err)
	}
	return filepath.Join(dir, "vcrypto"), nil
}

// Version is a QEMU version.
type Version struct{ Major, Minor, Micro int }

// String returns the version as QEMU writes it.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// AtLeast says whether v is major.minor or later.
func (v Version) AtLeast(major, minor int) bool {
	return v.Compare(Version{major, minor, 0}) >= 0
}

// Compare orders versions as [cmp.Compare] orders numbers.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Micro, w.Micro))
}

var versionPattern = regexp.MustCompile(`version (\d+)\.(\d+)(?:\.(\d+))?`)

// ParseVersion reads what qemu-system-x86_64 --version prints.
func ParseVersion(output string) (Version, error) {
	m := versionPattern.FindStringSubmatch(output)
	if m == nil {
		first, _, _ := strings.Cut(output, "\n")
		return Version{}, fmt.Errorf("no QEMU version in %q", first)
	}
	var v Version
	for i, p := range []*int{&v.Major, &v.Minor, &v.Micro} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return Version{}, fmt.Errorf("QEMU version in %q: %w", m[0], err)
		}
		*p = n
	}
	return v, nil
}

// QEMU is an emulator on this machine.
type QEMU struct {
	Path    string
	Version Version
}

// probeQEMU asks a program for its version.
func probeQEMU(path string) (QEMU, error) {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return QEMU{}, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	v, err := ParseVersion(string(out))
	if err != nil {
		return QEMU{}, fmt.Errorf("%s: %w", path, err)
	}
	return QEMU{path, v}, nil
}

// FindQEMU returns the QEMU named (a path or a program in $PATH) or, if path is
// empty, the first that there is of: $VCRYPTO_QEMU, qemu-system-x86_64 in $PATH,
// the newest in the cache.
func FindQEMU(path string) (QEMU, error) {
	path = cmp.Or(path, os.Getenv("VCRYPTO_QEMU"))
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return QEMU{}, fmt.Errorf("QEMU: %w", err)
		}
		return probeQEMU(found)
	}
	all := FindQEMUs()
	if len(all) == 0 {
		return QEMU{}, errors.New("no " + QEMUName + " in $PATH or the cache: run make setup, or apt-get install qemu-system-x86")
	}
	return all[0], nil
}

// FindQEMUs returns every QEMU of $PATH and the cache that runs: first the one
// of $PATH, then the cache's, newest first.
func FindQEMUs() []QEMU {
	var found []QEMU
	if p, err := exec.LookPath(QEMUName); err == nil {
		if q, err := probeQEMU(p); err == nil {
			found = append(found, q)
		}
	}
	cache, err := CacheDir()
	if err != nil {
		return found
	}
	// Only version folders: links named for suites point to the same.
	paths, _ := filepath.Glob(filepath.Join(cache, "qemu", "[0-9]*", QEMUName))
	var cached []QEMU
	for _, p := range paths {
		if q, err := probeQEMU(p); err == nil {
			cached = append(cached, q)
		}
	}
	slices.SortFunc(cached, func(a, b QEMU) int { return b.Version.Compare(a.Version) })
	return append(found, cached...)
}

// FindQEMUAtLeast returns the first QEMU of [FindQEMUs] that is major.minor or later.
func FindQEMUAtLeast(major, minor int) (QEMU, error) {
	for _, q := range FindQEMUs() {
		if q.Version.AtLeast(major, minor) {
			return q, nil
		}
	}
	return QEMU{}, fmt.Errorf("no QEMU %d.%d or later in $PATH or the cache: run scripts/fetch-qemu trixie-backports, which unpacks one into the cache", major, minor)
}

// Kernel is a guest kernel with its modules.
type Kernel struct {
	Version string // as uname -r prints it
	Image   string // path of the bzImage or, faster under emulation, the ELF vmlinux
	Modules string // path of lib/modules/VERSION
}

// FindKernel returns the kernel named: image and modules may each be given, and
// image may also be a version of the cache. If both are empty it takes the
// cache's default (the distribution's own), or else the newest there, or else
// the running system's if it is readable.
func FindKernel(image, modules string) (Kernel, error) {
	image = cmp.Or(image, os.Getenv("VCRYPTO_KERNEL"))
	cache, err := CacheDir()
	if err != nil {
		return Kernel{}, err
	}
	dir := filepath.Join(cache, "kernels")
	if image == "" && modules != "" {
		return Kernel{}, fmt.Errorf("modules in %s, but no kernel image to go with them: name it with --kernel", modules)
	}
	if image != "" && !strings.Contains(image, "/") {
		k := cachedKernel(dir, image)
		if !k.exists() {
			return Kernel{}, fmt.Errorf("no kernel %s in %s: scripts/fetch-guest-kernel %s gets it (with --suite SUITE if it is another suite's)", image, dir, image)
		}
		return k, nil
	}
	if image != "" {
		return kernelFromImage(image, modules)
	}
	if version, err := os.Readlink(filepath.Join(dir, "default")); err == nil {
		if k := cachedKernel(dir, filepath.Base(version)); k.exists() {
			return k, nil
		}
	}
	if kernels := FindKernels(); len(kernels) > 0 {
		return kernels[0], nil
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		v := strings.TrimSpace(string(release))
		k := Kernel{v, "/boot/vmlinuz-" + v, "/lib/modules/" + v}
		if k.exists() {
			return k, nil
		}
	}
	return Kernel{}, fmt.Errorf("no guest kernel in %s: run make setup, or scripts/fetch-guest-kernel", dir)
}

// FindKernels returns the kernels of the cache, newest first.
func FindKernels() (kernels []Kernel) {
	cache, err := CacheDir()
	if err != nil {
		return nil
	}
	dir := filepath.Join(cache, "kernels")
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		// The link to the default one is another name of it.
		if k := cachedKernel(dir, e.Name()); e.IsDir() && k.exists() {
			kernels = append(kernels, k)
		}
	}
	slices.SortFunc(kernels, func(a, b Kernel) int { return compareNumbers(b.Version, a.Version) })
	return kernels
}

func cachedKernel(dir, version string) Kernel {
	root := filepath.Join(dir, version)
	k := Kernel{version, filepath.Join(root, "boot", "vmlinux-"+version), filepath.Join(root, "lib", "modules", version)}
	if !k.exists() {
		k.Image = filepath.Join(root, "boot", "vmlinuz-"+version)
	}
	return k
}

// exists says whether image and modules can be read.
func (k Kernel) exists() bool {
	f, err := os.Open(k.Image)
	if err != nil {
		return false
	}
	f.Close()
	_, err = os.ReadDir(k.Modules)
	return err == nil
}

// kernelFromImage completes a kernel of which the image is known. Its modules
// lie where every distribution has them, unless they are named.
func kernelFromImage(image, modules string) (Kernel, error) {
	if _, err := os.Stat(image); err != nil {
		return Kernel{}, fmt.Errorf("guest kernel: %w", err)
	}
	if modules != "" {
		k := Kernel{filepath.Base(filepath.Clean(modules)), image, modules}
		if !k.exists() {
			return Kernel{}, fmt.Errorf("kernel %s with modules in %s cannot be read", image, modules)
		}
		return k, nil
	}
	_, version, _ := strings.Cut(filepath.Base(image), "-")
	for _, root := range []string{filepath.Dir(filepath.Dir(image)), "/"} {
		k := Kernel{version, image, filepath.Join(root, "lib", "modules", version)}
		if k.exists() {
			return k, nil
		}
	}
	return Kernel{}, fmt.Errorf("the modules of kernel %s are not beside it in ../lib/modules: name their folder with --modules", image)
}

var numberPattern = regexp.MustCompile(`\d+`)

// compareNumbers orders names by the numbers in them: 6.1.9 before 6.1.10.
func compareNumbers(a, b string) int {
	as, bs := numberPattern.FindAllString(a, -1), numberPattern.FindAllString(b, -1)
	byNumber := slices.CompareFunc(as, bs, func(x, y string) int {
		return cmp.Or(cmp.Compare(len(strings.TrimLeft(x, "0")), len(strings.TrimLeft(y, "0"))), cmp.Compare(x, y))
	})
	return cmp.Or(byNumber, cmp.Compare(a, b))
}

// FindInit returns the guest's init program: $VCRYPTO_INIT, vcrypto-init beside
// the running program, or in bin/ of the source tree that we are in.
func FindInit() (string, error) {
	return FindBuilt("vcrypto-init", "VCRYPTO_INIT", "make build")
}

// FindBuilt returns the path of something that the build makes: what the
// environment variable env names, name beside the running program, or name in
// the bin folder of the source tree that the working folder is in. The error
// says that target makes it.
func FindBuilt(name, env, target string) (string, error) {
	if p := os.Getenv(env); p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("%s: %w", env, err)
		}
		return p, nil
	}
	var places []string
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		places = append(places, filepath.Join(filepath.Dir(self), name))
	}
	if dir, err := os.Getwd(); err == nil {
		for ; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				places = append(places, filepath.Join(dir, "bin", name))
				break
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	for _, p := range places {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s: %s makes it", name, strings.Join(places, ", "), target)
}

// FindBusybox returns a static busybox: $VCRYPTO_BUSYBOX or the one in $PATH.
func FindBusybox() (string, error) {
	p, err := exec.LookPath(cmp.Or(os.Getenv("VCRYPTO_BUSYBOX"), "busybox"))
	if err != nil {
		return "", fmt.Errorf("the guest's shell: %w: run make setup, or apt-get install busybox-static", err)
	}
	return filepath.EvalSymlinks(p)
}

// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"

	"vcrypto/internal/vm/proto"
)

// image collects the files of an initramfs and writes them as a cpio archive
// (newc). It is not compressed: under emulation the guest unpacks slower than
// QEMU reads.
type image struct {
	entries map[string]entry
	libs    map[string]bool // libraries that were added already
}

// entry is a file of the image: a folder, a link, or bytes of either source.
type entry struct {
	mode fs.FileMode
	link string // target, for symbolic links
	data []byte // content, or
	host string // the file that has it
}

// links of the guest's root: as in a merged-/usr distribution, where every
// program and library is below /usr.
var rootLinks = map[string]string{
	"/bin": "usr/bin", "/sbin": "usr/bin", "/usr/sbin": "bin",
	"/lib": "usr/lib", "/lib64": "usr/lib64",
}

func newImage() *image {
	im := &image{entries: make(map[string]entry), libs: make(map[string]bool)}
	for _, dir := range []string{"/usr/bin", "/usr/lib", "/usr/lib64", "/etc", "/root", "/dev", "/proc", "/sys", "/run", "/var", "/mnt"} {
		im.dir(dir, 0o755)
	}
	im.dir("/tmp", 0o777|fs.ModeSticky)
	for link, target := range rootLinks {
		im.entries[link] = entry{mode: fs.ModeSymlink | 0o777, link: target}
	}
	im.data("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
	im.data("/etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n")
	im.data("/etc/hosts", 0o644, "127.0.0.1 localhost\n10.0.2.2 host\n")
	im.data("/etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files\n")
	return im
}

// place returns where a guest path lies when the root's links are followed, and
// makes the folders above it.
func (im *image) place(p string) string {
	p = path.Clean("/" + p)
	for again := true; again; {
		again = false
		for link, target := range rootLinks {
			if rest, ok := strings.CutPrefix(p, link+"/"); ok {
				p = path.Join(path.Dir(link), target, rest)
				again = true
			}
		}
	}
	if up := path.Dir(p); up != "/" && im.entries[up].mode == 0 {
		im.dir(up, 0o755)
	}
	return p
}

func (im *image) dir(p string, mode fs.FileMode) {
	p = im.place(p)
	if _, isLink := rootLinks[p]; !isLink {
		im.entries[p] = entry{mode: fs.ModeDir | mode}
	}
}

func (im *image) data(p string, mode fs.FileMode, text string) {
	im.entries[im.place(p)] = entry{mode: mode, data: []byte(text)}
}

// add puts a file or folder of the host, with the libraries it needs, into the image.
func (im *image) add(f File) error {
	if f.Data != nil {
		if !path.IsAbs(f.Guest) {
			return fmt.Errorf("a file to add: its path in the guest, %q, must be absolute", f.Guest)
		}
		im.entries[im.place(f.Guest)] = entry{mode: cmp.Or(f.Mode.Perm(), 0o644), data: f.Data}
		return nil
	}
	host, err := filepath.EvalSymlinks(f.Host)
	if err != nil {
		return fmt.Errorf("adding %s to the guest: %w", f.Host, err)
	}
	guest := f.Guest
	if guest == "" {
		if guest, err = filepath.Abs(f.Host); err != nil {
			return err
		}
	}
	return filepath.WalkDir(host, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("adding %s to the guest: %w", f.Host, err)
		}
		rel, err := filepath.Rel(host, p)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0)
		if p == host {
			mode = f.Mode
		}
		return im.addOne(p, path.Join(guest, filepath.ToSlash(rel)), mode)
	})
}

// addOne puts one file, link or folder into the image. A mode of 0 is the file's own.
func (im *image) addOne(host, guest string, mode fs.FileMode) error {
	info, err := os.Lstat(host)
	if err != nil {
		return err
	}
	own := info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	mode = cmp.Or(mode, own)
	switch {
	case info.IsDir():
		im.dir(guest, mode)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(host)
		if err != nil {
			return err
		}
		im.entries[im.place(guest)] = entry{mode: fs.ModeSymlink | 0o777, link: target}
	case info.Mode().IsRegular():
		im.entries[im.place(guest)] = entry{mode: mode, host: host}
		return im.addLibraries(host)
	default:
		return fmt.Errorf("%s is neither a file, a folder nor a link: it cannot be added to the guest", host)
	}
	return nil
}

func (im *image) addLibraries(host string) error {
	libs, err := libraries(host)
	if err != nil {
		return err
	}
	for _, lib := range libs {
		if im.libs[lib] {
			continue
		}
		im.libs[lib] = true
		real, err := filepath.EvalSymlinks(lib)
		if err != nil {
			return fmt.Errorf("a library of %s: %w", host, err)
		}
		info, err := os.Stat(real)
		if err != nil {
			return err
		}
		im.entries[im.place(lib)] = entry{mode: info.Mode().Perm(), host: real}
	}
	return nil
}

// addBusybox adds busybox and a link for every program it is.
func (im *image) addBusybox(host string) error {
	out, err := exec.Command(host, "--list").Output()
	if err != nil {
		return fmt.Errorf("asking %s for its programs: %w", host, err)
	}
	const guest = "/usr/bin/busybox"
	for _, name := range strings.Fields(string(out)) {
		im.entries[im.place("/usr/bin/"+name)] = entry{mode: fs.ModeSymlink | 0o777, link: "busybox"}
	}
	return im.addOne(host, guest, 0o755)
}

// write writes the archive.
func (im *image) write(to io.Writer) error {
	buffered := bufio.NewWriterSize(to, 1<<20)
	w := cpio.NewWriter(buffered)
	// In this order each folder comes before what is in it.
	for _, name := range slices.Sorted(maps.Keys(im.entries)) {
		if err := im.entries[name].write(w, strings.TrimPrefix(name, "/")); err != nil {
			return fmt.Errorf("writing %s to the initramfs: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}

func (e entry) write(w *cpio.Writer, name string) error {
	h := &cpio.Header{Name: name, Mode: cpio.FileMode(e.mode.Perm())}
	for bit, unix := range map[fs.FileMode]cpio.FileMode{
		fs.ModeSetuid: cpio.ModeSetuid, fs.ModeSetgid: cpio.ModeSetgid, fs.ModeSticky: cpio.ModeSticky,
	} {
		if e.mode&bit != 0 {
			h.Mode |= unix
		}
	}
	switch {
	case e.mode.IsDir():
		h.Mode |= cpio.TypeDir
		h.Links = 2
		return w.WriteHeader(h)
	case e.mode&fs.ModeSymlink != 0:
		h.Mode |= cpio.TypeSymlink
		h.Size = int64(len(e.link))
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.WriteString(w, e.link)
		return err
	}
	h.Mode |= cpio.TypeReg
	if e.host == "" {
		h.Size = int64(len(e.data))
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := w.Write(e.data)
		return err
	}
	f, err := os.Open(e.host)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Size = info.Size()
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(w, f, h.Size)
	return err
}

// buildInitramfs writes the initramfs of a completed configuration.
func buildInitramfs(c Config, to io.Writer) error {
	im := newImage()
	if err := im.addOne(c.Init, "/init", 0o755); err != nil {
		return fmt.Errorf("the guest's init: %w", err)
	}
	if err := im.addBusybox(c.Busybox); err != nil {
		return err
	}
	boot := proto.Boot{Hostname: c.Hostname}
	if err := im.addModules(c, &boot); err != nil {
		return err
	}
	for i, s := range c.Shares {
		boot.Mounts = append(boot.Mounts, proto.Mount{Tag: shareTag(i), Path: s.Guest})
	}
	for _, n := range c.NICs {
		boot.NICs = append(boot.NICs, proto.NIC{MAC: n.mac, Prefix: n.Prefix})
	}
	for _, f := range c.Files {
		if err := im.add(f); err != nil {
			return err
		}
	}
	text, err := json.Marshal(boot)
	if err != nil {
		return err
	}
	im.data(proto.BootFile, 0o644, string(text))
	return im.write(to)
}

// addModules adds the modules that the machine itself needs, those asked for,
// and all that these depend on.
func (im *image) addModules(c Config, boot *proto.Boot) error {
	set, err := newModuleSet(c.Kernel)
	if err != nil {
		return err
	}
	names := []string{"virtio_pci", "virtio_console"}
	if len(c.NICs) > 0 {
		names = append(names, "virtio_net")
	}
	if len(c.Shares) > 0 {
		names = append(names, "9pnet_virtio", "9p")
	}
	for _, name := range append(names, c.Modules...) {
		if err := set.add(name, false); err != nil {
			return err
		}
	}
	for _, m := range c.Insmod {
		if err := set.insmod(m); err != nil {
			return err
		}
	}
	dir := "/lib/modules/" + c.Kernel.Version
	for _, m := range set.order {
		p := path.Join(dir, m.name+".ko")
		im.entries[im.place(p)] = entry{mode: 0o644, data: m.data}
		boot.Modules = append(boot.Modules, proto.Module{Path: p, Params: m.params})
	}
	return nil
}

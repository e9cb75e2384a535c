// SPDX-License-Identifier: Apache-2.0

// Package packaging builds Debian packages; see README.md. Its one Go file is
// their test, as far as it takes seconds and no root; test-packages is the rest.
package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const version = "1.2~test"

// command runs a command and returns what it printed.
func command(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "VERSION="+version, "COMPRESSION=none")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// unpack returns the folder of a package's files, and its description.
func unpack(t *testing.T, deb string) (dir, fields string) {
	t.Helper()
	dir = t.TempDir()
	command(t, "", "dpkg-deb", "-x", deb, dir)
	return dir, command(t, "", "dpkg-deb", "-f", deb)
}

func want(t *testing.T, dir string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
			t.Error(err)
		}
	}
}

// TestPackages builds both and looks into them.
func TestPackages(t *testing.T) {
	if _, err := os.Stat("../bin/vcrypto-init"); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	debs := strings.Fields(command(t, "", "./build-deb", t.TempDir()))
	if len(debs) != 2 {
		t.Fatalf("packages: %q", debs)
	}

	host, fields := unpack(t, debs[0])
	for _, field := range []string{"Package: vcrypto\n", "Version: " + version + "\n", "libc6 ("} {
		if !strings.Contains(fields, field) {
			t.Errorf("no %q in\n%s", field, fields)
		}
	}
	want(t, host, "usr/bin/vcrypto", "usr/bin/vchat", "usr/lib/vcrypto/vcrypto-init", "usr/share/doc/vcrypto/examples/vcrypto.toml",
		"usr/share/doc/vcrypto/copyright", "usr/lib/sysusers.d/vcrypto.conf", "etc/vcrypto.toml",
		"usr/share/man/man1/vcrypto.1.gz", "usr/share/man/man1/vcrypto-bench-device.1.gz", "usr/share/man/man1/vchat-listen.1.gz",
		"usr/share/bash-completion/completions/vcrypto", "usr/share/zsh/vendor-completions/_vchat",
		"usr/share/fish/vendor_completions.d/vcrypto.fish")
	if conffiles := command(t, "", "dpkg-deb", "-I", debs[0], "conffiles"); conffiles != "/etc/vcrypto.toml\n" {
		t.Errorf("conffiles: %q", conffiles)
	}
	// The licenses of what is linked in must come along.
	copyright, err := os.ReadFile(filepath.Join(host, "usr/share/doc/vcrypto/copyright"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"Go", "github.com/spf13/cobra", "golang.org/x/sys"} {
		if !bytes.Contains(copyright, []byte("\nFiles: linked/"+module+"\nCopyright:\n ")) {
			t.Errorf("no license of %s in\n%s", module, copyright)
		}
	}
	unit, err := os.ReadFile(filepath.Join(host, "lib/systemd/system/vcrypto.service"))
	if err != nil || !bytes.Contains(unit, []byte("ExecStart=/usr/bin/vcrypto serve")) || bytes.Contains(unit, []byte("/usr/local")) {
		t.Errorf("the unit: %v\n%s", err, unit)
	}
	if out := command(t, "", filepath.Join(host, "usr/bin/vcrypto"), "serve", "--print-capabilities"); !strings.Contains(out, "crypto") {
		t.Errorf("the program printed %q", out)
	}

	guest, fields := unpack(t, debs[1])
	if !strings.Contains(fields, "Architecture: all\n") || !strings.Contains(fields, "dkms") {
		t.Errorf("fields:\n%s", fields)
	}
	source := filepath.Join(guest, "usr/src/virtio-cryptodev-"+version)
	want(t, guest, "lib/udev/rules.d/60-virtio-cryptodev.rules", "usr/share/virtio-cryptodev/use-virtio-cryptodev.conf",
		"usr/share/virtio-cryptodev/use-virtio-crypto.conf", "usr/share/virtio-cryptodev/modules-load.conf", "usr/lib/sysusers.d/virtio-cryptodev.conf")
	conf, err := os.ReadFile(filepath.Join(source, "dkms.conf"))
	if err != nil || !bytes.Contains(conf, []byte(`PACKAGE_VERSION="`+version+`"`)) {
		t.Errorf("dkms.conf: %v\n%s", err, conf)
	}
	// Every source that the driver has, and no test of it.
	sources, err := filepath.Glob("../guest/driver/*.[ch]")
	if err != nil || len(sources) == 0 {
		t.Fatal("no sources", err)
	}
	sources = slices.DeleteFunc(sources, func(p string) bool { return strings.HasSuffix(p, ".mod.c") })
	for _, p := range append(sources, "Kbuild", "Makefile", "uapi/crypto/cryptodev.h") {
		want(t, source, strings.TrimPrefix(p, "../guest/driver/"))
	}
	if _, err := os.Stat(filepath.Join(source, "tests")); err == nil {
		t.Error("the driver's tests are packaged")
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		for i, deb := range debs {
			if i == 1 && script == "postrm" {
				continue // the driver's package has none
			}
			check := exec.Command("sh", "-n")
			check.Stdin = strings.NewReader(command(t, "", "dpkg-deb", "-I", deb, script))
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s of %s: %v\n%s", script, deb, err, out)
			}
		}
	}

	if os.Getenv("VCRYPTO_TEST_ALL") == "" {
		return
	}
	// As DKMS builds it.
	builds, err := filepath.Glob("/lib/modules/*/build")
	if err != nil || len(builds) == 0 {
		t.Fatal("no kernel's headers: make setup installs them", err)
	}
	for _, build := range builds {
		command(t, source, "make", "KDIR="+build, "modules")
		want(t, source, "virtio_cryptodev.ko")
		command(t, source, "make", "KDIR="+build, "clean")
	}
}

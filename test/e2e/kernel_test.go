// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vcrypto/engine/gocrypto"
	"vcrypto/internal/vm"
)

// driverAlgorithms are those that our driver registers with the kernel's crypto
// API on a device of ours, but for rsa, which takes OpenSSL.
var driverAlgorithms = []string{
	"ecb-aes", "cbc-aes", "ctr-aes", "xts-aes", "gcm-aes", "ccm-aes", "authenc-hmac-sha256-cbc-aes",
	"sha1", "sha224", "sha256", "sha384", "sha512",
	"hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512",
}

// driverStats returns the counters of a guest's first device.
func driverStats(t *testing.T, v *vm.VM) map[string]int {
	t.Helper()
	stats := make(map[string]int)
	for line := range strings.Lines(run(t, v, "cat", "/sys/kernel/debug/virtio_cryptodev/cryptodev0")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.Atoi(value); err == nil {
			stats[name] = n
		}
		if _, counter, ok := strings.Cut(name, "dataq."); ok {
			_, counter, _ = strings.Cut(counter, ".")
			n, _ := strconv.Atoi(value)
			stats["data."+counter] += n
		}
	}
	return stats
}

// tested returns /proc/crypto once the kernel has tested what is registered.
// Up to 6.1 registering waits for that.
func tested(t *testing.T, v *vm.VM) string {
	t.Helper()
	return run(t, v, "sh", "-c", "while grep -q larval /proc/crypto; do sleep 1; done; cat /proc/crypto")
}

// selfTests fails the test if an algorithm of our driver is not registered, or
// the kernel's self-test of it has not passed.
func selfTests(t *testing.T, v *vm.VM, names []string) {
	t.Helper()
	all := tested(t, v)
	for _, name := range names {
		driver := "virtio-cryptodev-" + name
		if !strings.Contains(all, driver+"\n") {
			t.Errorf("%s is not registered", driver)
			continue
		}
		if got := procCrypto(t, all, driver); got["selftest"] != "passed" || got["module"] != "virtio_cryptodev" {
			t.Errorf("%s: selftest %s, module %s", driver, got["selftest"], got["module"])
		}
	}
	if bad := regexp.MustCompile(`(?m)^.*alg: .*fail.*$`).FindString(v.Log()); bad != "" {
		t.Errorf("the kernel complained of an algorithm: %s", bad)
	}
}

// preferred fails the test if the kernel would rather take another's algorithm
// than ours of the same name, in a guest without code for the CPU's instructions.
// Of the same priority the newest is taken: so not ours.
func preferred(t *testing.T, all string, names []string) {
	t.Helper()
	for _, name := range names {
		ours := procCrypto(t, all, "virtio-cryptodev-"+name)
		mine, _ := strconv.Atoi(ours["priority"])
		for entry := range strings.SplitSeq(all, "\n\n") {
			other := procFields(entry)
			n, _ := strconv.Atoi(other["priority"])
			if other["name"] == ours["name"] && other["driver"] != ours["driver"] && n >= mine {
				t.Errorf("%s has priority %d, %s has %d: nobody gets ours", ours["driver"], mine, other["driver"], n)
			}
		}
	}
}

// drivers returns our driver for the kernel that guests boot by default, and
// with testAll all builds of it.
func drivers(t *testing.T) []string {
	t.Helper()
	all := []string{builtModule(t, "virtio_cryptodev.ko")}
	if testAll {
		more, err := filepath.Glob(filepath.Join(root, "bin/driver/*/virtio_cryptodev.ko"))
		if err != nil || len(more) == 0 {
			t.Fatalf("no drivers for other kernels (%v): run make drivers", err)
		}
		all = append(all, more...)
	}
	return all
}

// eachKernel runs f as a subtest for each kernel that there is a driver for,
// with the configuration of a guest that has it.
func eachKernel(t *testing.T, params string, f func(*testing.T, vm.Config)) {
	t.Run("default", func(t *testing.T) { f(t, withDriver(t, params)) })
	moreKernels(t, params, f)
}

// moreKernels is eachKernel without the kernel that guests boot by default.
func moreKernels(t *testing.T, params string, f func(*testing.T, vm.Config)) {
	for _, path := range drivers(t)[1:] {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			c := withDriver(t, params)
			c.Insmod[0].Path = path
			f(t, c)
		})
	}
}

// TestKernelDoor: the kernel's own tests pass for all that our driver
// registers, and the kernel's users get from it what the kernel's code gives.
func TestKernelDoor(t *testing.T) {
	w := generic(t)
	pkey := buildPkey(t)
	eachKernel(t, "", func(t *testing.T, c vm.Config) {
		d := serve(t)
		c.QEMU = w.qemu.Path
		c.CPUs = 2
		c.Devices = attach(t, w, d.socket)
		c.Modules = []string{"algif_skcipher", "algif_aead", "algif_hash", "pkcs8_key_parser"}
		c.Files = append(c.Files, driverTest(t, "kernel"), vm.File{Host: pkey, Guest: "/tests/pkey"})
		v := boot(t, c)
		names := driverAlgorithms
		if strings.Contains(tested(t, v), "virtio-cryptodev-rsa") {
			names = append(slices.Clone(names), "rsa")
			before := driverStats(t, v)["data.kernel_requests"]
			run(t, v, "/tests/pkey")
			if driverStats(t, v)["data.kernel_requests"] == before {
				t.Error("the kernel's keyring did not use the device for RSA")
			}
		}
		selfTests(t, v, names)
		if n := driverStats(t, v)["data.kernel_requests"]; n < 500 {
			t.Errorf("the kernel's self-tests sent %d requests to the device", n)
		}
		// AF_ALG of newer kernels leaves hardware out, and aes-generic is gone.
		if release := run(t, v, "uname", "-r"); !strings.HasPrefix(release, "7.") {
			preferred(t, run(t, v, "cat", "/proc/crypto"), names)
			if out, err := try(t, v, "/tests/kernel"); err != nil {
				t.Errorf("/tests/kernel: %v\n%s", err, tail(out, 60))
			}
		}
		run(t, v, "rmmod", "virtio_cryptodev")
		if left := run(t, v, "cat", "/proc/crypto"); strings.Contains(left, "virtio-cryptodev") {
			t.Errorf("algorithms without their module:\n%s", left)
		}
		cleanLog(t, v)
	})
}

// TestKernelDoorSelfTestRuns: a device that is wrong does not pass.
func TestKernelDoorSelfTestRuns(t *testing.T) {
	if !testAll {
		t.Skip("CI shows it by the in-tree driver: TestInTreeSelfTestRuns")
	}
	w := generic(t)
	c := withDriver(t, "")
	c.QEMU = w.qemu.Path
	c.Devices = attach(t, w, serveEngine(t, w, wrongEngine{gocrypto.New()}))
	v := boot(t, c)
	for _, name := range []string{"skcipher: virtio-cryptodev-cbc-aes", "aead: virtio-cryptodev-gcm-aes", "ahash: virtio-cryptodev-sha256"} {
		if _, err := v.WaitLog(t.Context(), regexp.MustCompile(`alg: `+name+` .*(failed|wrong)`)); err != nil {
			t.Errorf("%s: a wrong engine passed the kernel's self-test: %v", name, err)
		}
	}
}

// luks sets up, fills and reopens an encrypted volume. $1 is what to do.
const luks = `set -eu
export DM_DISABLE_UDEV=1
opened() { printf 'a password' | cryptsetup open --disable-locks --key-file - /dev/vda secret; mount -t ext4 /dev/mapper/secret /mnt; }
closed() { umount /mnt; cryptsetup close --disable-locks secret; }
mkdir -p /mnt /run/cryptsetup
case $1 in
make)
	printf 'a password' | cryptsetup luksFormat --disable-locks --batch-mode --type luks2 \
		--luks2-metadata-size 16k --luks2-keyslots-size 256k \
		--pbkdf pbkdf2 --pbkdf-force-iterations 1000 --cipher aes-xts-plain64 --key-size 512 /dev/vda -
	printf 'a password' | cryptsetup open --disable-locks --key-file - /dev/vda secret
	mke2fs /dev/mapper/secret >/dev/null 2>&1
	mount -t ext4 /dev/mapper/secret /mnt
	dd if=/dev/urandom of=/mnt/random bs=64k count=64 2>/dev/null
	yes 'what must not be readable' | head -c 262144 >/mnt/text
	(cd /mnt && sha256sum random text >sums)
	sync
	;;
check)
	echo 3 >/proc/sys/vm/drop_caches
	(cd /mnt && sha256sum -c sums)
	;;
open) opened ;;
close) closed ;;
esac
`

// TestLUKS: an encrypted volume on the device: made, filled, closed, opened
// again and compared; and again by the kernel's own code, so that it is what
// it says it is.
func TestLUKS(t *testing.T) {
	w := generic(t)
	eachKernel(t, "", func(t *testing.T, c vm.Config) {
		d := serve(t)
		disk := filepath.Join(t.TempDir(), "disk")
		if err := os.WriteFile(disk, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(disk, 64<<20); err != nil {
			t.Fatal(err)
		}
		c.QEMU = w.qemu.Path
		c.CPUs = 2
		c.Devices = append(attach(t, w, d.socket),
			"-drive", "if=none,id=disk,format=raw,file="+disk, "-device", "virtio-blk-pci,drive=disk")
		c.Modules = []string{"virtio_blk", "dm_crypt", "ext4", "xts"}
		if !strings.Contains(c.Insmod[0].Path, "/7.") {
			c.Modules = append(c.Modules, "crc32c_generic") // which newer kernels have built in
		}
		c.Files = append(c.Files,
			vm.File{Host: cryptsetup(t), Guest: "/usr/sbin/cryptsetup"},
			vm.File{Data: []byte(luks), Guest: "/luks"})
		v := boot(t, c)
		do := func(what string) string {
			t.Helper()
			return run(t, v, "sh", "/luks", what)
		}
		before := driverStats(t, v)
		do("make")
		made := driverStats(t, v)
		if n := made["data.kernel_requests"] - before["data.kernel_requests"]; n < 500 {
			t.Errorf("the volume was written with %d requests to the device", n)
		}
		if made["users"] == 0 {
			t.Error("the open volume is no user of the device")
		}
		if out, err := try(t, v, "rmmod", "virtio_cryptodev"); err == nil {
			t.Errorf("rmmod under an open volume succeeded: %s", out)
		}
		do("check")
		do("close")
		raw, err := os.ReadFile(disk)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(raw, []byte("LUKS")) || bytes.Contains(raw, []byte("what must not be readable")) {
			t.Error("the disk has no LUKS header, or has plain text on it")
		}
		do("open")
		do("check")
		read := driverStats(t, v)
		if n := read["data.bytes"] - made["data.bytes"]; n < 4<<20 {
			t.Errorf("%d bytes of the volume were read through the device", n)
		}
		do("close")
		if n := read["fallbacks"] - before["fallbacks"]; n > 0 {
			t.Errorf("%d requests of the volume were done in software", n)
		}
		run(t, v, "rmmod", "virtio_cryptodev")
		do("open")
		do("check")
		do("close")
		cleanLog(t, v)
	})
}

// cryptsetup returns the path of Debian's.
func cryptsetup(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/usr/sbin/cryptsetup", "/sbin/cryptsetup"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("no cryptsetup: run make setup, or install cryptsetup-bin")
	return ""
}

// TestKernelTLS: the kernel's TLS on the device, when its priority says so.
func TestKernelTLS(t *testing.T) {
	w := generic(t)
	eachKernel(t, "priority=1000", func(t *testing.T, c vm.Config) {
		d := serve(t)
		c.QEMU = w.qemu.Path
		c.CPUs = 2
		c.Devices = attach(t, w, d.socket)
		// The CPU's own instructions have 400.
		c.Modules = []string{"tls", "aesni_intel"}
		c.Files = append(c.Files, driverTest(t, "ktls"))
		v := boot(t, c)
		before := driverStats(t, v)
		if out, err := try(t, v, "/tests/ktls"); err != nil {
			t.Fatalf("/tests/ktls: %v\n%s", err, out)
		}
		after := driverStats(t, v)
		if n := after["data.bytes"] - before["data.bytes"]; n < 8<<20 {
			t.Errorf("%d bytes of 4 MiB sent and received went through the device (%d requests, %d in software)", n,
				after["data.kernel_requests"]-before["data.kernel_requests"], after["fallbacks"]-before["fallbacks"])
		}
		cleanLog(t, v)
	})
}

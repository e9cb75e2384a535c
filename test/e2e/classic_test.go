// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/classic"
	"vcrypto/internal/vm"
)

// classicAlarm is how long a measurement of cryptodev-linux's programs takes:
// here it is enough that they come to their end.
const classicAlarm = 200 * time.Millisecond

// classicPrograms are those that there must be: that none is left out.
var classicPrograms = []string{
	"cipher", "cipher-aead", "cipher-aead-srtp", "cipher-gcm", "hmac", "async_cipher", "async_hmac",
	"cipher_comp", "hash_comp", "hmac_comp",
	"speed", "async_speed", "fullspeed", "sha_speed", "hashcrypt_speed",
	"examples/aes", "examples/aes-gcm", "examples/aes-sha1", "examples/sha", "examples/sha-copy",
}

// outcomes are those of programs in one guest, by name.
type outcomes map[string]classic.Outcome

// TestCryptodevLinux: cryptodev-linux's own programs, unchanged, on our
// /dev/crypto. What passes on cryptodev-linux passes here, and measures as much;
// what fails there is only told.
func TestCryptodevLinux(t *testing.T) {
	const variable = "VCRYPTO_CRYPTODEV_LINUX"
	folder := os.Getenv(variable)
	if folder == "" {
		t.Skip("no Debian has cryptodev-linux: make test-cryptodev-linux gets its sources, or name their folder with " + variable)
	}
	sources, err := classic.Copy(t.Context(), folder, filepath.Join(t.TempDir(), "cryptodev-linux"))
	if err != nil {
		t.Fatal(err)
	}
	programs, err := sources.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range classicPrograms {
		if !slices.ContainsFunc(programs, func(p classic.Program) bool { return p.Name == name }) {
			t.Errorf("%s has no program %s", folder, name)
		}
	}
	// It is built for the kernel whose headers are installed.
	kernel, err := vm.FindKernel("", "")
	if err != nil {
		t.Fatal(err)
	}
	module, err := sources.Module(t.Context(), kernel.Version)
	if err != nil {
		t.Fatal(err)
	}
	columns := []string{"cryptodev-linux, in software", "cryptodev-linux, in-tree driver"}
	classics := map[string]outcomes{
		columns[0]: onClassic(t, module, programs, false),
		columns[1]: onClassic(t, module, programs, true),
	}
	table := maps.Clone(classics)
	for name, there := range classics {
		for _, p := range programs {
			if o := there[p.Name]; o.Err != nil {
				t.Logf("%s fails on %s: %v\n%s", p.Name, name, o.Err, tail(o.Output, 10))
			}
		}
	}
	ours := func(t *testing.T, w way, c vm.Config) {
		kernel, err := vm.BuiltFor(c.Insmod[0].Path)
		if err != nil {
			t.Fatal(err)
		}
		name := w.String() + ", " + kernel
		columns = append(columns, name)
		table[name] = onOurs(t, w, c, programs, classics)
	}
	for _, w := range ways(t) {
		t.Run(w.String(), func(t *testing.T) { ours(t, w, withDriver(t, "")) })
	}
	moreKernels(t, "", func(t *testing.T, c vm.Config) { ours(t, generic(t), c) })
	t.Log("\n" + outcomeTable(programs, columns, table))
}

// onClassic runs programs on cryptodev-linux, in a guest in which all algorithms
// are the kernel's own, or AES-CBC is the in-tree driver's on a device of QEMU's.
func onClassic(t *testing.T, module string, programs []classic.Program, inTree bool) outcomes {
	t.Helper()
	c := vm.Config{
		QEMU:    generic(t).qemu.Path,
		CPUs:    2,
		Modules: slices.Clone(classic.Modules),
		Insmod:  []vm.Insmod{{Path: module}},
		Files:   classic.Files(programs),
	}
	if inTree {
		c.Devices = []string{"-object", "cryptodev-backend-builtin,id=builtin", "-device", "virtio-crypto-pci,cryptodev=builtin"}
		c.Modules = append(c.Modules, "virtio_crypto")
	}
	v := boot(t, c)
	defer v.Close()
	all := runPrograms(t, v, programs)
	if out := all["cipher_comp"].Output; strings.Contains(out, inTreeCBC) != inTree {
		t.Errorf("AES-CBC is not done by whom it should be: %s", tail(out, 5))
	}
	return all
}

// runPrograms runs them one after the other.
func runPrograms(t *testing.T, v *vm.VM, programs []classic.Program) outcomes {
	t.Helper()
	// The longest takes a minute on a machine that does nothing else.
	const hang = 10 * time.Minute
	all := make(outcomes)
	for _, p := range programs {
		ctx, cancel := context.WithTimeout(t.Context(), hang)
		all[p.Name] = p.Run(ctx, v, classicAlarm)
		cancel()
	}
	return all
}

// beyondCBC are programs that need ciphers of which QEMU's own device, as it
// stands before cryptodev-vhost-user, does not tell its guest.
var beyondCBC = []string{"cipher-aead-srtp", "cipher-gcm", "examples/aes-gcm"}

// onOurs runs programs on our driver, and compares.
func onOurs(t *testing.T, w way, c vm.Config, programs []classic.Program, classics map[string]outcomes) outcomes {
	t.Helper()
	d := w.serve(t)
	c.QEMU, c.CPUs, c.Devices = w.qemu.Path, 2, attach(t, w, d.socket)
	c.Files = append(c.Files, classic.Files(programs)...)
	v := boot(t, c)
	defer v.Close()
	before := driverStats(t, v)
	all := runPrograms(t, v, programs)
	after := driverStats(t, v)
	for _, p := range programs {
		got := all[p.Name]
		if !w.wholeDevice() && slices.Contains(beyondCBC, p.Name) {
			if got.Err == nil {
				t.Errorf("%s passes without the ciphers that it needs", p.Name)
			}
			continue
		}
		for name, there := range classics {
			want := there[p.Name]
			switch {
			case want.Err == nil && got.Err != nil:
				t.Errorf("%s passes on %s, and not here: %v\n%s", p.Name, name, got.Err, tail(got.Output, 30))
			case want.Err == nil && len(got.Speeds) != len(want.Speeds):
				t.Errorf("%s measures %d times, on %s %d times:\n%s", p.Name, len(got.Speeds), name, len(want.Speeds), got.Output)
			case results(got.Output) != results(want.Output):
				t.Errorf("%s has other results than on %s:\n%s\nand there:\n%s", p.Name, name, results(got.Output), results(want.Output))
			}
		}
	}
	// More than those of the comparing programs, of each length once.
	const least = 2 * 64 * 1024 / 16
	if n := after["data.requests"] - before["data.requests"]; n < least {
		t.Errorf("the programs sent %d requests to the device, fewer than %d", n, least)
	}
	cleanLog(t, v)
	return all
}

// resultLine is one in which a program says what it encrypted or hashed to.
var resultLine = regexp.MustCompile(`(?m)^(wire|digest|wrong mac|right mac): .*$`)

// results returns these lines: what they say does not depend on who does it.
func results(output string) string {
	return strings.Join(resultLine.FindAllString(output, -1), "\n")
}

// outcomeTable is what passed where, in Markdown; with how often a program
// measured.
func outcomeTable(programs []classic.Program, columns []string, table map[string]outcomes) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| program | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, p := range programs {
		fmt.Fprintf(&b, "| `%s` |", p.Name)
		for _, column := range columns {
			o, ran := table[column][p.Name]
			switch {
			case !ran:
				b.WriteString(" – |")
			case o.Err != nil:
				b.WriteString(" fails |")
			case len(o.Speeds) > 0:
				fmt.Fprintf(&b, " passes (%d) |", len(o.Speeds))
			default:
				b.WriteString(" passes |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

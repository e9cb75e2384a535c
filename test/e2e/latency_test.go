// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// benchEnv names the page that TestLatency writes. Without it the test measures
// nothing: a speed is no test.
const benchEnv = "VCRYPTO_BENCH_VM"

// latencyDevice is a device of the one guest in which all are measured.
type latencyDevice struct {
	label string
	args  func(t *testing.T) []string
}

// TestLatency measures, in one guest and in turns, how long a request takes that
// is alone, by each route and on QEMU's own back-end, all with our driver, and
// writes a page about it.
func TestLatency(t *testing.T) {
	page := os.Getenv(benchEnv)
	if page == "" {
		t.Skip("a measurement: make bench-vm")
	}
	program := filepath.Join(t.TempDir(), "latency")
	build := exec.Command("go", "build", "-o", program, "./latency")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building latency: %v\n%s", err, out)
	}
	ours := func(route string, args ...string) func(*testing.T) []string {
		return func(t *testing.T) []string {
			w, _ := newest(t, route)
			return attach(t, w, w.serve(t, args...).socket, "--id", strings.ReplaceAll(route, "-", ""))
		}
	}
	devices := []latencyDevice{
		{"QEMU's `cryptodev-backend-builtin`", func(*testing.T) []string {
			return []string{"-object", "cryptodev-backend-builtin,id=builtin", "-device", "virtio-crypto-pci,cryptodev=builtin"}
		}},
		{"vcrypto, `generic`", ours(vmm.RouteGeneric)},
		{"vcrypto, `vfio-user`", ours(vmm.RouteVFIOUser)},
		{"vcrypto, `cryptodev`", ours(vmm.RouteCryptodev)},
	}
	w, _ := newest(t, vmm.RouteVFIOUser)
	c := withDriver(t, "")
	c.QEMU = w.qemu.Path
	c.Files = append(c.Files, vm.File{Host: program, Guest: "/tests/latency"})
	// The slot tells which node is which.
	const firstSlot = 0x10
	for i, d := range devices {
		args := d.args(t)
		for j := 0; j+1 < len(args); j += 2 {
			if value := args[j+1]; args[j] == "-device" && strings.HasPrefix(value, "{") {
				args[j+1] = strings.TrimSuffix(value, "}") + fmt.Sprintf(`,"addr":"%x.0"}`, firstSlot+i)
			} else if args[j] == "-device" {
				args[j+1] += fmt.Sprintf(",addr=%#x", firstSlot+i)
			}
		}
		c.Devices = append(c.Devices, args...)
	}
	v := boot(t, c)
	labels := make(map[string]string)
	var nodes []string
	for i, d := range devices {
		name := strings.TrimSpace(run(t, v, "sh", "-c", fmt.Sprintf("basename /sys/bus/pci/devices/0000:00:%02x.0/virtio*", firstSlot+i)))
		line, err := v.WaitLog(bounded(t), regexp.MustCompile(`cryptodev\d+: on `+name+`,`))
		if err != nil {
			t.Fatal(err)
		}
		node := "/dev/" + regexp.MustCompile(`(cryptodev\d+): on `).FindStringSubmatch(line)[1]
		labels[node] = d.label
		nodes = append(nodes, node)
	}
	out := run(t, v, "/tests/latency", nodes...)
	cleanLog(t, v)
	text, err := latencyPage(w.qemu, v.Kernel(), labels, out)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Log(text)
}

// latencyPage writes what was measured as Markdown.
func latencyPage(q vm.QEMU, k vm.Kernel, labels map[string]string, lines string) (string, error) {
	how := "KVM"
	if why, _ := vm.WhyNoKVM(); why != "" || os.Getenv("VCRYPTO_ACCEL") == "tcg" {
		how = "software emulation (TCG): the guest's own instructions cost tens of times what they do with KVM"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Latency in a guest

`+"`make bench-vm`"+` writes this page. One guest has a device by each route, and one of QEMU's own back-end,
which does the work in QEMU's process. A program in it takes turns among them: AES-128-CBC
encryptions through `+"`/dev/cryptodevN`"+`, one at a time, all with our driver, and the making and ending
of a session. Every last answer of a turn is compared with Go's own. Times are in microseconds, from
the program's call to its return.

QEMU %s, guest Linux %s, one CPU, %s. Measured on %s.

| device | work | requests | p50 | p90 | p99 |
|---|---|---|---|---|---|
`, q.Version, k.Version, how, time.Now().UTC().Format("2006-01-02"))
	d := json.NewDecoder(strings.NewReader(lines))
	for d.More() {
		var l struct {
			Node          string
			Size, N       int
			P50, P90, P99 float64
		}
		if err := d.Decode(&l); err != nil {
			return "", fmt.Errorf("what the guest measured: %w", err)
		}
		work := fmt.Sprint(l.Size, " B")
		if l.Size == 0 {
			work = "session"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %.0f | %.0f | %.0f |\n", labels[l.Node], work, l.N, l.P50, l.P90, l.P99)
	}
	b.WriteString(`
The ` + "`generic`" + ` and ` + "`vfio-user`" + ` routes carry sessions on the device's control queue; with ` + "`cryptodev`" + ` QEMU
hands them on as messages. Kicks and interrupts a request, without a guest, are in
[performance.md](performance.md).
`)
	return b.String(), nil
}

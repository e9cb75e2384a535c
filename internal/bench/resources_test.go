// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
)

var cbc = Case{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Size: 4096, Depth: 64}

// TestTruncatedMemoryEndsOneDevice: a guest that takes its memory away while
// requests run ends the process of its device, and no other.
func TestTruncatedMemoryEndsOneDevice(t *testing.T) {
	c := cbc
	c.Size, c.Depth = 65536, 256
	for _, e := range available() {
		t.Run(e, func(t *testing.T) {
			other := start(t, DeviceCase{Case: cbc, Engine: e, Asleep: true})
			b, err := openDevice(t.Context(), program(t), DeviceCase{Case: c, Engine: e, Asleep: true})
			if err != nil {
				t.Fatal(err)
			}
			_, stop := other.loads[0].busy()
			// From here on nothing here touches the memory: who does is ended.
			l := b.loads[0]
			for _, s := range l.slots {
				if err := l.ring.AddSlot(s); err != nil {
					t.Fatal(err)
				}
			}
			l.ring.Publish()
			l.end.kick()
			if err := b.memory.File.Truncate(0); err != nil {
				t.Fatal(err)
			}
			select {
			case <-b.daemon.logged: // it has ended
			case <-time.After(deviceSilence):
				t.Error("the daemon lives on")
				b.daemon.cmd.Process.Kill()
			}
			err = b.close()
			if err == nil {
				t.Fatal("the daemon ended as if nothing had happened")
			}
			status := b.daemon.cmd.ProcessState.Sys().(syscall.WaitStatus)
			bus := status.Signaled() && status.Signal() == syscall.SIGBUS
			if !bus && !strings.Contains(b.daemon.log.String(), "SIGBUS") {
				t.Errorf("the daemon did not end by SIGBUS: %v", err)
			}
			if _, err := stop(); err != nil {
				t.Errorf("the other device: %v", err)
			}
			if err := other.verify(); err != nil {
				t.Errorf("the other device: %v", err)
			}
		})
	}
}

// TestMemoryKinds: guest memory may be a memfd, huge pages, or a file in a
// tmpfs.
func TestMemoryKinds(t *testing.T) {
	const tmpfs = "/dev/shm"
	for _, kind := range []string{MemFD, HugeTLB, tmpfs} {
		t.Run(strings.Trim(kind, "/"), func(t *testing.T) {
			switch kind {
			case HugeTLB:
				reserveHugePages(t, 8)
			case tmpfs:
				var fs unix.Statfs_t
				if err := unix.Statfs(tmpfs, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
					t.Skipf("%s is no tmpfs here (%v)", tmpfs, err)
				}
			}
			for _, pieces := range []int{1, 3} {
				start(t, DeviceCase{Case: cbc, Engine: engine.Auto, Asleep: true, Memory: kind, Pieces: pieces})
			}
		})
	}
}

// reserveHugePages sees to it that so many huge pages are free until the test
// ends.
func reserveHugePages(t *testing.T, n int) {
	t.Helper()
	const file = "/proc/sys/vm/nr_hugepages"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Skip("this kernel has no huge pages")
	}
	if freeHugePages(t) >= n {
		return
	}
	have, err := strconv.Atoi(strings.TrimSpace(string(before)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(have+n)), 0); err != nil {
		t.Skipf("no %d huge pages are free, and none can be had: %v", n, err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, before, 0); err != nil {
			t.Error(err)
		}
	})
	if free := freeHugePages(t); free < n {
		t.Skipf("%d huge pages are free after asking for %d", free, n)
	}
}

func freeHugePages(t *testing.T) int {
	t.Helper()
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(info)) {
		if f := strings.Fields(l); len(f) == 2 && f[0] == "HugePages_Free:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// TestIdleDeviceUsesNoCPU: after work, queues look for more as long as they
// were told, and then the daemon sleeps.
func TestIdleDeviceUsesNoCPU(t *testing.T) {
	const idle, most = 2 * time.Second, 10 * time.Millisecond // the Go runtime may have something to do
	b := start(t, DeviceCase{Case: cbc, Engine: engine.Auto, Queues: 4, Asleep: true, Spin: 20 * time.Microsecond})
	var used time.Duration
	for range attempts {
		time.Sleep(idle / 4)
		before, err := b.daemon.cpuTime()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(idle)
		after, err := b.daemon.cpuTime()
		if err != nil {
			t.Fatal(err)
		}
		if used = after - before; used <= most {
			t.Logf("%v in %v", used, idle)
			return
		}
	}
	t.Errorf("an idle device used %v of CPU time in %v", used, idle)
}

// TestPrivateMemory: eight queues that had to gather scattered requests leave
// the daemon with less than 40 MiB of its own.
func TestPrivateMemory(t *testing.T) {
	c := cbc
	c.Size = 65536
	const most = 40 << 20
	b := start(t, DeviceCase{Case: c, Engine: engine.Auto, Queues: 8, Asleep: true, Pieces: 4})
	if _, err := b.round(4); err != nil {
		t.Fatal(err)
	}
	used, err := b.daemon.privateMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB", float64(used)/(1<<20))
	if used > most {
		t.Errorf("%d bytes of private memory; at most %d", used, most)
	}
}

// TestBenchJSON: `vcrypto bench device --json` prints every field that scripts
// count on, and what was measured is possible.
func TestBenchJSON(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program(t), "bench", "device", "--json", "--unpinned", "--asleep",
		"--size", "64,1024", "--depth", "1,8", "--rounds", "3", "--time", "1ms")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines for 4 cases:\n%s", len(lines), out)
	}
	for _, l := range lines {
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		for _, name := range []string{"engine", "alg", "op"} {
			if s, ok := m[name].(string); !ok || s == "" {
				t.Errorf("%s is %v", name, m[name])
			}
		}
		for _, name := range []string{
			"size", "depth", "queues", "rps", "gbps", "raw_gbps", "ratio", "p50_us", "p99_us", "p999_us",
			"kicks_per_req", "interrupts_per_req", "cpu_ns_per_req",
		} {
			if f, ok := m[name].(float64); !ok || f <= 0 {
				t.Errorf("%s is %v", name, m[name])
			}
		}
		if f, ok := m["errors"].(float64); !ok || f != 0 {
			t.Errorf("errors is %v", m["errors"])
		}
	}
}

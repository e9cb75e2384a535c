// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/vhostuser"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

const deviceA = `
[[device]]
name = "a"
socket = { path = "DIR/a", mode = "0640" }
engines = { default = "gocrypto", aes-ctr = "auto" }
`

const deviceB = `
[[device]]
name = "b"
socket.path = "DIR/b"
engines.default = "gocrypto"
queues = 2
`

// TestServeConfig: devices come up, one that is killed comes up again, and a
// reload touches no device that stays as it is: its session goes on.
func TestServeConfig(t *testing.T) {
	dir := t.TempDir()
	file := settings(t, dir, deviceA+deviceB)
	d := startProgram(t, "serve", "--config", file)
	a, b := connect(t, dir+"/a", 1), connect(t, dir+"/b", 2)
	session := a.session()
	a.works(session)
	b.works(b.session())
	if st, err := os.Stat(dir + "/a"); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("socket a: %v, %v, want mode 0640", st.Mode(), err)
	}
	if st, err := os.Stat(dir + "/b"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket b: %v, %v, want mode 0600", st.Mode(), err)
	}

	before := d.pid("b")
	if err := unix.Kill(before, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.says(`ended by itself.*device=b.*killed`, 1)
	d.says(`device started" device=b`, 2)
	b = connect(t, dir+"/b", 2)
	b.works(b.session())
	a.works(session)

	// c comes, b goes, a stays.
	settings(t, dir, deviceA+strings.ReplaceAll(deviceB, `b"`, `c"`))
	d.signal(unix.SIGHUP)
	d.says(`configuration in force.*added=\[c\] removed=\[b\] replaced=\[\] kept=\[a\]`, 1)
	c := connect(t, dir+"/c", 2)
	c.works(c.session())
	if _, err := os.Stat(dir + "/b"); err == nil {
		t.Error("the socket of a device that was removed is there")
	}
	a.works(session)

	// A bad file changes nothing, and all that is wrong is said.
	settings(t, dir, strings.ReplaceAll(deviceB, "queues = 2", "queues = 0\nquues = 1"))
	d.signal(unix.SIGHUP)
	d.says(`configuration is refused`, 1)
	d.says(`line=6 err=.*queues: 0 is not between`, 1)
	d.says(`line=7 err=.*quues: there is no such key`, 1)
	a.works(session)
	c.works(c.session())

	// A device that is changed is started anew, with what is new.
	settings(t, dir, deviceA+strings.ReplaceAll(strings.ReplaceAll(deviceB, `b"`, `c"`), "queues = 2", "queues = 1\nalgorithms = [\"aes-ctr\"]\nlimits.sessions = 1"))
	d.signal(unix.SIGHUP)
	d.says(`added=\[\] removed=\[\] replaced=\[c\] kept=\[a\]`, 1)
	c = connect(t, dir+"/c", 1)
	c.works(c.session())
	a.works(session)

	pids := []int{d.pid("a"), d.pid("c")}
	d.end()
	for _, pid := range pids {
		if unix.Kill(pid, 0) == nil {
			t.Errorf("process %d is still there", pid)
		}
	}
	for _, name := range []string{"a", "c"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("socket %s is still there", name)
		}
	}
}

// TestSupervisorKilled: devices do not outlive their supervisor, however it
// ends.
func TestSupervisorKilled(t *testing.T) {
	dir := t.TempDir()
	d := startProgram(t, "serve", "--config", settings(t, dir, deviceA))
	connect(t, dir+"/a", 1)
	pid := d.pid("a")
	d.signal(unix.SIGKILL)
	d.until("the device ends", func() bool { return unix.Kill(pid, 0) != nil })
	if _, err := os.Stat(dir + "/a"); err == nil {
		t.Error("its socket is still there")
	}
}

// TestGuestMemoryIsTakenAway: who owns a guest's memory file can make it shorter
// while the device has it mapped. That ends the process of this device, and no
// other, and the next guest is served.
func TestGuestMemoryIsTakenAway(t *testing.T) {
	dir := t.TempDir()
	d := startProgram(t, "serve", "--config", settings(t, dir, deviceA+deviceB))
	a, b := connect(t, dir+"/a", 1), connect(t, dir+"/b", 2)
	a.works(a.session())
	session := b.session()
	if err := a.memory.File.Truncate(0); err != nil {
		t.Fatal(err)
	}
	// The ring is gone, for this process too: only the kick can be sent.
	a.queues[0].Kick()
	d.says(`ended by itself.*device=a`, 1)
	d.says(`device started" device=a`, 2)
	b.works(session)
	a = connect(t, dir+"/a", 1)
	a.works(a.session())
	d.end()
}

// TestSessionsAreADevicesOwn: a guest that takes all sessions of its device has
// its own to blame: another device's guest still opens some, and the memory that
// they take has a bound, which docs/operations.md gives.
func TestSessionsAreADevicesOwn(t *testing.T) {
	const sessions, each, rest = 2000, 8, 32 << 10 // KiB
	dir := t.TempDir()
	d := startProgram(t, "serve", "--config", settings(t, dir, deviceA+fmt.Sprintf("limits.sessions = %d\n", sessions)+deviceB))
	a, b := connect(t, dir+"/a", 1), connect(t, dir+"/b", 2)
	first, other := a.session(), b.session()
	before := ownKiB(t, d.pid("a"))
	ids := []uint64{first}
	p := virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCTR, Direction: virtiocrypto.DirectionEncrypt, Key: make([]byte, 32)}
	for {
		id, err := a.control.Create(p)
		if status := (*cryptodrv.StatusError)(nil); errors.As(err, &status) {
			break
		}
		a.must(err)
		if ids = append(ids, id); len(ids) > sessions {
			t.Fatalf("%d sessions are open, the limit is %d", len(ids), sessions)
		}
	}
	if len(ids) != sessions {
		t.Errorf("%d sessions were opened, the limit is %d", len(ids), sessions)
	}
	if grown := ownKiB(t, d.pid("a")) - before; grown > sessions*each+rest {
		t.Errorf("%d sessions take %d KiB", sessions, grown)
	}
	b.works(other)
	b.works(b.session())
	a.works(first)
	a.must(a.control.Destroy(ids[len(ids)-1]))
	a.works(a.session())
	a.close()
	a = connect(t, dir+"/a", 1)
	a.works(a.session())
	d.end()
}

// ownKiB is the memory of a process that is not its guest's.
func ownKiB(t *testing.T, pid int) (n int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, anonymous, found := strings.Cut(string(status), "RssAnon:")
	if _, err := fmt.Sscan(anonymous, &n); !found || err != nil {
		t.Fatalf("/proc/%d/status has no RssAnon", pid)
	}
	return n
}

// TestDrain: a reload that drains a device takes HW_READY off and tells the
// guest; what the guest has goes on, and its end is logged. Signals to a
// device's own process do the same.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	file := settings(t, dir, deviceA)
	d := startProgram(t, "serve", "--config", file)
	g := connect(t, dir+"/a", 1)
	session := g.session()
	changed := func(ready bool) {
		t.Helper()
		if r, err := g.channel.Receive(patience); err != nil || r != vhostuser.BackendConfigChange {
			t.Fatalf("the device says %v, %v, want a configuration change", r, err)
		}
		if g.ready() != ready {
			t.Errorf("the device is ready: %t", !ready)
		}
		g.works(session)
	}
	if !g.ready() {
		t.Fatal("a new device is not ready")
	}
	settings(t, dir, deviceA+"drain = true\n")
	d.signal(unix.SIGHUP)
	changed(false)
	settings(t, dir, deviceA)
	d.signal(unix.SIGHUP)
	changed(true)
	if err := unix.Kill(d.pid("a"), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	changed(false)
	if strings.Contains(d.said(), "drained: ") {
		t.Error("a device with a session counts as drained")
	}
	g.must(g.control.Destroy(session))
	d.says("drained: no session is open", 1)
	g.close()

	// The next connection finds it drained too, and is told of the end.
	g = connect(t, dir+"/a", 1)
	if g.ready() {
		t.Error("the next device is ready")
	}
	session = g.session()
	unix.Kill(d.pid("a"), unix.SIGUSR2)
	changed(true)
	d.end()
}

// TestShares: a flood on one device leaves another what is its due. With a
// limit the flood has that and no more; without, and with all on one CPU, the
// kernel shares it out between the devices' processes.
func TestShares(t *testing.T) {
	const long = time.Second // at the least
	// flood has a device with many requests in flight and one with few, until
	// the second has enough: on a busy machine that takes as long as it takes.
	flood := func(t *testing.T, dir string, enough func(a, b int64, took time.Duration) bool) (a int64, took time.Duration) {
		t.Helper()
		ga, gb := connect(t, dir+"/a", 1), connect(t, dir+"/b", 2)
		var many, few atomic.Int64
		var over, held atomic.Bool
		start := time.Now()
		var wg sync.WaitGroup
		var errA, errB error
		wg.Go(func() { errA = ga.flood(0, 128, 4096, &many, over.Load) })
		wg.Go(func() {
			defer over.Store(true)
			errB = gb.flood(0, 8, 4096, &few, func() bool {
				took := time.Since(start)
				if took < long {
					return false
				}
				held.Store(enough(many.Load(), few.Load(), took))
				return held.Load() || took > patience
			})
		})
		wg.Wait()
		a, took = many.Load(), time.Since(start)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		t.Logf("in %v: %d requests with 128 in flight, %d on the other device with 8 in flight", took, a, few.Load())
		if !held.Load() {
			t.Error("the other device has not had its due")
		}
		return a, took
	}
	t.Run("limited", func(t *testing.T) {
		const rate, burst = 100, 10
		most := func(took time.Duration) int64 { return burst + int64(took.Seconds()*rate) + 1 }
		dir := t.TempDir()
		limits := fmt.Sprintf("limits = { requests = %d, requests-burst = %d }\n", rate, burst)
		d := startProgram(t, "serve", "--config", settings(t, dir, deviceA+limits+deviceB))
		// The other is not held to it.
		a, took := flood(t, dir, func(_, b int64, took time.Duration) bool { return b > most(took) })
		if a > most(took) {
			t.Errorf("the flood had %d requests done in %v, the limit is %d", a, took, most(took))
		}
		d.end()
	})
	t.Run("one CPU", func(t *testing.T) {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			t.Fatal(err)
		}
		cpu := 0
		for !set.IsSet(cpu) {
			cpu++
		}
		dir := t.TempDir()
		pinned := fmt.Sprintf("cpus = [%d]\n", cpu)
		d := startProgram(t, "serve", "--config", settings(t, dir, deviceA+pinned+deviceB+pinned))
		// This is about being starved, not about fairness.
		flood(t, dir, func(a, b int64, _ time.Duration) bool { return b >= a/50 && b >= 10 })
		d.end()
	})
}

// TestCheckConfig: a good file is summed up, a bad one is an error.
func TestCheckConfig(t *testing.T) {
	run := func(args ...string) (out string, err error) {
		self, _ := os.Executable()
		cmd := exec.Command(self, append([]string{"serve", "--check-config", "--config"}, args...)...)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		b, err := cmd.CombinedOutput()
		return string(b), err
	}
	out, err := run("../../docs/vcrypto.toml")
	if err != nil || !strings.Contains(out, "2 devices") || !strings.Contains(out, "/run/vcrypto/vm2.sock") {
		t.Errorf("a good file: %v, %s", err, out)
	}
	if out, err = run("../../docs/vcrypto.toml", "--json"); err != nil || !json.Valid([]byte(out)) {
		t.Errorf("a good file: %v, %s", err, out)
	}
	bad := settings(t, t.TempDir(), deviceA+"queues = 1_000\n"+deviceA)
	out, err = run(bad)
	for _, want := range []string{bad + ":6: ", "queues: 1000 is not between", bad + ":9: ", "another device of this name", bad + ":10: "} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("a bad file: %v, %s, want %q", err, out, want)
		}
	}
	if _, err := run(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is in order")
	}
}

// TestArguments: a device's process takes the arguments that are made for it,
// whatever the file says.
func TestArguments(t *testing.T) {
	dir := t.TempDir()
	d := startProgram(t, "serve", "--config", settings(t, dir, `
[[device]]
name = "a"
socket = { path = "DIR/a b", mode = 0o666, group = `+groupID()+` }
engines = { default = "gocrypto", aes-cbc = "auto", aes-xts = "gocrypto" }
cryptodev = "/dev/null"
queues = 3
services = ["cipher", "mac"]
legacy = true
spin = "1ms"
cpus = [0]
[device.limits]
sessions = 3
request-size = "64KiB"
requests = 1_000_000
bytes = "1GB"
bytes-burst = "1MB"
`))
	g := connect(t, dir+"/a b", 3)
	for range 3 {
		g.works(g.session())
	}
	b, err := g.fe.GetConfig(0, 56)
	g.must(err)
	if b[4] != 3 || b[8] != 1<<0|1<<2 || b[48] != 0 || b[50] != 1 {
		t.Errorf("configuration space %x: want 3 queues, services 5, requests of 65536 bytes", b)
	}
	st, err := os.Stat(dir + "/a b")
	if err != nil || st.Mode().Perm() != 0o666 || st.Mode().Type() != fs.ModeSocket {
		t.Errorf("the socket: %v, %v", st.Mode(), err)
	}
	d.end()
}

func groupID() string {
	b, _ := json.Marshal(os.Getgid())
	return string(b)
}

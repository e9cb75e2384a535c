// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// patience is how long a test waits for what must happen, on a machine that may
// have stopped everything meanwhile.
const patience = 3 * time.Minute

// asProgram in the environment makes the test binary the program itself, so
// that tests run real processes, with the race detector if they have it.
const asProgram = "VCRYPTO_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is a vcrypto process.
type program struct {
	*testing.T
	cmd  *exec.Cmd
	done chan error

	mu  sync.Mutex
	log bytes.Buffer
}

func (d *program) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *program) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

func startProgram(t *testing.T, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return runProgram(t, exec.Command(self, args...))
}

// runProgram starts a command that is the program.
func runProgram(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	d := &program{T: t, cmd: cmd, done: make(chan error, 1)}
	d.cmd.Env = append(os.Environ(), asProgram+"=1")
	d.cmd.Stderr = d
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.done <- d.cmd.Wait() }()
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.said())
		}
	})
	return d
}

func (d *program) signal(s os.Signal) {
	d.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.Fatal(err)
	}
}

// end ends the daemon in order.
func (d *program) end() {
	d.Helper()
	d.signal(unix.SIGTERM)
	select {
	case err := <-d.done:
		if err != nil {
			d.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(patience):
		d.Error("the daemon does not end")
	}
}

func (d *program) until(what string, is func() bool) {
	d.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			d.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// says waits until the daemon has logged something n times.
func (d *program) says(pattern string, n int) {
	d.Helper()
	re := regexp.MustCompile(pattern)
	d.until(fmt.Sprintf("%d times %s", n, pattern), func() bool { return len(re.FindAllString(d.said(), -1)) >= n })
}

// pid returns the process that was started last for a device.
func (d *program) pid(device string) int {
	d.Helper()
	all := regexp.MustCompile(`device started" device=`+device+` pid=(\d+)`).FindAllStringSubmatch(d.said(), -1)
	if all == nil {
		d.Fatalf("device %s was never started", device)
	}
	pid, _ := strconv.Atoi(all[len(all)-1][1])
	return pid
}

// guest is a front-end and a driver for a device of n data queues.
type guest struct {
	t       *testing.T
	fe      *vhostuser.FrontEnd
	channel *vhostuser.Channel
	memory  *vhostuser.SharedMemory
	queues  []*cryptodrv.Queue
	control *cryptodrv.Control
}

const guestMemory = 16 << 20

func connect(t *testing.T, socket string, queues int) *guest {
	t.Helper()
	var fe *vhostuser.FrontEnd
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if fe, err = vhostuser.Dial(socket); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	g := &guest{t: t, fe: fe}
	t.Cleanup(g.close)
	fe.Timeout = patience
	g.must(fe.Negotiate(virtio.FeatureVersion1|virtio.FeatureIndirectDesc|virtio.FeatureEventIdx,
		vhostuser.ProtocolMQ|vhostuser.ProtocolReplyAck|vhostuser.ProtocolConfig|vhostuser.ProtocolBackendReq))
	var err error
	g.channel, err = fe.OpenChannel()
	g.must(err)
	g.memory, err = vhostuser.NewSharedMemory(guestMemory, 1<<32)
	g.must(err)
	g.must(fe.ShareMemory(g.memory))
	for i := range queues + 1 {
		ring, err := virtqdrv.New(&g.memory.Memory, virtqdrv.Config{Size: 256, Indirect: 8, EventIdx: true})
		g.must(err)
		fq, err := fe.SetupQueue(i, vhostuser.QueueSetup{Size: ring.Size(), Desc: ring.Desc(), Avail: ring.Avail(), Used: ring.Used()})
		g.must(err)
		g.must(fe.Enable(i, true))
		g.queues = append(g.queues, &cryptodrv.Queue{
			Queue: ring, Mem: &g.memory.Memory, Kick: fq.Kick.Notify,
			Wait: func() error {
				if !fq.WaitCall(patience) {
					return errors.New("the device is silent")
				}
				return nil
			},
		})
	}
	g.control, err = cryptodrv.NewControl(g.queues[queues])
	g.must(err)
	return g
}

func (g *guest) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *guest) close() {
	if g.channel != nil {
		g.channel.Close()
	}
	g.fe.Close()
	if g.memory != nil {
		g.memory.Close()
	}
}

func (g *guest) session() uint64 {
	g.t.Helper()
	id, err := g.control.Create(virtiocrypto.CipherParams{
		Algo: virtiocrypto.CipherAESCTR, Direction: virtiocrypto.DirectionEncrypt, Key: make([]byte, 16),
	})
	g.must(err)
	return id
}

// works does a request of a session on queue 0.
func (g *guest) works(session uint64) {
	g.t.Helper()
	r, err := cryptodrv.NewRequest(&g.memory.Memory, cryptodrv.Shape{IV: 16, Size: 64})
	g.must(err)
	r.Fill(session, cryptodrv.OpCipherEncrypt, make([]byte, 16), make([]byte, 64))
	status, err := g.queues[0].Do(r)
	g.must(err)
	if status != virtiocrypto.StatusOK || bytes.Equal(r.Result(), make([]byte, 64)) {
		g.t.Fatalf("a request was answered %s, %x", status, r.Result())
	}
}

// flood keeps depth requests of size bytes in flight on a queue until it is
// over, and counts those that were answered.
func (g *guest) flood(queue, depth, size int, answered *atomic.Int64, over func() bool) (err error) {
	q := g.queues[queue]
	id := g.session()
	requests := make([]*cryptodrv.Request, depth)
	for i := range requests {
		if requests[i], err = cryptodrv.NewRequest(&g.memory.Memory, cryptodrv.Shape{IV: 16, Size: size}); err != nil {
			return err
		}
		requests[i].Fill(id, cryptodrv.OpCipherEncrypt, make([]byte, 16), make([]byte, size))
		if err := q.Add(requests[i].Readable, requests[i].Writable, uint64(i)); err != nil {
			return err
		}
	}
	used := make([]virtqdrv.Used, depth)
	for q.Show(); !over(); q.Show() {
		n, err := q.Await(used)
		if err != nil {
			return err
		}
		for _, u := range used[:n] {
			r := requests[u.Cookie]
			if s := r.Status(); s != virtiocrypto.StatusOK {
				return fmt.Errorf("a request was answered %s", s)
			}
			r.Forget()
			if err := q.Add(r.Readable, r.Writable, u.Cookie); err != nil {
				return err
			}
		}
		answered.Add(int64(n))
	}
	return nil
}

// ready reads whether the device says that it is.
func (g *guest) ready() bool {
	g.t.Helper()
	b, err := g.fe.GetConfig(0, 4)
	g.must(err)
	return b[0]&1 != 0
}

// settings writes a configuration file in which DIR is a folder for sockets.
func settings(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "vcrypto.toml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

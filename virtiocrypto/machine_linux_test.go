// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

const (
	guestAddr  = 0x4000_0000 // of the first byte of guest memory
	guestSize  = 32 << 20    // bytes
	borderAt   = guestSize / 2
	borderRoom = 1 << 20 // bytes on each side of the border that nothing else uses

	// patience is how long a test waits for what should come at once.
	patience = 2 * time.Minute
)

// machine is a virtual machine as far as the device can tell: memory in a
// memfd, of which the device maps two regions, one on each side of a border;
// the driver's side of all queues; and a link between the two.
type machine struct {
	testing.TB
	o      options
	dev    *virtiocrypto.Device
	memory *os.File
	all    []byte             // all of guest memory
	mem    *virtqdrv.Memory   // where queues and requests are cut from
	queues []*cryptodrv.Queue // data queues, then the control queue
	link   link
	log    *logLines

	control *cryptodrv.Control
	data    *cryptodrv.Queue // queues[0]
	taken   uint16           // by queue 0, as a test counts
}

// link is the way between the driver and the device.
type link interface {
	// start starts a queue; the ring's base is c.Base.
	start(index int, q *virtqdrv.Queue, c virtqdrv.Config)
	// stop stops a queue and returns its base.
	stop(index int) uint16
	// kick signals a queue that was started once; it may have been stopped.
	kick(index int)
	// wait waits for an interrupt.
	wait(index int) error
	// broken waits until the device says that a queue broke.
	broken(index int) error
	// gaveUp reports whether the device said so since it was last asked.
	gaveUp(index int) bool
	// reset stops all queues and resets the device.
	reset()
	readConfig(offset, n int) []byte
	close()
}

type options struct {
	engine  engine.Engine // gocrypto if nil
	device  virtiocrypto.Options
	ring    virtqdrv.Config // of each queue
	form    cryptodrv.Form  // of requests
	polling virtio.Polling
	patient time.Duration // of queues that are stopped; a local link's
}

var links = []struct {
	name string
	open func(*machine) link
}{
	{"local", newLocal},
	{"socket", newSocket},
}

// onEachLink runs a test once for each way to reach the device.
func onEachLink(t *testing.T, o options, test func(*machine)) {
	for _, l := range links {
		t.Run(l.name, func(t *testing.T) { test(newMachine(t, o, l.open)) })
	}
}

func newMachine(t testing.TB, o options, open func(*machine) link) *machine {
	t.Helper()
	m := &machine{TB: t, o: o, log: &logLines{}}
	if m.o.engine == nil {
		m.o.engine = gocrypto.New()
	}
	if m.o.ring.Size == 0 {
		m.o.ring = virtqdrv.Config{Size: 64, Indirect: 160, EventIdx: true}
	}
	m.o.device.Engine = m.o.engine
	m.o.device.Log = slog.New(m.log)
	var err error
	if m.dev, err = virtiocrypto.New(m.o.device); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	m.memory = os.NewFile(uintptr(fd), "guest")
	if err := m.memory.Truncate(guestSize); err != nil {
		t.Fatal(err)
	}
	if m.all, err = unix.Mmap(fd, 0, guestSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	m.mem = &virtqdrv.Memory{Data: m.all[:borderAt-borderRoom], Addr: guestAddr}
	m.link = open(m)
	t.Cleanup(func() {
		m.link.close()
		m.dev.Reset()
		m.memory.Close()
		if err := unix.Munmap(m.all); err != nil {
			t.Error(err)
		}
	})
	m.queues = make([]*cryptodrv.Queue, m.dev.Queues())
	for i := range m.queues {
		m.startQueue(i, 0)
	}
	m.useQueues()
	return m
}

// startQueue starts a new ring.
func (m *machine) startQueue(i int, base uint16) {
	m.Helper()
	c := m.o.ring
	c.Base = base
	q, err := virtqdrv.New(m.mem, c)
	if err != nil {
		m.Fatal(err)
	}
	m.link.start(i, q, c)
	m.queues[i] = &cryptodrv.Queue{
		Queue: q,
		Mem:   m.mem,
		Kick:  func() { m.link.kick(i) },
		Wait:  func() error { return m.link.wait(i) },
	}
}

func (m *machine) useQueues() {
	m.Helper()
	m.data = m.queues[0]
	var err error
	if m.control, err = cryptodrv.NewControl(m.queues[len(m.queues)-1]); err != nil {
		m.Fatal(err)
	}
	m.control.Form = m.o.form
}

// reset resets the device as a booting guest does and starts all queues anew.
func (m *machine) reset() {
	m.Helper()
	m.link.reset()
	for i := range m.queues {
		m.startQueue(i, 0)
	}
	m.useQueues()
}

// session makes a session.
func (m *machine) session(algo virtiocrypto.CipherAlgo, direction uint32, key []byte) uint64 {
	m.Helper()
	id, err := m.control.Create(virtiocrypto.CipherParams{Algo: algo, Direction: direction, Key: key})
	if err != nil {
		m.Fatal(err)
	}
	return id
}

// request lays out a request.
func (m *machine) request(s cryptodrv.Shape) *cryptodrv.Request {
	m.Helper()
	return newRequest(m, m.mem, s)
}

func newRequest(t testing.TB, mem *virtqdrv.Memory, s cryptodrv.Shape) *cryptodrv.Request {
	t.Helper()
	r, err := cryptodrv.NewRequest(mem, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// do sends a request on the first data queue and returns its status.
func (m *machine) do(r *cryptodrv.Request) virtiocrypto.Status {
	m.Helper()
	status, err := m.data.Do(r)
	if err != nil {
		m.Fatal(err)
	}
	return status
}

// works checks that the device still serves an honest request on a queue.
func (m *machine) works(queue int) {
	m.Helper()
	key := make([]byte, 16)
	id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key)
	r := m.request(cryptodrv.Shape{IV: 16, Size: 32})
	src := []byte("is anybody there who can do this")
	r.Fill(id, cryptodrv.OpCipherEncrypt, key, src)
	status, err := m.queues[queue].Do(r)
	want := reference(m, engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: key}, key, src)
	if err != nil || status != virtiocrypto.StatusOK || !bytes.Equal(r.Result(), want) {
		m.Fatalf("an honest request afterwards: %v, %v, %x", err, status, r.Result())
	}
	if err := m.control.Destroy(id); err != nil {
		m.Fatal(err)
	}
}

// logLines keeps what the device logs.
type logLines struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *logLines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (l *logLines) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *logLines) WithGroup(string) slog.Handler                    { return l }
func (l *logLines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.lines = append(l.lines, line)
	return nil
}

// take returns the lines and forgets them.
func (l *logLines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

var errSilence = errors.New("no sign from the device")

// await waits until an eventfd is signalled and takes the signal. What it counts
// is its own waiting: a process that was stopped meanwhile has not waited.
func await(e *virtio.Event, patience time.Duration) error {
	const look = time.Second
	for left := patience; left > 0; {
		start := time.Now()
		set := []unix.PollFd{{Fd: int32(e.FD()), Events: unix.POLLIN}}
		if n, err := unix.Poll(set, int(look.Milliseconds())); n == 1 && err == nil {
			e.Drain()
			return nil
		} else if err != nil && err != unix.EINTR {
			return err
		}
		left -= min(time.Since(start), look)
	}
	return fmt.Errorf("%w for %v", errSilence, patience)
}

func newEvent(t testing.TB) *virtio.Event {
	t.Helper()
	e, err := virtio.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// newRand returns a source of randomness that is the same each time.
func newRand(seed byte) *rand.Rand { return rand.New(rand.NewChaCha8([32]byte{seed})) }

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// newRand64 is newRand for more seeds than there are bytes.
func newRand64(seed uint64) *rand.Rand {
	var s [32]byte
	le.PutUint64(s[:], seed)
	return rand.New(rand.NewChaCha8(s))
}

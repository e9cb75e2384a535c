// SPDX-License-Identifier: Apache-2.0

package virtiopci_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/virtio"
	"vcrypto/virtio/sock"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

const (
	guestAddr = 1 << 32
	guestSize = 4 << 20

	// patience is for what takes no time on a machine that is not busy.
	patience = time.Minute
)

// echo is a device that copies what it reads to where it may write; with a
// gate, only when that lets it.
type echo struct {
	queues int
	gate   chan struct{} // nil: open
	hurry  func()        // what a worker does that is to hurry; nil: nothing
	noMSIX bool

	mu      sync.Mutex
	resets  int
	changer virtio.ConfigChanger
	refuse  error
}

func (e *echo) ID() virtio.DeviceID { return virtio.IDCrypto }
func (e *echo) Features() uint64    { return 1 << 3 }
func (e *echo) Queues() int         { return e.queues }
func (e *echo) Reset()              { e.mu.Lock(); e.resets++; e.mu.Unlock() }
func (e *echo) Negotiated(uint64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.refuse
}
func (e *echo) SetConfigChanger(c virtio.ConfigChanger) { e.changer = c }
func (e *echo) ReadConfig(p []byte, offset uint32) {
	for i := range p {
		p[i] = byte(offset) + byte(i)
	}
}
func (e *echo) NewWorker(q *virtio.Queue) (virtio.Worker, error) {
	w := &echoWorker{e: e, q: q, done: make(chan *virtq.Chain, q.Size())}
	return w, nil
}

type echoWorker struct {
	e    *echo
	q    *virtio.Queue
	done chan *virtq.Chain
	wg   sync.WaitGroup
}

func (w *echoWorker) Handle(chains []*virtq.Chain) {
	for _, c := range chains {
		if w.e.gate == nil {
			w.q.Push(c, answer(c))
			continue
		}
		w.wg.Go(func() {
			<-w.e.gate
			w.done <- c
			w.q.Wake()
		})
	}
}

func (w *echoWorker) Poll(bool) (pushed bool) {
	for {
		select {
		case c := <-w.done:
			w.q.Push(c, answer(c))
			pushed = true
		default:
			return pushed
		}
	}
}

func (w *echoWorker) Hurry() {
	if w.e.hurry != nil {
		w.e.hurry()
	}
}

func (w *echoWorker) Close() { w.wg.Wait() }

func answer(c *virtq.Chain) (n uint32) {
	out := c.Writer()
	for _, s := range c.Readable() {
		n += uint32(out.Write(s))
	}
	return n
}

// logged is a log that a test can read.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) contains(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), s)
}

// rig is a device behind a socket, a client of it, and its guest's memory.
type rig struct {
	*virtiopci.Driver
	t      testing.TB
	dev    *echo
	in     *virtio.Instance
	c      *vfiouser.Client
	file   *os.File
	mem    *virtqdrv.Memory
	log    *logged
	served chan error
	packed bool // was negotiated
	path   string
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// newRig serves a device and connects a client, with memory mapped.
func newRig(t testing.TB, dev *echo) *rig {
	t.Helper()
	r := newBareRig(t, dev)
	if err := r.c.Map(r.wholeMemory(), int(r.file.Fd())); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.Driver, err = virtiopci.NewDriver(r.c); err != nil {
		t.Fatal(err)
	}
	return r
}

// newBareRig is a rig whose client has said no more than VERSION.
func newBareRig(t testing.TB, dev *echo) *rig {
	t.Helper()
	r := newServedRig(t, dev)
	var err error
	if r.c, err = vfiouser.Dial(r.path); err != nil {
		t.Fatal(err)
	}
	r.c.SetDeadline(time.Now().Add(5 * patience))
	t.Cleanup(func() { r.c.Close() })
	return r
}

// newServedRig is a rig without a client; one may connect to path.
func newServedRig(t testing.TB, dev *echo) *rig {
	t.Helper()
	if dev.queues == 0 {
		dev.queues = 3
	}
	r := &rig{t: t, dev: dev, log: new(logged), served: make(chan error, 1)}
	r.file, r.mem = newMemory(t)
	path := filepath.Join(t.TempDir(), "s")
	r.path = path
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	// The function makes that patience its own.
	r.in = virtio.NewInstance(dev, virtio.Options{Log: log, Packed: true, Patience: time.Hour})
	f, err := virtiopci.New(r.in, virtiopci.Options{Log: log, NoMSIX: dev.noMSIX})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	made := false
	go func() {
		r.served <- vfiouser.ServeListener(ctx, l, func() (vfiouser.Device, error) {
			if made {
				return nil, net.ErrClosed
			}
			made = true
			return f, nil
		}, vfiouser.Options{Log: log})
	}()
	t.Cleanup(func() {
		cancel()
		<-r.served
		if t.Failed() {
			r.log.mu.Lock()
			t.Logf("log:\n%s", r.log.b.String())
			r.log.mu.Unlock()
		}
	})
	return r
}

func newMemory(t testing.TB) (*os.File, *virtqdrv.Memory) {
	t.Helper()
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "guest")
	t.Cleanup(func() { file.Close() })
	if err := file.Truncate(guestSize); err != nil {
		t.Fatal(err)
	}
	data, err := unix.Mmap(fd, 0, guestSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(data) })
	data[0] = 1 // a guest has written to its memory before a driver starts
	return file, &virtqdrv.Memory{Data: data, Addr: guestAddr}
}

func (r *rig) wholeMemory() vfiouser.DMAMap {
	return vfiouser.DMAMap{Flags: vfiouser.DMARead | vfiouser.DMAWrite, Address: guestAddr, Size: guestSize}
}

// driverQueue is a queue of either format.
type driverQueue interface {
	virtiopci.Ring
	Add(readable, writable []virtqdrv.Buf, cookie uint64) error
	Publish() bool
	Pending() bool
	Reap([]virtqdrv.Used) (int, error)
	EnableInterrupts() bool
}

// lane is a queue with buffers and an interrupt.
type lane struct {
	r      *rig
	index  int
	q      driverQueue
	event  *virtio.Event
	in     []virtqdrv.Buf
	out    []virtqdrv.Buf
	serial byte
}

const laneSize = 16

// addLane makes a queue and tells the device.
func (r *rig) addLane(index int, vector uint16, c virtqdrv.Config) *lane {
	r.t.Helper()
	c.Size = laneSize
	l := &lane{r: r, index: index}
	var err error
	if r.packed {
		c.Base = virtqdrv.PackedBase
		l.q, err = virtqdrv.NewPacked(r.mem, c)
	} else {
		l.q, err = virtqdrv.New(r.mem, c)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if l.event, err = virtio.NewEvent(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.event.Close() })
	for range laneSize {
		for _, to := range []*[]virtqdrv.Buf{&l.in, &l.out} {
			b, err := r.mem.Alloc(64, 1)
			if err != nil {
				r.t.Fatal(err)
			}
			*to = append(*to, b)
		}
	}
	if vector != virtiopci.NoVector {
		r.must(r.SetVectors(int(vector), l.event))
	}
	r.must(r.AddQueue(index, l.q, vector))
	return l
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// start negotiates and starts lanes 0 to n-1, with vectors 1 to n.
func (r *rig) start(features uint64, n int) (lanes []*lane) {
	r.t.Helper()
	r.must(r.Negotiate(features))
	r.packed = features&virtio.FeatureRingPacked != 0
	c := virtqdrv.Config{EventIdx: features&virtio.FeatureEventIdx != 0}
	if features&virtio.FeatureIndirectDesc != 0 {
		c.Indirect = 4
	}
	for i := range n {
		lanes = append(lanes, r.addLane(i, uint16(i+1), c))
	}
	r.must(r.Ready())
	return lanes
}

// send makes chain i available.
func (l *lane) send(i int) {
	l.r.t.Helper()
	l.serial++
	b := l.r.mem.Bytes(l.in[i])
	for j := range b {
		b[j] = l.serial + byte(j)
	}
	clear(l.r.mem.Bytes(l.out[i]))
	l.r.must(l.q.Add(l.in[i:i+1], l.out[i:i+1], uint64(i)))
	if l.q.Publish() {
		l.r.must(l.r.Kick(l.index))
	}
}

// receive waits until n chains came back, and checks them.
func (l *lane) receive(n int) {
	l.r.t.Helper()
	var used [laneSize]virtqdrv.Used
	for n > 0 {
		got, err := l.q.Reap(used[:min(n, laneSize)])
		l.r.must(err)
		for _, u := range used[:got] {
			in, out := l.r.mem.Bytes(l.in[u.Cookie]), l.r.mem.Bytes(l.out[u.Cookie])
			if u.Written != uint32(len(in)) || !bytes.Equal(in, out) {
				l.r.t.Fatalf("queue %d, chain %d: %d bytes written: %x", l.index, u.Cookie, u.Written, out)
			}
		}
		if n -= got; got == 0 && !l.q.EnableInterrupts() {
			l.r.waitEvent(l.event)
		}
	}
}

// waitEvent waits for an interrupt.
func (r *rig) waitEvent(e *virtio.Event) {
	r.t.Helper()
	if !r.signalled(e, patience) {
		r.t.Fatal("no interrupt")
	}
}

// signalled reports whether an event is signalled within a time, and takes
// the signal.
func (r *rig) signalled(e *virtio.Event, d time.Duration) bool {
	for end := time.Now().Add(d); ; {
		set := []unix.PollFd{{Fd: int32(e.FD()), Events: unix.POLLIN}}
		n, err := unix.Poll(set, int(max(time.Until(end).Milliseconds(), 0)))
		switch {
		case err == unix.EINTR:
		case n > 0:
			e.Drain()
			return true
		default:
			return false
		}
	}
}

// exchange sends and receives n times.
func (l *lane) exchange(n int) {
	l.r.t.Helper()
	for i := range n {
		l.send(i % laneSize)
		l.receive(1)
	}
}

// needsReset reports whether the device says so.
func (r *rig) needsReset() bool {
	r.t.Helper()
	s, err := r.Status()
	r.must(err)
	return s&virtio.StatusNeedsReset != 0
}

// SPDX-License-Identifier: Apache-2.0

package virtio_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio"
	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// echo is a device that copies what it reads to where it may write, at once
// or, if async, later and from another goroutine.
type echo struct {
	async bool
	gate  chan struct{} // async: takes one value before each chain; nil: open
	hurry func()        // what a worker does that is to hurry; nil: nothing
	fail  error         // of NewWorker

	mu      sync.Mutex
	closed  int // workers
	resets  int
	refused uint64 // features
}

func (e *echo) ID() virtio.DeviceID       { return virtio.IDEntropy }
func (e *echo) Features() uint64          { return 1 }
func (e *echo) Queues() int               { return 2 }
func (e *echo) ReadConfig([]byte, uint32) {}
func (e *echo) Reset()                    { e.mu.Lock(); e.resets++; e.mu.Unlock() }
func (e *echo) Negotiated(f uint64) error {
	if f&e.refused != 0 {
		return errors.New("refused")
	}
	return nil
}

func (e *echo) NewWorker(q *virtio.Queue) (virtio.Worker, error) {
	if e.fail != nil {
		return nil, e.fail
	}
	w := &worker{dev: e, q: q}
	if e.async {
		w.todo, w.done = make(chan *virtq.Chain, q.Size()), make(chan *virtq.Chain, q.Size())
		w.wg.Go(w.later)
	}
	return w, nil
}

type worker struct {
	dev        *echo
	q          *virtio.Queue
	todo, done chan *virtq.Chain
	wg         sync.WaitGroup
}

func (w *worker) Handle(chains []*virtq.Chain) {
	for _, c := range chains {
		if w.todo != nil {
			w.todo <- c
		} else {
			w.q.Push(c, reply(c))
		}
	}
}

func (w *worker) Poll(bool) (pushed bool) {
	for {
		select {
		case c := <-w.done:
			w.q.Push(c, reply(c))
			pushed = true
		default:
			return pushed
		}
	}
}

func (w *worker) Hurry() {
	if w.dev.hurry != nil {
		w.dev.hurry()
	}
}

func (w *worker) later() {
	for c := range w.todo {
		if w.dev.gate != nil {
			<-w.dev.gate
		}
		w.done <- c
		w.q.Wake()
	}
}

func (w *worker) Close() {
	if w.todo != nil {
		close(w.todo)
		w.wg.Wait()
	}
	w.dev.mu.Lock()
	w.dev.closed++
	w.dev.mu.Unlock()
}

func reply(c *virtq.Chain) (n uint32) {
	out := c.Writer()
	for _, s := range c.Readable() {
		n += uint32(out.Write(s))
	}
	return n
}

// guest is a driver of one queue of an instance, with memory of its own.
type guest struct {
	t    testing.TB
	file *os.File
	*virtqdrv.Memory
	drv        *virtqdrv.Queue
	in         *virtio.Instance
	dev        *echo
	kick, call *virtio.Event
	broken     chan error
	size       int
	bufs       [][2]virtqdrv.Buf
	waitFor    time.Duration
}

type setup struct {
	dev     echo
	queue   virtqdrv.Config
	polling virtio.Polling
	patient time.Duration // virtio.Options.Patience
	limit   time.Duration // of it, later; 0: none
	log     *slog.Logger
	noKick  bool
}

func newGuest(t testing.TB, s *setup) *guest {
	t.Helper()
	g := &guest{t: t, size: 1 << 20, dev: &s.dev, broken: make(chan error, 16), waitFor: 2 * time.Minute}
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	g.file = os.NewFile(uintptr(fd), "guest")
	t.Cleanup(func() { g.file.Close() })
	if err := g.file.Truncate(int64(g.size)); err != nil {
		t.Fatal(err)
	}
	data, err := unix.Mmap(fd, 0, g.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(data) })
	g.Memory = &virtqdrv.Memory{Data: data, Addr: 1 << 32}
	if s.queue.Size == 0 {
		s.queue.Size = 16
	}
	if g.drv, err = virtqdrv.New(g.Memory, s.queue); err != nil {
		t.Fatal(err)
	}
	for range s.queue.Size {
		var b [2]virtqdrv.Buf
		for i := range b {
			if b[i], err = g.Alloc(32, 1); err != nil {
				t.Fatal(err)
			}
		}
		g.bufs = append(g.bufs, b)
	}
	g.in = virtio.NewInstance(g.dev, virtio.Options{Polling: s.polling, Patience: s.patient, Log: s.log})
	if s.limit != 0 {
		g.in.LimitPatience(s.limit)
	}
	t.Cleanup(func() {
		if err := g.in.Close(); err != nil {
			t.Error(err)
		}
	})
	if !s.noKick {
		g.kick = newEvent(t)
	}
	g.call = newEvent(t)
	g.mapMemory()
	g.start(s.queue)
	return g
}

func newEvent(t testing.TB) *virtio.Event {
	t.Helper()
	e, err := virtio.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// mapMemory gives the device a fresh mapping of the guest's memory. It may be
// called from any goroutine.
func (g *guest) mapMemory() {
	g.t.Helper()
	r, err := mem.Map(g.file, 0, uint64(g.size))
	if err != nil {
		g.t.Error(err)
		return
	}
	r.Addr = g.Addr
	if err := g.in.Memory().Set([]mem.Region{r}); err != nil {
		g.t.Error(err)
	}
}

func (g *guest) config(c virtqdrv.Config) virtio.QueueConfig {
	return virtio.QueueConfig{
		Ring: virtq.Config{
			Size: c.Size, Desc: g.drv.Desc(), Avail: g.drv.Avail(), Used: g.drv.Used(),
			Base: c.Base, Indirect: c.Indirect > 0, EventIdx: c.EventIdx,
		},
		Kick: g.kick, Call: g.call,
		Broken: func(err error) { g.broken <- err },
	}
}

func (g *guest) start(c virtqdrv.Config) {
	g.t.Helper()
	if err := g.in.Start(0, g.config(c)); err != nil {
		g.t.Fatal(err)
	}
}

// send makes chain number i available.
func (g *guest) send(i int) {
	g.t.Helper()
	b := g.bufs[i]
	for j := range g.Bytes(b[0]) {
		g.Bytes(b[0])[j] = byte(i + j + 1)
	}
	clear(g.Bytes(b[1]))
	if err := g.drv.Add(b[:1], b[1:], uint64(i)); err != nil {
		g.t.Fatal(err)
	}
	if g.drv.Publish() && g.kick != nil {
		g.kick.Notify()
	}
}

// receive waits until n chains came back, and checks them.
func (g *guest) receive(n int) {
	g.t.Helper()
	for n > 0 {
		var batch [8]virtqdrv.Used
		got, err := g.drv.Reap(batch[:min(n, len(batch))])
		if err != nil {
			g.t.Fatal(err)
		}
		for _, u := range batch[:got] {
			b := g.bufs[u.Cookie]
			if u.Written != b[1].Len || !bytes.Equal(g.Bytes(b[0]), g.Bytes(b[1])) {
				g.t.Fatalf("chain %d: %d bytes written: %x", u.Cookie, u.Written, g.Bytes(b[1]))
			}
		}
		if n -= got; got == 0 && !g.drv.EnableInterrupts() {
			g.sleep(n)
		}
	}
}

// sleep waits for an interrupt.
func (g *guest) sleep(n int) {
	g.t.Helper()
	set := []unix.PollFd{{Fd: int32(g.call.FD()), Events: unix.POLLIN}}
	for {
		switch got, err := unix.Poll(set, int(g.waitFor.Milliseconds())); {
		case err == unix.EINTR:
		case err != nil || got == 0:
			g.t.Fatalf("no interrupt; %d chains have not come back (%v)", n, err)
		default:
			g.call.Drain()
			return
		}
	}
}

// stop stops the queue and returns its base.
func (g *guest) stop() uint16 {
	g.t.Helper()
	base, err := g.in.Stop(0)
	if err != nil {
		g.t.Fatal(err)
	}
	return base
}

// cpu is the time this process has worked.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// mustIdle fails if this process works for more than a fifth of a while.
func mustIdle(t testing.TB) {
	t.Helper()
	const while = 500 * time.Millisecond
	before := cpu(t)
	time.Sleep(while)
	if busy := cpu(t) - before; busy > while/5 {
		t.Errorf("busy for %v of %v", busy, while)
	}
}

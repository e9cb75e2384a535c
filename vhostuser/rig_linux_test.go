// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

const (
	testFeatures = virtio.FeatureVersion1 | virtio.FeatureIndirectDesc
	testProtocol = ProtocolMQ | ProtocolReplyAck | ProtocolConfig | ProtocolBackendReq |
		ProtocolResetDevice | ProtocolConfigureMemSlots
	testMemory    = 1 << 20
	testGuestAddr = 0xc0000
)

// echo is a device that inverts what it reads.
type echo struct {
	queues     int
	hurry      func()      // what a worker does that is to hurry; nil: nothing
	held       atomic.Bool // chains stay with the workers
	holding    atomic.Int64
	resets     atomic.Int64
	negotiated atomic.Uint64

	mu      sync.Mutex
	changer virtio.ConfigChanger
	running map[*virtio.Queue]bool
}

func (d *echo) ID() virtio.DeviceID       { return virtio.IDEntropy }
func (d *echo) Features() uint64          { return 1 }
func (d *echo) Queues() int               { return d.queues }
func (d *echo) Negotiated(f uint64) error { d.negotiated.Store(f); return nil }
func (d *echo) Reset()                    { d.resets.Add(1) }

func (d *echo) SetConfigChanger(c virtio.ConfigChanger) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changer = c
}

func (d *echo) configChanged() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changer.ConfigChanged()
}

func (d *echo) ReadConfig(p []byte, offset uint32) {
	for i := range p {
		if at := int(offset) + i; at < 16 {
			p[i] = byte(0xc0 + at)
		}
	}
}

func (d *echo) NewWorker(q *virtio.Queue) (virtio.Worker, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		d.running = make(map[*virtio.Queue]bool)
	}
	d.running[q] = true
	return &echoWorker{d: d, q: q}, nil
}

// release lets held chains go.
func (d *echo) release() {
	d.held.Store(false)
	d.mu.Lock()
	defer d.mu.Unlock()
	for q := range d.running {
		q.Wake()
	}
}

type echoWorker struct {
	d      *echo
	q      *virtio.Queue
	chains []*virtq.Chain
}

func (w *echoWorker) Handle(chains []*virtq.Chain) {
	w.chains = append(w.chains, chains...)
	w.d.holding.Add(int64(len(chains)))
}

func (w *echoWorker) Poll(bool) bool {
	if w.d.held.Load() || len(w.chains) == 0 {
		return false
	}
	for _, c := range w.chains {
		in, out := c.Reader(), c.Writer()
		buf := make([]byte, min(c.ReadLen, 1<<16))
		n := in.Read(buf)
		for i := range buf[:n] {
			buf[i] ^= 0xff
		}
		w.q.Push(c, uint32(out.Write(buf[:n])))
	}
	w.d.holding.Add(-int64(len(w.chains)))
	w.chains = w.chains[:0]
	return true
}

func (w *echoWorker) Hurry() {
	if w.d.hurry != nil {
		w.d.hurry()
	}
}

func (w *echoWorker) Close() {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	delete(w.d.running, w.q)
}

// rig is a front-end, a back-end and what is between them.
type rig struct {
	t    *testing.T
	fe   *FrontEnd
	dev  *echo
	log  *logBuffer
	stop context.CancelFunc

	done   chan struct{}
	result error // after done
}

// newRig serves an echo device of three queues.
func newRig(t *testing.T, ext Extension) *rig {
	t.Helper()
	return newRigWith(t, &echo{queues: 3}, ext, 0)
}

// newRigWith serves a device that has a patience, or 0 for the default.
func newRigWith(t *testing.T, dev *echo, ext Extension, patient time.Duration) *rig {
	t.Helper()
	ours, theirs, err := SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, fe: NewFrontEnd(ours), dev: dev, log: new(logBuffer), done: make(chan struct{})}
	r.fe.Timeout = patience
	log := slog.New(slog.NewTextHandler(r.log, nil))
	var ctx context.Context
	ctx, r.stop = context.WithCancel(t.Context())
	go func() {
		defer close(r.done)
		r.result = Serve(ctx, theirs, virtio.NewInstance(r.dev, virtio.Options{Log: log, Patience: patient}), ext, Options{Log: log})
	}()
	t.Cleanup(func() {
		r.dev.release()
		r.fe.Close()
		r.wait()
		r.stop()
	})
	return r
}

// wait waits for the back-end to end and returns its error.
func (r *rig) wait() error {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		r.t.Fatalf("the back-end does not end\n%s", buf[:runtime.Stack(buf, true)])
	}
	return r.result
}

// negotiate negotiates everything.
func (r *rig) negotiate() {
	r.t.Helper()
	r.must(r.fe.Negotiate(testFeatures, testProtocol))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// memory makes memory that goes with the test.
func (r *rig) memory(size int, addr uint64) *SharedMemory {
	r.t.Helper()
	m, err := NewSharedMemory(size, addr)
	r.must(err)
	r.t.Cleanup(func() { m.Close() })
	return m
}

// ring is a queue and its driver.
type ring struct {
	*virtqdrv.Queue
	r     *rig
	m     *SharedMemory
	index int
	fq    *FrontQueue
	cfg   virtqdrv.Config
	in    virtqdrv.Buf
	out   virtqdrv.Buf
	count byte
}

const testQueueSize = 16

// driver makes a ring in memory, of which the back-end knows nothing yet.
func (r *rig) driver(m *SharedMemory, index int, c virtqdrv.Config) *ring {
	r.t.Helper()
	c.Size = testQueueSize
	q, err := virtqdrv.New(&m.Memory, c)
	r.must(err)
	in, err := m.Alloc(64, 1)
	r.must(err)
	out, err := m.Alloc(64, 1)
	r.must(err)
	return &ring{Queue: q, r: r, m: m, index: index, cfg: c, in: in, out: out}
}

// setup tells the back-end of the ring, to begin at base.
func (q *ring) setup(base uint16) {
	q.r.t.Helper()
	var err error
	q.fq, err = q.r.fe.SetupQueue(q.index, QueueSetup{
		Size: testQueueSize, Desc: q.Desc(), Avail: q.Avail(), Used: q.Used(), Base: base,
	})
	q.r.must(err)
}

func (q *ring) enable(on bool) {
	q.r.t.Helper()
	q.r.must(q.r.fe.Enable(q.index, on))
}

// start is all a ring needs after memory was shared.
func (r *rig) start(m *SharedMemory, index int) *ring {
	r.t.Helper()
	q := r.driver(m, index, virtqdrv.Config{})
	q.setup(0)
	q.enable(true)
	return q
}

// submit makes a request available and kicks.
func (q *ring) submit() {
	q.r.t.Helper()
	q.count++
	for i := range q.m.Bytes(q.in) {
		q.m.Bytes(q.in)[i] = q.count + byte(i)
	}
	clear(q.m.Bytes(q.out))
	q.r.must(q.Add([]virtqdrv.Buf{q.in}, []virtqdrv.Buf{q.out}, uint64(q.count)))
	if q.Publish() && q.fq != nil {
		q.fq.Kick.Notify()
	}
}

// finish waits for a request and checks its answer.
func (q *ring) finish() {
	q.r.t.Helper()
	q.r.must(q.answer())
}

func (q *ring) answer() error {
	var used [1]virtqdrv.Used
	for end := time.Now().Add(patience); ; {
		n, err := q.Reap(used[:])
		if err != nil {
			return err
		}
		if n == 1 {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("queue %d: no answer; log:\n%s", q.index, q.r.log)
		}
		// With EnableInterrupts the ring was looked at once more, so only a
		// lost call makes this wait in vain.
		if !q.EnableInterrupts() {
			q.fq.WaitCall(patience)
		}
	}
	want := make([]byte, q.in.Len)
	for i := range want {
		want[i] = ^(q.count + byte(i))
	}
	if used[0].Written != q.out.Len || !bytes.Equal(q.m.Bytes(q.out), want) {
		return fmt.Errorf("queue %d: %d bytes written, %x, want %x", q.index, used[0].Written, q.m.Bytes(q.out), want)
	}
	return nil
}

func (q *ring) roundTrip() {
	q.r.t.Helper()
	q.submit()
	q.finish()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// holdings are what a process must not gather.
type holdings struct{ fds, maps, goroutines int }

func count(t *testing.T) holdings {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return holdings{
		fds:        len(fds),
		maps:       strings.Count(string(maps), "memfd:guest-memory"),
		goroutines: runtime.NumGoroutine(),
	}
}

// same waits until the process has no more than it had before. Goroutines may
// take a moment to end, also those that were counted before.
func (h holdings) same(t *testing.T) {
	t.Helper()
	var now holdings
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if now = count(t); now.fds <= h.fds && now.maps <= h.maps && now.goroutines <= h.goroutines {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("there were %+v, now there are %+v", h, now)
		}
	}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

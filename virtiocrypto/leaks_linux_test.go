// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/sock"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
	"vcrypto/virtiocrypto/vhostcrypto"
)

// footprint is what a process has that can be leaked.
type footprint struct {
	goroutines, descriptors, mappings int
	heap                              uint64 // bytes
}

func measure(t testing.TB) (f footprint) {
	t.Helper()
	for range 3 { // finalizers have finalizers
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return footprint{runtime.NumGoroutine(), len(fds), bytes.Count(maps, []byte("\n")), m.HeapAlloc}
}

// TestLeaksNothing: a thousand sessions of each kind, with requests, and
// queues that come and go, end with what they began with.
func TestLeaksNothing(t *testing.T) {
	e := newStrictEngine(gocrypto.New())
	m := newMachine(t, options{engine: e, form: forms[2].form}, newLocal)
	heap := *m.mem
	life := func(sessions int) {
		*m.mem = heap
		m.reset()
		for i, params := range sampleParams() {
			w := samples()[i]
			for range sessions {
				mem := *m.mem
				id, err := m.control.Create(params)
				if err != nil {
					t.Fatal(err)
				}
				w.Session, w.Params = id, nil
				readable, room, _ := m.o.form.Data(w)
				if _, _, err := m.data.DoPlain(m.fill(&mem, readable, room)); err != nil {
					t.Fatal(err)
				}
				w.Params = params // stateless
				readable, room, _ = m.o.form.Data(w)
				if _, _, err := m.data.DoPlain(m.fill(&mem, readable, room)); err != nil {
					t.Fatal(err)
				}
				if err := m.control.Destroy(id); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for range 3 {
		life(10)
	}
	before := measure(t)
	for range 20 {
		life(50)
	}
	after := measure(t)
	// The runtime has threads and arenas of its own to add.
	if after.goroutines > before.goroutines+2 || after.descriptors > before.descriptors || after.mappings > before.mappings+15 ||
		after.heap > before.heap+8<<20 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if n := e.open.Load(); n != 0 {
		t.Errorf("%d sessions of the engine are still open", n)
	}
	if n := m.dev.Counters().Sessions.Load(); n < 8*1000 {
		t.Errorf("only %d sessions were opened", n)
	}
}

// TestConnectionsLeakNothing: a thousand connections one after the other, each
// with a device of its own, with sessions and requests of each kind, that end
// in all manners: in order, with sessions open, with requests in flight, and
// before they have come to anything.
func TestConnectionsLeakNothing(t *testing.T) {
	e, err := engine.Open(engine.Auto, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	sign := virtiocrypto.AKCipherParams{
		Algo: virtiocrypto.AKCipherRSA, KeyType: virtiocrypto.KeyPrivate, Padding: virtiocrypto.RSAPaddingPKCS1, Hash: 6,
		Key: x509.MarshalPKCS1PrivateKey(k),
	}
	params := append(sampleParams(), sign)
	works := append(samples(), cryptodrv.Work{Opcode: cryptodrv.OpAKSign, Src: make([]byte, 32), Dst: 128})

	path := filepath.Join(t.TempDir(), "device")
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- vhostuser.ServeListener(ctx, l, func() (*virtio.Instance, vhostuser.Extension, error) {
			d, err := virtiocrypto.New(virtiocrypto.Options{Engine: e, MaxSessions: 64, DataQueues: 2})
			if err != nil {
				return nil, nil, err
			}
			return virtio.NewInstance(d, virtio.Options{}), vhostcrypto.New(d, nil), nil
		}, vhostuser.Options{})
	}()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		l.Close()
	}()
	memory, err := vhostuser.NewSharedMemory(4<<20, guestAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()

	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	requests := 0
	life := func(n int) {
		fe, err := vhostuser.Dial(path)
		must(err)
		defer func() { must(fe.Close()) }()
		fe.Timeout = patience
		if n%10 == 0 {
			return // nothing was said
		}
		must(fe.Negotiate(virtio.FeatureVersion1|virtio.FeatureIndirectDesc, vhostuser.ProtocolMQ|vhostuser.ProtocolReplyAck|vhostuser.ProtocolConfig))
		if n%10 == 1 {
			return
		}
		must(fe.ShareMemory(memory))
		heap := memory.Memory
		var queues []*cryptodrv.Queue
		for i := range 3 {
			ring, err := virtqdrv.New(&heap, virtqdrv.Config{Size: 64, Indirect: 16})
			must(err)
			fq, err := fe.SetupQueue(i, vhostuser.QueueSetup{Size: ring.Size(), Desc: ring.Desc(), Avail: ring.Avail(), Used: ring.Used()})
			must(err)
			must(fe.Enable(i, true))
			queues = append(queues, &cryptodrv.Queue{Queue: ring, Mem: &heap, Kick: fq.Kick.Notify, Wait: func() error {
				if !fq.WaitCall(patience) {
					return errSilence
				}
				return nil
			}})
		}
		if n%10 == 2 {
			return
		}
		control, err := cryptodrv.NewControl(queues[2])
		must(err)
		var ids []uint64
		var all []*cryptodrv.Plain
		for i, p := range params {
			id, err := control.Create(p)
			must(err)
			ids = append(ids, id)
			w := works[i]
			w.Session = id
			readable, room, _ := cryptodrv.Form{}.Data(w)
			r, err := cryptodrv.NewPlain(&heap, readable, room, []int{40, 80}, nil, 1)
			must(err)
			all = append(all, r)
		}
		for i, r := range all {
			q := queues[i%2]
			if n%10 < 5 { // many in flight at the end
				for range 4 {
					if err := r.Add(q.Queue, uint64(i)); err != nil {
						break
					}
				}
				continue
			}
			if _, _, err := q.DoPlain(r); err != nil {
				t.Fatal(err)
			}
			requests++
		}
		if n%10 < 5 {
			queues[0].Show()
			queues[1].Show()
			return
		}
		if n%2 == 0 {
			for _, id := range ids {
				must(control.Destroy(id))
			}
		}
	}
	for n := range 100 {
		life(n)
	}
	before, resident := settled(t), residentKiB(t)
	for n := range 1000 {
		life(n)
	}
	// The last device may be about to end.
	var after footprint
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		after = settled(t)
		if after.goroutines <= before.goroutines+2 && after.descriptors <= before.descriptors || time.Now().After(end) {
			break
		}
	}
	grown := residentKiB(t) - resident
	t.Logf("before %+v, after %+v, %d requests, %d KiB more resident", before, after, requests, grown)
	if after.goroutines > before.goroutines+2 || after.descriptors > before.descriptors || after.mappings > before.mappings+15 ||
		after.heap > before.heap+8<<20 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	// What C allocates shows here: 100 bytes a connection would not, a context
	// or a manager would.
	if !raceDetector && grown > 32<<10 {
		t.Errorf("%d KiB more are resident", grown)
	}
	if requests < 3000 {
		t.Errorf("only %d requests were done", requests)
	}
}

// settled is measure when finalizers have had their turn.
func settled(t testing.TB) footprint {
	t.Helper()
	time.Sleep(20 * time.Millisecond)
	return measure(t)
}

// residentKiB is the process's memory that is there, C's with it.
func residentKiB(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

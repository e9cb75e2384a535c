// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"os"
	"testing"
	"time"
)

// unhurried is how long a test looks whether something comes too early.
const unhurried = 100 * time.Millisecond

// notYet checks that an acknowledgement does not come before release, and
// that it comes after.
func (r *rig) notYet(req Request, release func()) {
	r.t.Helper()
	if !r.fe.conn.Idle(unhurried) {
		r.t.Errorf("%v was answered while a request uses the memory", req)
	}
	release()
	r.must(r.fe.ReceiveAck(req))
}

// hold makes the device keep a request.
func (q *ring) hold() {
	q.r.t.Helper()
	q.r.dev.held.Store(true)
	q.submit()
	eventually(q.r.t, "the request to arrive", func() bool { return q.r.dev.holding.Load() == 1 })
}

func TestSetMemTableWaits(t *testing.T) {
	r, m := readyRig(t)
	q := r.start(m, 0)
	q.roundTrip()
	before := count(t)
	q.hold()
	r.must(r.fe.SendFlags(ReqSetMemTable, FlagNeedReply, AppendMemTable(nil, nil)))
	r.notYet(ReqSetMemTable, r.dev.release)
	before.maps--
	before.goroutines-- // the ring's
	before.fds--        // its wake
	before.same(t)
	q.finish() // it was answered into the memory that went

	// The memory comes back, and with it the ring.
	r.must(r.fe.ShareMemory(m))
	q.roundTrip()
}

func TestRemMemRegWaits(t *testing.T) {
	r, m := readyRig(t)
	other := r.memory(testMemory, testGuestAddr+testMemory)
	r.must(r.fe.AddMemory(other))
	q := r.start(m, 0)
	q.roundTrip()
	before := count(t)
	q.in, _ = other.Alloc(64, 1)
	q.out, _ = other.Alloc(64, 1)
	ringMemory := q.m
	q.m = other // where buffers are
	q.hold()
	r.must(r.fe.SendFlags(ReqRemMemReg, FlagNeedReply, AppendSingleRegion(nil, other.Region())))
	r.notYet(ReqRemMemReg, r.dev.release)
	q.finish()
	// The ring goes on by itself, its memory is still there.
	q.m = ringMemory
	q.in, _ = m.Alloc(64, 1)
	q.out, _ = m.Alloc(64, 1)
	q.roundTrip()
	before.maps--
	before.same(t)
}

// TestMemoryRearranged does what QEMU does when a region changes: it is taken
// away and comes back in pieces, while the guest makes requests.
func TestMemoryRearranged(t *testing.T) {
	r, m := readyRig(t)
	q := r.start(m, 0)
	half := uint64(testMemory / 2)
	low, high := *m, *m
	low.Data, high.Data = m.Data[:half], m.Data[half:]
	high.Addr, high.User, high.Offset = m.Addr+half, m.User+half, half
	for range 10 {
		r.must(r.fe.RemoveMemory(m))
		q.submit() // into memory that is not there just now
		r.must(r.fe.AddMemory(&high))
		r.must(r.fe.AddMemory(&low))
		q.finish()
		r.must(r.fe.RemoveMemory(&low))
		q.submit()
		r.must(r.fe.RemoveMemory(&high))
		r.must(r.fe.AddMemory(m))
		q.finish()
	}
	if q.fq.WaitErr(0) {
		t.Errorf("the ring broke:\n%s", r.log)
	}
	// If it does not come back, the ring waits for it.
	r.must(r.fe.RemoveMemory(m))
	q.submit()
	time.Sleep(2 * settleTime)
	r.goesOn()
	if q.fq.WaitErr(0) {
		t.Errorf("the ring broke:\n%s", r.log)
	}
	r.must(r.fe.AddMemory(m))
	q.finish()
}

// TestBuffersRearranged is the same for memory where buffers are and the ring
// is not.
func TestBuffersRearranged(t *testing.T) {
	r, m := readyRig(t)
	other := r.memory(testMemory, testGuestAddr+testMemory)
	r.must(r.fe.AddMemory(other))
	q := r.start(m, 0)
	q.in, _ = other.Alloc(64, 1)
	q.out, _ = other.Alloc(64, 1)
	q.m = other
	half := uint64(testMemory / 2)
	low, high := *other, *other
	low.Data, high.Data = other.Data[:half], other.Data[half:]
	high.Addr, high.User, high.Offset = other.Addr+half, other.User+half, half
	for range 10 {
		r.must(r.fe.RemoveMemory(other))
		q.submit() // its buffers are in the lower half
		r.must(r.fe.AddMemory(&high))
		r.must(r.fe.AddMemory(&low))
		q.finish()
		r.must(r.fe.RemoveMemory(&low))
		r.must(r.fe.RemoveMemory(&high))
		r.must(r.fe.AddMemory(other))
		q.roundTrip()
	}
	if q.fq.WaitErr(0) {
		t.Errorf("the ring broke:\n%s", r.log)
	}
}

// TestSetMemTableUnderLoad changes memory all the time while requests run.
func TestSetMemTableUnderLoad(t *testing.T) {
	r, m := readyRig(t)
	other := r.memory(testMemory, testGuestAddr+testMemory)
	extra := r.memory(testMemory, testGuestAddr+2*testMemory)
	before := count(t)
	queues := []*ring{r.start(m, 0), r.start(m, 1), r.start(m, 2)}
	stop := make(chan struct{})
	results := make(chan error, len(queues))
	for _, q := range queues {
		go func() {
			for {
				q.submit()
				if err := q.answer(); err != nil {
					results <- err
					return
				}
				select {
				case <-stop:
					results <- nil
					return
				default:
				}
			}
		}()
	}
	for range 30 {
		r.must(r.fe.ShareMemory(m, other))
		r.must(r.fe.ShareMemory(other, m))
		r.must(r.fe.AddMemory(extra))
		r.must(r.fe.ShareMemory(m))
	}
	close(stop)
	for range queues {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	for i := range queues {
		if _, err := r.fe.StopQueue(i); err != nil {
			t.Error(err)
		}
		delete(r.fe.queues, i)
		queues[i].fq.close()
	}
	before.fds += 2 * len(queues) // the back-end keeps those for calls and errors
	before.same(t)
}

func TestBadMemory(t *testing.T) {
	r, m := readyRig(t)
	q := r.start(m, 0)
	before := count(t)
	good, size := m.Region(), uint64(testMemory)
	fd := int(m.File.Fd())
	pipe, w, err := os.Pipe()
	r.must(err)
	null, err := os.Open(os.DevNull)
	r.must(err)
	for _, c := range []struct {
		name    string
		regions []MemRegion
		fds     []int
	}{
		{"beyond the file's end", []MemRegion{{0, size + 1, 0, 0}}, []int{fd}},
		{"offset beyond the file's end", []MemRegion{{0, size, 0, 4096}}, []int{fd}},
		{"offset that wraps", []MemRegion{{0, size, 0, -size + 1}}, []int{fd}},
		{"size of all there is", []MemRegion{{0, 1<<64 - 1, 0, 0}}, []int{fd}},
		{"size 0", []MemRegion{{0, 0, 0, 0}}, []int{fd}},
		{"guest address that wraps", []MemRegion{{-size + 1, size, 0, 0}}, []int{fd}},
		{"user address that wraps", []MemRegion{{0, size, -size + 1, 0}}, []int{fd}},
		{"overlap", []MemRegion{good, {good.GuestAddr + size - 1, size, 0, 0}}, []int{fd, fd}},
		{"the second is bad", []MemRegion{good, {0, size + 1, 0, 0}}, []int{fd, fd}},
		{"more descriptors than regions", []MemRegion{good}, []int{fd, fd}},
		{"fewer descriptors than regions", []MemRegion{good, {0, size, 0, 0}}, []int{fd}},
		{"no descriptor", []MemRegion{good}, nil},
		{"a pipe", []MemRegion{good}, []int{int(pipe.Fd())}},
		{"a device", []MemRegion{good}, []int{int(null.Fd())}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var nack *AckError
			err := r.fe.Do(ReqSetMemTable, AppendMemTable(nil, c.regions), c.fds...)
			if !errors.As(err, &nack) {
				t.Errorf("SET_MEM_TABLE: %v", err)
			}
			if len(c.regions) == 1 && c.name != "overlap" {
				err := r.fe.Do(ReqAddMemReg, AppendSingleRegion(nil, c.regions[0]), c.fds...)
				if !errors.As(err, &nack) {
					t.Errorf("ADD_MEM_REG: %v", err)
				}
			}
			q.roundTrip() // in the memory that was there before
		})
	}
	pipe.Close()
	w.Close()
	null.Close()
	before.same(t)
}

func TestMemorySlots(t *testing.T) {
	r := newRig(t, nil)
	r.negotiate()
	before := count(t)
	r.ask(ReqGetMaxMemSlots, maxMemSlots)
	m, err := NewSharedMemory(4096, 0)
	r.must(err)
	for i := range maxMemSlots {
		m.Addr, m.User = uint64(i)<<20, uint64(i)<<20
		r.must(r.fe.AddMemory(m))
	}
	m.Addr, m.User = 1<<40, 1<<40
	var nack *AckError
	if err := r.fe.AddMemory(m); !errors.As(err, &nack) {
		t.Errorf("one more than there are slots: %v", err)
	}
	r.must(r.fe.Do(ReqRemMemReg, AppendSingleRegion(nil, MemRegion{Size: 4096}), int(m.File.Fd())))
	r.must(r.fe.AddMemory(m))
	r.must(r.fe.ShareMemory())
	r.must(m.Close())
	before.same(t)
}

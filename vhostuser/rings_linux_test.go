// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"strings"
	"testing"

	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// ready is a rig with memory.
func readyRig(t *testing.T) (*rig, *SharedMemory) {
	t.Helper()
	r := newRig(t, nil)
	r.negotiate()
	m := r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	return r, m
}

// TestKickBeforeEnable: the kick comes, and is taken, before the ring may run.
func TestKickBeforeEnable(t *testing.T) {
	r, m := readyRig(t)
	q := r.driver(m, 0, virtqdrv.Config{})
	q.setup(0)
	q.submit()
	q.fq.Kick.Drain() // as if a back-end had read and dropped it
	r.goesOn()
	if q.Pending() {
		t.Fatal("a ring ran before it was enabled")
	}
	q.enable(true)
	q.finish()
}

// TestWithoutProtocolFeatures: the ring runs from its kick on.
func TestWithoutProtocolFeatures(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.fe.Negotiate(testFeatures, 0))
	m := r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	q := r.driver(m, 0, virtqdrv.Config{})
	q.setup(0)
	q.roundTrip()
}

func TestDisablePauses(t *testing.T) {
	r, m := readyRig(t)
	q := r.start(m, 1)
	resets := r.dev.resets.Load()
	for range 3 {
		q.roundTrip()
		q.enable(false)
		q.submit()
		r.goesOn()
		if q.Pending() {
			t.Fatal("a disabled ring was served")
		}
		q.enable(true)
		q.finish()
	}
	if base, err := r.fe.StopQueue(1); err != nil || base != 6 {
		t.Errorf("stopped at %d, %v", base, err)
	}
	// Stopped, it starts with a kick only.
	q.submit()
	q.enable(true)
	r.goesOn()
	if q.Pending() {
		t.Fatal("a stopped ring was served")
	}
	q.setup(6)
	q.finish()
	if got := r.dev.resets.Load(); got != resets {
		t.Errorf("%d resets", got-resets)
	}
}

// TestResetByOtherBase: a ring that starts elsewhere is a new driver's, also
// when others run already.
func TestResetByOtherBase(t *testing.T) {
	r, m := readyRig(t)
	q0, q1 := r.start(m, 0), r.start(m, 1)
	q0.roundTrip()
	q1.roundTrip()
	resets := r.dev.resets.Load()
	for i := range 2 {
		if base, err := r.fe.StopQueue(i); err != nil || base != 1 {
			t.Fatalf("stopped at %d, %v", base, err)
		}
	}
	// q0 goes on where it was and runs (it is still enabled), then q1 is new.
	q0.setup(1)
	q0.roundTrip()
	if got := r.dev.resets.Load(); got != resets {
		t.Fatalf("%d resets", got-resets)
	}
	q1 = r.driver(m, 1, virtqdrv.Config{})
	q1.setup(0)
	q1.roundTrip()
	q0.roundTrip()
	if got := r.dev.resets.Load(); got != resets+1 {
		t.Errorf("%d resets, want 1", got-resets)
	}
	if got := r.dev.negotiated.Load(); got != testFeatures {
		t.Errorf("negotiated %#x", got)
	}
}

// TestChangesOfARunningRing: whatever is said of a ring that runs, requests
// are not lost.
func TestChangesOfARunningRing(t *testing.T) {
	r, m := readyRig(t)
	q := r.start(m, 0)
	addr := VringAddr{Desc: r.fe.user(q.Desc()), Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used())}
	for range 20 {
		for _, change := range []func() error{
			func() error { return r.fe.SetEvent(ReqSetVringKick, 0, q.fq.Kick) },
			func() error { return r.fe.SetEvent(ReqSetVringCall, 0, q.fq.Call) },
			func() error { return r.fe.SetEvent(ReqSetVringErr, 0, q.fq.Err) },
			func() error { return r.fe.Do(ReqSetVringAddr, addr.Append(nil)) },
			func() error { return r.fe.Do(ReqSetVringNum, VringState{0, testQueueSize}.Append(nil)) },
			func() error { return r.fe.Enable(0, true) },
			func() error { return r.fe.SetFeatures(testFeatures | FeatureProtocolFeatures) },
		} {
			q.submit()
			r.must(change())
			q.finish()
		}
	}
	r.refused(ReqSetFeatures, AppendU64(nil, testFeatures)) // others than it runs with
	r.refused(ReqSetProtocolFeatures, AppendU64(nil, ProtocolReplyAck))
	q.roundTrip()

	// Moved to another place, it goes on at the same index.
	moved := r.driver(m, 0, virtqdrv.Config{Base: 7*20 + 1})
	moved.fq = q.fq
	r.must(r.fe.Do(ReqSetVringAddr, VringAddr{
		Desc: r.fe.user(moved.Desc()), Avail: r.fe.user(moved.Avail()), Used: r.fe.user(moved.Used()),
	}.Append(nil)))
	moved.roundTrip()
}

func TestPolledRing(t *testing.T) {
	r, m := readyRig(t)
	q := r.driver(m, 0, virtqdrv.Config{})
	_, err := r.fe.SetupQueue(0, QueueSetup{Size: testQueueSize, Desc: q.Desc(), Avail: q.Avail(), Used: q.Used(), Polled: true})
	r.must(err)
	q.enable(true)
	q.submit()
	eventually(t, "an answer without a kick", q.Pending)
	q.fq = r.fe.queues[0]
	if q.fq.WaitCall(0) {
		t.Error("a call that nobody wanted")
	}
}

func TestBrokenRing(t *testing.T) {
	r, m := readyRig(t)
	q, other := r.start(m, 0), r.start(m, 1)
	q.roundTrip()
	q.RawAvail(1, testQueueSize) // no such descriptor
	q.RawAvailIdx(2)
	q.fq.Kick.Notify()
	if !q.fq.WaitErr(patience) {
		t.Fatal("the error descriptor was not signalled")
	}
	other.roundTrip()
	if n := strings.Count(r.log.String(), "queue stopped"); n != 1 {
		t.Errorf("%d log lines:\n%s", n, r.log)
	}
	// Enabling does not mend it.
	q.enable(false)
	q.enable(true)
	if q.fq.WaitErr(unhurried) {
		t.Error("a broken ring was started again")
	}
	// A driver that starts anew does.
	base, err := r.fe.StopQueue(0)
	if err != nil || base != 1 {
		t.Errorf("stopped at %d, %v", base, err)
	}
	q = r.driver(m, 0, virtqdrv.Config{})
	q.setup(0)
	q.roundTrip()
}

func TestResetDevice(t *testing.T) {
	r, m := readyRig(t)
	q := r.start(m, 0)
	q.roundTrip()
	resets := r.dev.resets.Load()
	r.must(r.fe.ResetDevice())
	if got := r.dev.resets.Load(); got != resets+1 {
		t.Errorf("%d resets", got-resets)
	}
	// All must be set up again, memory aside.
	r.must(r.fe.SetFeatures(testFeatures | FeatureProtocolFeatures))
	q = r.driver(m, 0, virtqdrv.Config{})
	q.setup(0)
	q.submit()
	r.goesOn()
	if q.Pending() {
		t.Fatal("a ring was enabled after a reset")
	}
	q.enable(true)
	q.finish()
}

func TestResetOwner(t *testing.T) {
	r, m := readyRig(t)
	q := r.start(m, 0)
	q.roundTrip()
	r.must(r.fe.Do(ReqResetOwner, nil))
	q.submit()
	r.goesOn()
	if q.Pending() {
		t.Fatal("a ring runs after RESET_OWNER")
	}
	q.setup(1)
	q.enable(true)
	q.finish()
}

// TestStartsThatFail: a ring that is not where memory is, or whose setting up
// is not complete, is an error and nothing else.
func TestStartsThatFail(t *testing.T) {
	r := newRig(t, nil)
	r.negotiate()
	m := r.memory(testMemory, testGuestAddr)
	q := r.driver(m, 0, virtqdrv.Config{})
	q.setup(0)
	var nack *AckError
	if err := r.fe.Enable(0, true); !errors.As(err, &nack) {
		t.Errorf("a ring without memory: %v", err)
	}
	r.goesOn()
	q.submit()
	r.must(r.fe.ShareMemory(m)) // this is what it lacked
	q.finish()

	for _, a := range []VringAddr{
		{Desc: 1, Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used())},
		{Desc: r.fe.user(q.Desc()) + 1, Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used())},
		{Desc: r.fe.user(q.Desc()), Avail: 1<<64 - 1, Used: r.fe.user(q.Used())},
		{Desc: r.fe.user(q.Desc()), Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used()) + 2},
	} {
		r.refused(ReqSetVringAddr, a.Append(nil))
	}
	end := r.fe.user(m.Addr) + uint64(len(m.Data)) - 16
	r.must(r.fe.Do(ReqSetVringAddr, VringAddr{Desc: end, Avail: end, Used: end}.Append(nil)))
	if !q.fq.WaitErr(patience) {
		t.Error("a ring that reaches beyond memory: the error descriptor was not signalled")
	}
	r.goesOn()
}

func TestFeaturesMustComeFirst(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.fe.Send(ReqSetProtocolFeatures, AppendU64(nil, testProtocol)))
	r.fe.protocol = testProtocol
	m := r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	q := r.driver(m, 0, virtqdrv.Config{})
	var nack *AckError
	_, err := r.fe.SetupQueue(0, QueueSetup{Size: testQueueSize, Desc: q.Desc(), Avail: q.Avail(), Used: q.Used()})
	if !errors.As(err, &nack) {
		t.Errorf("a ring without SET_FEATURES: %v", err)
	}
}

func TestEventIdxAndIndirect(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.fe.Negotiate(testFeatures|virtio.FeatureEventIdx, testProtocol))
	m := r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	q := r.driver(m, 0, virtqdrv.Config{EventIdx: true, Indirect: 8})
	q.setup(0)
	q.enable(true)
	for range 200 {
		q.roundTrip()
	}
	// Not negotiated, an indirect descriptor breaks the ring.
	r = newRig(t, nil)
	r.must(r.fe.Negotiate(virtio.FeatureVersion1, testProtocol))
	m = r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	q = r.driver(m, 0, virtqdrv.Config{Indirect: 8})
	q.setup(0)
	q.enable(true)
	q.submit()
	if !q.fq.WaitErr(patience) {
		t.Error("indirect descriptors were taken that were not negotiated")
	}
}

func TestRemoveUnknownMemory(t *testing.T) {
	r, m := readyRig(t)
	q := r.start(m, 0)
	region := m.Region()
	for _, bad := range []MemRegion{
		{region.GuestAddr + 1, region.Size, region.UserAddr, 0},
		{region.GuestAddr, region.Size - 1, region.UserAddr, 0},
		{region.GuestAddr, region.Size, region.UserAddr + 1, 0},
	} {
		r.refused(ReqRemMemReg, AppendSingleRegion(nil, bad))
	}
	q.roundTrip()
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"testing"
	"time"

	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

const (
	statusDriver = virtio.StatusAcknowledge | virtio.StatusDriver
	statusOK     = statusDriver | virtio.StatusFeaturesOK | virtio.StatusDriverOK
)

// waits checks that a request is not answered, then sets the status and sees
// it answered.
func (q *ring) waits(status uint8) {
	q.r.t.Helper()
	q.submit()
	time.Sleep(50 * time.Millisecond)
	if n, err := q.Reap(make([]virtqdrv.Used, 1)); n != 0 || err != nil {
		q.r.t.Fatalf("%d requests were answered before the driver is ready, %v", n, err)
	}
	q.r.must(q.r.fe.SetStatus(status))
	q.finish()
}

// TestDriverOK: where STATUS was negotiated rings wait for the driver, and
// stop with it. Status 0 is no reset.
func TestDriverOK(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.fe.Negotiate(testFeatures, testProtocol|ProtocolStatus))
	r.must(r.fe.SetStatus(statusDriver))
	m := r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	q := r.start(m, 0)
	q.waits(statusOK)
	if s, err := r.fe.Status(); err != nil || s != statusOK {
		t.Errorf("the status is %#x, %v", s, err)
	}
	q.roundTrip()
	r.must(r.fe.SetStatus(0))
	q.waits(statusOK)
	if n := r.dev.resets.Load(); n != 0 {
		t.Errorf("the device was reset %d times", n)
	}
	r.must(r.fe.SetStatus(statusOK | virtio.StatusNeedsReset))
	q.roundTrip()
	r.must(r.fe.ResetDevice())
	if s, err := r.fe.Status(); err != nil || s != 0 {
		t.Errorf("after a reset the status is %#x, %v", s, err)
	}
}

// TestStatusOfQEMU: FEATURES_OK alone is all that QEMU says for a generic
// device, and a front-end that does not negotiate STATUS says nothing.
func TestStatusOfQEMU(t *testing.T) {
	for _, protocol := range []uint64{testProtocol | ProtocolStatus, testProtocol} {
		r := newRig(t, nil)
		r.must(r.fe.Negotiate(testFeatures, protocol))
		if protocol&ProtocolStatus != 0 {
			r.must(r.fe.SetStatus(virtio.StatusFeaturesOK))
		}
		m := r.memory(testMemory, testGuestAddr)
		r.must(r.fe.ShareMemory(m))
		r.start(m, 0).roundTrip()
	}
}

// TestStatusOfControllingFrontEnd: one that keeps the control queue to itself
// acknowledges STATUS, as it does all it has heard of, and says nothing more.
func TestStatusOfControllingFrontEnd(t *testing.T) {
	r := newRig(t, &sessions{queues: 1})
	protocol := (testProtocol | ProtocolStatus | protocolSession) &^ ProtocolConfig
	r.must(r.fe.Negotiate(testFeatures, protocol))
	m := r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	r.start(m, 0).roundTrip()
}

func TestBadStatus(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.fe.Negotiate(testFeatures, testProtocol|ProtocolStatus))
	if err := r.fe.Do(ReqSetStatus, AppendU64(nil, 0x100)); err == nil {
		t.Error("a status of nine bits was taken")
	}
}

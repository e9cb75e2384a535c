// SPDX-License-Identifier: Apache-2.0

package virtiopci_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// TestRequests: requests go through, on several queues, with and without the
// ring's features.
func TestRequests(t *testing.T) {
	all := []uint64{virtio.FeatureEventIdx, virtio.FeatureIndirectDesc, virtio.FeatureRingPacked}
	for set := range 1 << len(all) {
		var features uint64
		for i, f := range all {
			features |= f * uint64(set>>i&1)
		}
		r := newRig(t, new(echo))
		lanes := r.start(features, 3)
		for range 20 {
			for _, l := range lanes {
				l.send(0)
				l.send(1)
			}
			for _, l := range lanes {
				l.receive(2)
			}
		}
		if got := r.in.Features(); got != features|virtio.FeatureVersion1 {
			t.Errorf("features %#x", got)
		}
	}
}

// TestMostQueues: 64 data queues and one for control, each with a vector.
func TestMostQueues(t *testing.T) {
	const n = 65
	r := newRig(t, &echo{queues: n})
	irq, err := r.c.IRQ(vfiouser.IRQMSIX)
	r.must(err)
	if irq.Count != n+1 {
		t.Errorf("%d vectors", irq.Count)
	}
	for _, l := range r.start(virtio.FeatureEventIdx, n) {
		l.exchange(3)
	}
}

// TestTooManyQueues: what has no room in the BARs is refused.
func TestTooManyQueues(t *testing.T) {
	in := virtio.NewInstance(&echo{queues: virtiopci.MaxQueues + 1}, virtio.Options{})
	if _, err := virtiopci.New(in, virtiopci.Options{}); err == nil {
		t.Error("accepted")
	}
	in = virtio.NewInstance(&echo{queues: 1}, virtio.Options{})
	if _, err := virtiopci.New(in, virtiopci.Options{QueueSize: 100}); err == nil {
		t.Error("queues of 100 accepted")
	}
}

// TestReset: after a reset by its driver, or of the whole function, the
// device is as new and works again.
func TestReset(t *testing.T) {
	for name, reset := range map[string]func(*rig) error{
		"device":   func(r *rig) error { return r.Reset(time.Now().Add(patience)) },
		"function": func(r *rig) error { return r.c.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, new(echo))
			for i := range 3 {
				l := r.start(virtio.FeatureEventIdx, 1)[0]
				l.exchange(5)
				r.must(reset(r))
				if s, err := r.Status(); err != nil || s != 0 {
					t.Fatalf("status %#x, %v", s, err)
				}
				r.must(r.Kick(0)) // nobody there
				r.dev.mu.Lock()
				if r.dev.resets < i+1 {
					t.Errorf("%d resets of the device", r.dev.resets)
				}
				r.dev.mu.Unlock()
			}
		})
	}
}

// TestResetWhileBusy: a reset whose requests do not end is not done, says so,
// delays no other answer for longer than clients wait, and is done when they
// end.
func TestResetWhileBusy(t *testing.T) { inTime(t, testResetWhileBusy) }

func testResetWhileBusy(t *testing.T) (took time.Duration) {
	r := newRig(t, &echo{gate: make(chan struct{})})
	l := r.start(0, 1)[0]
	l.send(0)
	eventually(t, "the request is taken", func() bool { return r.in.Counters(0).Chains.Load() == 1 })
	waited := watch(t)
	r.must(r.SetStatus(0))
	s, err := r.Status()
	r.must(err)
	if s == 0 {
		t.Error("the reset is done while a request runs")
	}
	took = waited()
	// What a driver does meanwhile does no harm.
	r.must(r.SetConfigVector(1))
	r.must(r.Kick(0))
	var b [16]byte
	r.must(r.ReadConfig(b[:], 0))
	if err := r.c.Reset(); err == nil {
		t.Error("a reset of the function is done while a request runs")
	}
	close(r.dev.gate)
	r.must(r.Reset(time.Now().Add(patience)))
	// The last request's interrupt is not for the next driver.
	if isr, err := r.ISR(); err != nil || isr != 0 {
		t.Errorf("interrupt status %d, %v", isr, err)
	}
	r.start(0, 1)[0].exchange(1)
	return took
}

// TestNoQueueBeforeDriverOK: what a driver makes available before it is ready
// is taken only then (virtio 1.3 section 3.1.1).
func TestNoQueueBeforeDriverOK(t *testing.T) {
	r := newRig(t, new(echo))
	r.must(r.Negotiate(0))
	l := r.addLane(0, 1, virtqdrv.Config{})
	l.send(0)
	if _, err := r.Status(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if l.q.Pending() {
		t.Error("a request was done before DRIVER_OK")
	}
	r.must(r.Ready())
	l.receive(1)
}

// TestFeatures: nothing that is not offered, nothing without VERSION_1.
func TestFeatures(t *testing.T) {
	r := newRig(t, new(echo))
	offered, err := r.Offered()
	r.must(err)
	if want := virtio.RingFeatures | virtio.FeatureRingPacked | 1<<3; offered != want {
		t.Errorf("offered %#x, want %#x", offered, want)
	}
	r.must(r.Negotiate(1 << 3))
	if err := r.Negotiate(1 << 4); !errors.Is(err, virtiopci.ErrRefused) {
		t.Errorf("a feature that is not offered: %v", err)
	}
	r.dev.mu.Lock()
	r.dev.refuse = errors.New("not today")
	r.dev.mu.Unlock()
	if err := r.Negotiate(0); !errors.Is(err, virtiopci.ErrRefused) {
		t.Errorf("features that the device refuses: %v", err)
	}
	if !r.log.contains("not today") {
		t.Error("the reason is not in the log")
	}
	// DRIVER_OK without FEATURES_OK starts nothing.
	r.must(r.SetStatus(1 | 2 | 4))
	if s, _ := r.Status(); s&4 != 0 {
		t.Errorf("status %#x", s)
	}
}

// TestConfigSpace: what a driver of PCI looks for.
func TestConfigSpace(t *testing.T) {
	r := newRig(t, new(echo))
	var b [256]byte
	r.must(r.c.Read(vfiouser.RegionConfig, 0, b[:]))
	for _, f := range []struct {
		at   int
		want uint32
	}{
		{0x00, 0x1054_1af4}, // crypto
		{0x08, 0x1080_0001}, // encryption controller, revision 1
		{0x10, 0},           // 32-bit memory
		{0x2c, 0x1100_1af4},
		{0x40, 0x0003_5011}, // MSI-X, 4 vectors
	} {
		if got := binary.LittleEndian.Uint32(b[f.at:]); got != f.want {
			t.Errorf("configuration space at %#x: %#x, want %#x", f.at, got, f.want)
		}
	}
	// BARs tell their sizes.
	ones := []byte{0xff, 0xff, 0xff, 0xff}
	for bar, size := range map[uint64]uint32{0x10: 0x4000, 0x14: 0x1000, 0x18: 0} {
		r.must(r.c.Write(vfiouser.RegionConfig, bar, ones))
		r.must(r.c.Read(vfiouser.RegionConfig, bar, b[:4]))
		if got := -binary.LittleEndian.Uint32(b[:]); got != size {
			t.Errorf("BAR at %#x has %#x bytes, want %#x", bar, got, size)
		}
	}
	// What is read-only stays.
	r.must(r.c.Write(vfiouser.RegionConfig, 0, ones))
	r.must(r.c.Read(vfiouser.RegionConfig, 0, b[:4]))
	if binary.LittleEndian.Uint32(b[:]) != 0x1054_1af4 {
		t.Errorf("ids were changed: %x", b[:4])
	}
}

// TestDeviceConfig: the device's configuration space, and a change of it.
func TestDeviceConfig(t *testing.T) {
	r := newRig(t, new(echo))
	var b [8]byte
	r.must(r.ReadConfig(b[:], 5))
	if !bytes.Equal(b[:], []byte{5, 6, 7, 8, 9, 10, 11, 12}) {
		t.Errorf("read %v", b)
	}
	event, err := virtio.NewEvent()
	r.must(err)
	defer event.Close()
	r.must(r.Negotiate(0))
	r.must(r.SetVectors(0, event))
	r.must(r.SetConfigVector(0))
	generation := r.generation()
	r.must(r.dev.changer.ConfigChanged())
	if r.signalled(event, 10*time.Millisecond) {
		t.Error("a driver that is not ready was interrupted")
	}
	r.must(r.Ready())
	if _, err := r.Status(); err != nil {
		t.Fatal(err)
	}
	r.must(r.dev.changer.ConfigChanged())
	r.waitEvent(event)
	if r.generation() == generation {
		t.Error("the generation is the same after a change")
	}
}

func (r *rig) generation() byte {
	r.t.Helper()
	var b [1]byte
	r.must(r.c.Read(vfiouser.RegionBAR0, 0x15, b[:]))
	return b[0]
}

// TestAccessCapability: all can be reached through configuration space
// (section 4.1.4.9).
func TestAccessCapability(t *testing.T) {
	r := newRig(t, new(echo))
	const at = 0x94
	access := func(bar byte, offset, length uint32) {
		t.Helper()
		var b [12]byte
		b[0] = bar
		binary.LittleEndian.PutUint32(b[4:], offset)
		binary.LittleEndian.PutUint32(b[8:], length)
		r.must(r.c.Write(vfiouser.RegionConfig, at+4, b[:]))
	}
	var b [4]byte
	access(0, 0x12, 2) // num_queues
	r.must(r.c.Read(vfiouser.RegionConfig, at+16, b[:]))
	if b != [4]byte{3} {
		t.Errorf("num_queues: %v", b)
	}
	access(0, 0x14, 1) // device_status
	r.must(r.c.Write(vfiouser.RegionConfig, at+16, []byte{3}))
	if s, err := r.Status(); err != nil || s != 3 {
		t.Errorf("status %#x, %v", s, err)
	}
	// Accesses that cannot be made are none.
	for _, bad := range []struct {
		bar         byte
		offset, len uint32
	}{{0, 0x4000, 4}, {0, 0xffff_fffc, 4}, {2, 0, 4}, {7, 0, 4}, {0, 0x12, 3}, {0, 0x13, 2}, {0, 0, 0}, {0, 0, 0xffff_ffff}} {
		access(bad.bar, bad.offset, bad.len)
		r.must(r.c.Read(vfiouser.RegionConfig, at+16, b[:]))
		r.must(r.c.Write(vfiouser.RegionConfig, at+16, b[:]))
	}
}

// TestWrongWidths: accesses of other widths than the specification's, to any
// place, are answered and change nothing that matters.
func TestWrongWidths(t *testing.T) {
	r := newRig(t, new(echo))
	buf := bytes.Repeat([]byte{0xa5}, 0x4000)
	for _, region := range []uint32{vfiouser.RegionBAR0, vfiouser.RegionBAR1} {
		size := uint64(0x4000 >> (2 * region))
		for _, n := range []uint64{0, 3, 5, 8, 16, 100, size} {
			for at := uint64(0); at+n <= size; at += max(n, 64) {
				r.must(r.c.Read(region, at, buf[:n]))
				r.must(r.c.Write(region, at, buf[:n]))
			}
		}
	}
	r.must(r.c.Reset())
	r.start(0, 1)[0].exchange(1)
}

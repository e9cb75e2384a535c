// SPDX-License-Identifier: Apache-2.0

package virtiopci_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/virtio"
)

const rw = vfiouser.DMARead | vfiouser.DMAWrite

// unmapAll takes the guest's memory away.
func (r *rig) unmapAll() error {
	return r.c.Unmap(vfiouser.DMAUnmap{Address: guestAddr, Size: guestSize})
}

// TestRearrangedMemory: while the guest works its memory is taken away and
// given back in other pieces, as firmware and hot-plug have QEMU do. No
// request is lost and nothing breaks.
func TestRearrangedMemory(t *testing.T) {
	for _, format := range []uint64{0, virtio.FeatureRingPacked} {
		t.Run(fmt.Sprint(format), func(t *testing.T) { testRearrangedMemory(t, format) })
	}
}

func testRearrangedMemory(t *testing.T, format uint64) {
	r := newRig(t, new(echo))
	lanes := r.start(virtio.FeatureEventIdx|format, 3)
	pieces := []vfiouser.DMAMap{
		{Flags: rw, Address: guestAddr, Size: 0x3000},
		{Flags: rw, Offset: 0x3000, Address: guestAddr + 0x3000, Size: 0x5000},
		{Flags: rw, Offset: 0x8000, Address: guestAddr + 0x8000, Size: guestSize - 0x8000},
	}
	for range 20 {
		for _, l := range lanes {
			l.send(0)
		}
		r.must(r.unmapAll())
		for _, l := range lanes {
			l.send(1) // a doorbell while there is no memory
		}
		for _, p := range pieces {
			r.must(r.c.Map(p, int(r.file.Fd())))
		}
		for _, l := range lanes {
			l.receive(2)
		}
		for _, l := range lanes {
			l.send(2)
		}
		for _, p := range pieces {
			r.must(r.c.Unmap(vfiouser.DMAUnmap{Address: p.Address, Size: p.Size}))
		}
		r.must(r.c.Map(r.wholeMemory(), int(r.file.Fd())))
		for _, l := range lanes {
			l.receive(1)
		}
	}
	if r.needsReset() {
		t.Error("the device needs a reset")
	}
}

// TestMemoryGone: memory that is taken away and does not come back breaks the
// rings that are in it: the device says that it needs a reset, and works after
// one.
func TestMemoryGone(t *testing.T) {
	r := newRig(t, new(echo))
	event, err := virtio.NewEvent()
	r.must(err)
	defer event.Close()
	l := r.start(0, 1)[0]
	r.must(r.SetVectors(0, event))
	r.must(r.SetConfigVector(0))
	r.must(r.unmapAll())
	l.send(0)
	r.waitEvent(event) // the configuration's: what changed is the status
	if !r.needsReset() {
		t.Error("the device does not say that it needs a reset")
	}
	r.must(r.c.Map(r.wholeMemory(), int(r.file.Fd())))
	r.start(0, 1)[0].exchange(2)
	if r.needsReset() {
		t.Error("the device needs a reset after one")
	}
}

// TestUnmapWaits: an unmap is answered when the last request that uses the
// memory has ended, and messages after it in their order.
func TestUnmapWaits(t *testing.T) {
	r := newRig(t, &echo{gate: make(chan struct{})})
	l := r.start(0, 1)[0]
	l.send(0)
	eventually(t, "the request is taken", func() bool { return r.in.Counters(0).Chains.Load() == 1 })
	id, err := r.c.Start(vfiouser.CmdDMAUnmap, 0, vfiouser.DMAUnmap{Address: guestAddr, Size: guestSize}.Append(nil))
	r.must(err)
	later, err := r.c.Start(vfiouser.CmdGetInfo, 0, vfiouser.DeviceInfo{}.Append(nil))
	r.must(err)
	r.c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := r.c.Finish(vfiouser.CmdDMAUnmap, id); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("answered while a request uses the memory: %v", err)
	}
	r.c.SetDeadline(time.Now().Add(patience))
	close(r.dev.gate)
	if _, err := r.c.Finish(vfiouser.CmdDMAUnmap, id); err != nil {
		t.Errorf("after the request ended: %v", err)
	}
	if _, err := r.c.Finish(vfiouser.CmdGetInfo, later); err != nil {
		t.Errorf("the command after it: %v", err)
	}
	// The request was answered before its memory went.
	l.receive(1)
}

// TestUnmapOverruns: if a request does not end, the unmap is answered with an
// error before clients lose their patience, and so is everything after it. The
// device needs a reset, the memory stays mapped while the request uses it, and
// all is well again when it has ended.
func TestUnmapOverruns(t *testing.T) { inTime(t, testUnmapOverruns) }

func testUnmapOverruns(t *testing.T) (took time.Duration) {
	r := newRig(t, &echo{gate: make(chan struct{})})
	l := r.start(0, 1)[0]
	l.send(0)
	eventually(t, "the request is taken", func() bool { return r.in.Counters(0).Chains.Load() == 1 })
	waited := watch(t)
	if err := r.unmapAll(); !errors.Is(err, unix.EBUSY) {
		t.Errorf("unmap of memory in use: %v", err)
	}
	// The next one does not wait again.
	r.must(r.c.Map(r.wholeMemory(), int(r.file.Fd())))
	if err := r.unmapAll(); !errors.Is(err, unix.EBUSY) {
		t.Errorf("second unmap: %v", err)
	}
	took = waited()
	if !r.needsReset() {
		t.Error("the device does not say that it needs a reset")
	}
	r.must(r.c.Map(r.wholeMemory(), int(r.file.Fd())))
	// The request ends now, and writes to memory that was taken away.
	close(r.dev.gate)
	r.start(0, 1)[0].exchange(3)
	r.must(r.unmapAll())
	if r.needsReset() {
		t.Error("the device needs a reset after one")
	}
	return took
}

// inTime runs a test that returns how long its client waited, which must be
// less than clients do.
func inTime(t *testing.T, test func(*testing.T) time.Duration) {
	const clientsWait = 5 * time.Second
	if took := test(t); took >= clientsWait {
		t.Errorf("an answer took %v, clients wait for %v", took, clientsWait)
	}
}

// watch returns a stop watch that stands still when the machine does: machines
// that run tests do so for seconds now and then, and that is not the server's
// doing.
func watch(t *testing.T) func() time.Duration {
	const tick = 10 * time.Millisecond
	var ticks atomic.Int64
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-time.After(tick):
				ticks.Add(1)
			}
		}
	})
	t.Cleanup(func() { close(end); wg.Wait() })
	return func() time.Duration { return time.Duration(ticks.Load()) * tick }
}

// TestBadMaps: maps and unmaps that cannot be are refused.
func TestBadMaps(t *testing.T) {
	r := newRig(t, new(echo))
	fd := int(r.file.Fd())
	for name, test := range map[string]struct {
		m    vfiouser.DMAMap
		want error
	}{
		"over another": {vfiouser.DMAMap{Flags: rw, Address: guestAddr + 0x1000, Size: 0x1000}, unix.EEXIST},
		"around one":   {vfiouser.DMAMap{Flags: rw, Address: guestAddr - 0x1000, Size: 0x2000}, unix.EEXIST},
		"no bytes":     {vfiouser.DMAMap{Flags: rw, Address: 0}, unix.EINVAL},
		"wraps":        {vfiouser.DMAMap{Flags: rw, Address: 1 << 63, Size: 1 << 63}, unix.EINVAL},
		"flags":        {vfiouser.DMAMap{Flags: 4 | rw, Address: 0, Size: 0x1000}, unix.EINVAL},
		"beyond file":  {vfiouser.DMAMap{Flags: rw, Offset: guestSize, Address: 0, Size: 0x1000}, unix.EINVAL},
		"offset wraps": {vfiouser.DMAMap{Flags: rw, Offset: ^uint64(0), Address: 0, Size: 0x1000}, unix.EINVAL},
	} {
		if err := r.c.Map(test.m, fd); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, test := range map[string]struct {
		u    vfiouser.DMAUnmap
		want error
	}{
		"a part":        {vfiouser.DMAUnmap{Address: guestAddr, Size: 0x1000}, unix.EINVAL},
		"nothing there": {vfiouser.DMAUnmap{Address: 0x1000, Size: 0x1000}, unix.ENOENT},
		"no bytes":      {vfiouser.DMAUnmap{Address: guestAddr}, unix.EINVAL},
		"dirty pages":   {vfiouser.DMAUnmap{Flags: 1, Address: guestAddr, Size: guestSize}, unix.EOPNOTSUPP},
	} {
		if err := r.c.Unmap(test.u); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.start(0, 1)[0].exchange(1)
	r.must(r.c.Unmap(vfiouser.DMAUnmap{Flags: vfiouser.DMAUnmapAll}))
	r.must(r.c.Map(r.wholeMemory(), fd))
	r.start(0, 1)[0].exchange(1)
}

// TestMemoryWithoutDescriptor: a frame buffer, a ROM and its shadow come
// without a descriptor or read-only, are taken note of, and are no memory: a
// request in them breaks its queue and not the process.
func TestMemoryWithoutDescriptor(t *testing.T) {
	for name, m := range map[string]struct {
		flags uint32
		fd    bool
	}{"frame buffer": {rw, false}, "ROM": {vfiouser.DMARead, false}, "shadow": {vfiouser.DMARead, true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, new(echo))
			const addr = 0xfd00_0000
			fd := -1
			if m.fd {
				fd = int(r.file.Fd())
			}
			r.must(r.c.Map(vfiouser.DMAMap{Flags: m.flags, Address: addr, Size: 0x10000}, fd))
			l := r.start(0, 1)[0]
			l.exchange(1)
			l.out[0].Addr = addr
			l.r.must(l.q.Add(l.in[:1], l.out[:1], 0))
			l.q.Publish()
			r.must(r.Kick(0))
			eventually(t, "the device needs a reset", r.needsReset)
			if !r.log.contains("frame buffer") {
				t.Error("the log does not say why")
			}
			r.must(r.c.Unmap(vfiouser.DMAUnmap{Address: addr, Size: 0x10000}))
			r.start(0, 1)[0].exchange(1)
		})
	}
}

// TestNoMemoryAtAll: if all memory comes without a descriptor the client is
// told at once, and the log says what to do.
func TestNoMemoryAtAll(t *testing.T) {
	r := newBareRig(t, new(echo))
	r.must(r.c.Map(r.wholeMemory(), -1))
	if _, err := r.c.Info(); !errors.Is(err, unix.ENOMEM) {
		t.Errorf("DEVICE_GET_INFO: %v", err)
	}
	if !r.log.contains("memory-backend-memfd") {
		t.Error("the log does not say what to do")
	}
}

// TestNoMemoryYet: a client may ask before it maps; then the driver is refused.
func TestNoMemoryYet(t *testing.T) {
	r := newBareRig(t, new(echo))
	_, err := r.c.Info()
	r.must(err)
	r.Driver, err = virtiopci.NewDriver(r.c)
	r.must(err)
	if err := r.Negotiate(0); !errors.Is(err, virtiopci.ErrRefused) {
		t.Errorf("a driver without memory: %v", err)
	}
	r.must(r.c.Map(r.wholeMemory(), int(r.file.Fd())))
	r.start(0, 1)[0].exchange(1)
}

// TestIOMMU: a guest that turns its virtual IOMMU on has the client take all
// memory away and give it anew without descriptors, as QEMU does. Its driver is
// refused, and the log says why; without the IOMMU it works.
func TestIOMMU(t *testing.T) {
	r := newRig(t, new(echo))
	r.must(r.c.Unmap(vfiouser.DMAUnmap{Address: guestAddr, Size: guestSize}))
	r.must(r.c.Map(vfiouser.DMAMap{Flags: rw, Address: 0xffff_8000, Size: 0x1000}, -1))
	if err := r.Negotiate(0); !errors.Is(err, virtiopci.ErrRefused) {
		t.Errorf("a driver behind an IOMMU: %v", err)
	}
	if !r.log.contains("virtual IOMMU") {
		t.Error("the log does not say why")
	}
	r.must(r.c.Unmap(vfiouser.DMAUnmap{Address: 0xffff_8000, Size: 0x1000}))
	r.must(r.c.Map(r.wholeMemory(), int(r.file.Fd())))
	r.start(0, 1)[0].exchange(1)
}

// TestPrivateMemory: memory whose file has none of what the guest wrote is
// refused when a driver starts, and the log says why.
func TestPrivateMemory(t *testing.T) {
	r := newRig(t, new(echo))
	clear(r.mem.Data) // pages that are there, and nothing in them
	if err := r.Negotiate(0); !errors.Is(err, virtiopci.ErrRefused) {
		t.Errorf("a driver with private memory: %v", err)
	}
	if !r.log.contains("share=on") {
		t.Error("the log does not say what to do")
	}
	r.mem.Data[guestSize-1] = 1
	r.start(0, 1)[0].exchange(1)
}

// TestSuspiciousDoorbell: a doorbell before anything was ever in the ring is
// a sign of private memory that cannot be told otherwise.
func TestSuspiciousDoorbell(t *testing.T) {
	r := newRig(t, new(echo))
	l := r.start(0, 1)[0]
	r.must(r.Kick(0))
	if _, err := r.Status(); err != nil {
		t.Fatal(err)
	}
	if !r.log.contains("does not see what the guest writes") {
		t.Error("nothing in the log")
	}
	l.exchange(1) // it was a guess
}

// TestTruncatedMemory: a file that is shorter than announced is not mapped.
func TestTruncatedMemory(t *testing.T) {
	r := newBareRig(t, new(echo))
	r.must(r.file.Truncate(guestSize / 2))
	if err := r.c.Map(r.wholeMemory(), int(r.file.Fd())); err == nil {
		t.Error("mapped")
	}
	if !r.log.contains("the file has") {
		t.Error("the log does not say why")
	}
}

// TestMostMaps: a client cannot make the process map without end.
func TestMostMaps(t *testing.T) {
	r := newBareRig(t, new(echo))
	n := 0
	for ; n < 10000; n++ {
		if err := r.c.Map(vfiouser.DMAMap{Flags: rw, Address: uint64(n) << 20, Size: 0x1000}, int(r.file.Fd())); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Error(err)
			}
			break
		}
	}
	if n < 256 || n == 10000 {
		t.Errorf("%d maps", n)
	}
}

// openFDs counts this process's descriptors.
func openFDs(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// mappings counts this process's mappings of the tests' guest memory.
func mappings(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "memfd:guest")
}

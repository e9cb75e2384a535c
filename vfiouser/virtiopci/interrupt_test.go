// SPDX-License-Identifier: Apache-2.0

package virtiopci_test

import (
	"fmt"
	"testing"
	"time"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

const quiet = 20 * time.Millisecond

// TestMaskedVector: an interrupt of a masked vector is pending, can be seen to
// be, and is sent when the mask goes.
func TestMaskedVector(t *testing.T) {
	r := newRig(t, new(echo))
	l := r.start(0, 1)[0]
	set := func(action uint32) {
		t.Helper()
		r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataNone | action, Index: vfiouser.IRQMSIX, Start: 1, Count: 1}))
	}
	pending := func() bool {
		t.Helper()
		var b [8]byte
		r.must(r.c.Read(vfiouser.RegionBAR1, 0x800, b[:]))
		return b[0]&2 != 0
	}
	set(vfiouser.IRQMask)
	l.send(0)
	eventually(t, "the request is done", l.q.Pending)
	eventually(t, "the interrupt is pending", pending)
	if r.signalled(l.event, quiet) {
		t.Error("a masked vector interrupts")
	}
	set(vfiouser.IRQUnmask)
	r.waitEvent(l.event)
	if pending() {
		t.Error("still pending after it was sent")
	}
	l.receive(1)
	l.exchange(3)
}

// TestVectorWithoutEvent: while a vector has no eventfd its interrupts wait.
func TestVectorWithoutEvent(t *testing.T) {
	r := newRig(t, new(echo))
	l := r.start(0, 1)[0]
	r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, Index: vfiouser.IRQMSIX, Start: 1, Count: 1}))
	l.send(0)
	eventually(t, "the request is done", l.q.Pending)
	time.Sleep(quiet)
	r.must(r.SetVectors(1, l.event))
	r.waitEvent(l.event)
	l.receive(1)

	// All off: what was pending is forgotten.
	off := vfiouser.IRQSet{Flags: vfiouser.IRQDataNone | vfiouser.IRQTrigger, Index: vfiouser.IRQMSIX}
	r.must(r.c.SetIRQs(off))
	l.send(0)
	eventually(t, "the request is done", l.q.Pending)
	time.Sleep(quiet)
	r.must(r.c.SetIRQs(off))
	r.must(r.SetVectors(1, l.event))
	if r.signalled(l.event, quiet) {
		t.Error("an interrupt from before everything was turned off")
	}
	l.receive(1)
}

// TestNoVector: with MSI-X in use a queue without a vector interrupts nobody.
func TestNoVector(t *testing.T) {
	r := newRig(t, new(echo))
	line, err := virtio.NewEvent()
	r.must(err)
	defer line.Close()
	r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, Index: vfiouser.IRQIntx, Count: 1}, line.FD()))
	r.must(r.c.Write(vfiouser.RegionConfig, 0x42, []byte{0x03, 0x80})) // MSI-X enable
	r.must(r.Negotiate(0))
	l := r.addLane(0, virtiopci.NoVector, virtqdrv.Config{})
	r.must(r.Ready())
	l.send(0)
	eventually(t, "the request is done", l.q.Pending)
	if r.signalled(line, quiet) {
		t.Error("the interrupt line was used")
	}
}

// TestInterruptLine: without MSI-X the line is asserted until the status is
// read, is masked by each interrupt, and interrupts again if it is unmasked
// while asserted.
func TestInterruptLine(t *testing.T) {
	for _, without := range []bool{false, true} {
		t.Run(fmt.Sprintf("without MSI-X %t", without), func(t *testing.T) { testInterruptLine(t, without) })
	}
}

func testInterruptLine(t *testing.T, without bool) {
	r := newRig(t, &echo{noMSIX: without})
	line, err := virtio.NewEvent()
	r.must(err)
	defer line.Close()
	if msix, err := r.c.IRQ(vfiouser.IRQMSIX); err != nil || (msix.Count == 0) != without {
		t.Errorf("MSI-X: %+v, %v", msix, err)
	}
	irq, err := r.c.IRQ(vfiouser.IRQIntx)
	r.must(err)
	if want := uint32(vfiouser.IRQEventFD | vfiouser.IRQMaskable | vfiouser.IRQAutomasked); irq.Count != 1 || irq.Flags != want {
		t.Errorf("INTx: %+v", irq)
	}
	r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, Index: vfiouser.IRQIntx, Count: 1}, line.FD()))
	unmask := func() {
		t.Helper()
		r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataNone | vfiouser.IRQUnmask, Index: vfiouser.IRQIntx, Count: 1}))
	}
	r.must(r.Negotiate(0))
	l := r.addLane(0, virtiopci.NoVector, virtqdrv.Config{})
	r.must(r.Ready())
	for range 3 {
		l.send(0)
		r.waitEvent(line)
		l.receive(1)
		l.send(0)
		eventually(t, "the second request is done", l.q.Pending)
		if r.signalled(line, quiet) {
			t.Error("the line interrupted although it was masked")
		}
		l.receive(1)
		unmask() // the status was not read: still asserted
		r.waitEvent(line)
		if isr, err := r.ISR(); err != nil || isr != 1 {
			t.Errorf("interrupt status %d, %v", isr, err)
		}
		if isr, err := r.ISR(); err != nil || isr != 0 {
			t.Errorf("interrupt status %d, %v: reading did not clear it", isr, err)
		}
		unmask()
		if r.signalled(line, quiet) {
			t.Error("an interrupt of a line that is not asserted")
		}
	}
	r.must(r.dev.changer.ConfigChanged())
	r.waitEvent(line)
	if isr, err := r.ISR(); err != nil || isr != 2 {
		t.Errorf("interrupt status %d, %v", isr, err)
	}
}

// TestResample: an eventfd can unmask the line (KVM signals it when the guest
// is done), until it is taken away; what is no eventfd does no harm.
func TestResample(t *testing.T) {
	r := newRig(t, new(echo))
	line, err := virtio.NewEvent()
	r.must(err)
	defer line.Close()
	unmask, err := virtio.NewEvent()
	r.must(err)
	defer unmask.Close()
	r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, Count: 1}, line.FD()))
	set := vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQUnmask, Count: 1}
	r.must(r.c.SetIRQs(set, int(r.file.Fd())))
	r.must(r.c.SetIRQs(set, unmask.FD()))
	r.must(r.Negotiate(0))
	l := r.addLane(0, virtiopci.NoVector, virtqdrv.Config{})
	r.must(r.Ready())
	for range 5 {
		l.send(0)
		r.waitEvent(line)
		l.receive(1)
		unmask.Notify() // still asserted
		r.waitEvent(line)
		if isr, err := r.ISR(); err != nil || isr != 1 {
			t.Errorf("interrupt status %d, %v", isr, err)
		}
		unmask.Notify()
		if r.signalled(line, quiet) {
			t.Error("an interrupt of a line that is not asserted")
		}
	}
	r.must(r.c.SetIRQs(set)) // no more of that
	l.send(0)
	r.waitEvent(line)
	l.receive(1)
	unmask.Notify()
	if r.signalled(line, quiet) {
		t.Error("unmasked by an eventfd that was taken away")
	}
}

// TestBadIRQs: sets that make no sense are refused, and close what came.
func TestBadIRQs(t *testing.T) {
	r := newRig(t, new(echo))
	event, err := virtio.NewEvent()
	r.must(err)
	defer event.Close()
	const eventfd = vfiouser.IRQDataEventFD | vfiouser.IRQTrigger
	for name, test := range map[string]struct {
		set vfiouser.IRQSet
		fds int
	}{
		"no action":       {vfiouser.IRQSet{Flags: vfiouser.IRQDataNone, Index: 2, Count: 1}, 0},
		"two actions":     {vfiouser.IRQSet{Flags: eventfd | vfiouser.IRQMask, Index: 2, Count: 1}, 1},
		"two kinds":       {vfiouser.IRQSet{Flags: eventfd | vfiouser.IRQDataBool, Index: 2, Count: 1}, 1},
		"index":           {vfiouser.IRQSet{Flags: eventfd, Index: 5, Count: 1}, 1},
		"no MSI":          {vfiouser.IRQSet{Flags: eventfd, Index: 1, Count: 1}, 1},
		"start":           {vfiouser.IRQSet{Flags: eventfd, Index: 2, Start: 4, Count: 1}, 1},
		"overflow":        {vfiouser.IRQSet{Flags: eventfd, Index: 2, Start: 0xffff_ffff, Count: 1}, 1},
		"count":           {vfiouser.IRQSet{Flags: eventfd, Index: 2, Count: 0xffff_ffff}, 1},
		"too few":         {vfiouser.IRQSet{Flags: eventfd, Index: 2, Count: 2}, 1},
		"too many":        {vfiouser.IRQSet{Flags: eventfd, Index: 2, Count: 1}, 2},
		"fds with none":   {vfiouser.IRQSet{Flags: vfiouser.IRQDataNone | vfiouser.IRQTrigger, Index: 2, Count: 1}, 1},
		"bools missing":   {vfiouser.IRQSet{Flags: vfiouser.IRQDataBool | vfiouser.IRQTrigger, Index: 2, Count: 2, Data: []byte{1}}, 0},
		"mask by eventfd": {vfiouser.IRQSet{Flags: vfiouser.IRQDataEventFD | vfiouser.IRQMask, Index: 0, Count: 1}, 1},
		"mask of ERR":     {vfiouser.IRQSet{Flags: vfiouser.IRQDataNone | vfiouser.IRQMask, Index: 3, Count: 1}, 0},
	} {
		var fds []int
		for range test.fds {
			fds = append(fds, event.FD())
		}
		if err := r.c.SetIRQs(test.set, fds...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// ERR and REQ can be set up; a test interrupt arrives.
	for _, index := range []uint32{vfiouser.IRQErr, vfiouser.IRQReq} {
		r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: eventfd, Index: index, Count: 1}, event.FD()))
		r.must(r.c.SetIRQs(vfiouser.IRQSet{Flags: vfiouser.IRQDataBool | vfiouser.IRQTrigger, Index: index, Count: 1, Data: []byte{1}}))
		r.waitEvent(event)
	}
}

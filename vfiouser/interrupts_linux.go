// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"vcrypto/virtio"
)

// Kinds of interrupts of a PCI device, VFIO_PCI_*_IRQ_INDEX.
const (
	IRQIntx = 0
	IRQMSI  = 1
	IRQMSIX = 2
	IRQErr  = 3
	IRQReq  = 4

	NumIRQs = 5
)

// irqFlags are what the kinds of interrupts can do. MSI-X can be set up
// vector by vector, hence no IRQNoResize.
var irqFlags = [NumIRQs]uint32{
	IRQIntx: IRQEventFD | IRQMaskable | IRQAutomasked,
	IRQMSI:  IRQEventFD | IRQNoResize,
	IRQMSIX: IRQEventFD,
	IRQErr:  IRQEventFD | IRQNoResize,
	IRQReq:  IRQEventFD | IRQNoResize,
}

// Interrupts are the interrupts of a device, each an eventfd once the client
// gave one.
type Interrupts struct {
	vectors  [NumIRQs][]Vector
	resample *resampler // of INTx; nil for none
}

// NewInterrupts returns interrupts of which none can reach anybody yet: one
// of INTx, and so many vectors of MSI-X. ERR and REQ exist, as clients expect,
// and are never used.
func NewInterrupts(msix int) *Interrupts {
	var i Interrupts
	i.vectors[IRQIntx] = make([]Vector, 1)
	i.vectors[IRQMSIX] = make([]Vector, msix)
	i.vectors[IRQErr] = make([]Vector, 1)
	i.vectors[IRQReq] = make([]Vector, 1)
	i.vectors[IRQIntx][0].automask = true
	return &i
}

// Intx is the interrupt line.
func (i *Interrupts) Intx() *Vector { return &i.vectors[IRQIntx][0] }

// MSIX returns a vector, or nil if there is none of this number.
func (i *Interrupts) MSIX(n int) *Vector {
	if n < 0 || n >= len(i.vectors[IRQMSIX]) {
		return nil
	}
	return &i.vectors[IRQMSIX][n]
}

// Close closes all eventfds. Like what the client asks for it belongs to the
// goroutine that serves the connection.
func (i *Interrupts) Close() {
	for kind := range i.vectors {
		i.disable(kind)
	}
}

// info answers DEVICE_GET_IRQ_INFO.
func (i *Interrupts) info(index uint32) (IRQInfo, error) {
	if index >= NumIRQs {
		return IRQInfo{}, malformed("interrupt index %d", index)
	}
	info := IRQInfo{Index: index, Count: uint32(len(i.vectors[index]))}
	if info.Count > 0 {
		info.Flags = irqFlags[index]
	}
	return info, nil
}

// set does what DEVICE_SET_IRQS asks for. It takes descriptors from m.
func (i *Interrupts) set(s IRQSet, m *Message) error {
	if s.Index >= NumIRQs {
		return malformed("interrupt index %d", s.Index)
	}
	all := i.vectors[s.Index]
	if uint64(s.Start)+uint64(s.Count) > uint64(len(all)) {
		return malformed("interrupts %d to %d of index %d, which has %d", s.Start, uint64(s.Start)+uint64(s.Count), s.Index, len(all))
	}
	vectors := all[s.Start:][:s.Count]
	fds := m.FDs()
	switch {
	case s.Flags&IRQDataEventFD == 0 && fds != 0, s.Flags&IRQDataEventFD != 0 && fds != 0 && fds != len(vectors):
		return malformed("%d descriptors for %d interrupts with flags %#x", fds, len(vectors), s.Flags)
	case s.Flags == IRQDataNone|IRQTrigger && s.Count == 0:
		i.disable(int(s.Index))
		return nil
	case s.Flags == IRQDataEventFD|IRQUnmask && s.Index == IRQIntx && s.Count == 1:
		return i.setResample(m.TakeFD())
	case s.Flags&IRQDataEventFD != 0 && s.Flags&IRQTrigger == 0:
		return fmt.Errorf("%w: an eventfd that masks an interrupt, or unmasks another than INTx", unix.EOPNOTSUPP)
	case s.Flags&(IRQMask|IRQUnmask) != 0 && s.Index != IRQIntx && s.Index != IRQMSIX:
		return malformed("interrupts of index %d cannot be masked", s.Index)
	}
	for n := range vectors {
		v := &vectors[n]
		switch {
		case s.Flags&IRQDataEventFD != 0 && fds == 0:
			v.setEvent(nil)
		case s.Flags&IRQDataEventFD != 0:
			v.setEvent(virtio.EventFromFD(m.TakeFD()))
		case s.Flags&IRQDataBool != 0 && s.Data[n] == 0:
		case s.Flags&IRQMask != 0:
			v.mask()
		case s.Flags&IRQUnmask != 0:
			v.unmask()
		default:
			v.Notify() // a test of the way
		}
	}
	return nil
}

// setResample takes over an eventfd that unmasks INTx; -1 for none.
func (i *Interrupts) setResample(fd int) (err error) {
	if i.resample != nil {
		i.resample.close()
		i.resample = nil
	}
	if fd >= 0 {
		i.resample, err = newResampler(i.Intx(), virtio.EventFromFD(fd))
	}
	return err
}

// disable takes all eventfds of a kind away, and forgets what was pending.
func (i *Interrupts) disable(kind int) {
	if kind == IRQIntx {
		i.setResample(-1)
	}
	for n := range i.vectors[kind] {
		v := &i.vectors[kind][n]
		v.mu.Lock()
		v.replace(nil)
		v.pending, v.masked = false, false
		v.mu.Unlock()
	}
}

// Vector is one interrupt. It may be used from any goroutine. It is a
// [virtio.Notifier].
type Vector struct {
	automask bool // INTx: an interrupt masks it

	mu      sync.Mutex
	event   *virtio.Event // nil: nobody listens
	masked  bool
	pending bool // to be sent when it can be
	level   bool // INTx: the line is asserted
}

// Notify sends the interrupt, or keeps it pending while it is masked or
// nobody listens.
func (v *Vector) Notify() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pending = true
	v.deliver()
}

// SetLevel asserts or deasserts an interrupt line. One that is asserted
// interrupts again whenever it is unmasked.
func (v *Vector) SetLevel(on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.level = on
	v.deliver()
}

// Pending reports whether an interrupt waits to be sent.
func (v *Vector) Pending() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pending
}

// deliver sends what is pending if it can be. v.mu is held.
func (v *Vector) deliver() {
	if v.event == nil || v.masked || !v.pending && !v.level {
		return
	}
	v.pending = false
	v.masked = v.automask
	v.event.Notify()
}

func (v *Vector) mask() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.masked = true
}

func (v *Vector) unmask() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.masked = false
	v.deliver()
}

// setEvent takes over an event, or with nil leaves nobody listening.
func (v *Vector) setEvent(e *virtio.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.replace(e)
	if v.automask {
		v.masked = false // a new listener has not been told
	}
	v.deliver()
}

// replace closes the event and sets another. v.mu is held.
func (v *Vector) replace(e *virtio.Event) {
	if v.event != nil {
		v.event.Close()
	}
	v.event = e
}

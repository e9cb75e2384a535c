// SPDX-License-Identifier: Apache-2.0

package virtiopci

import (
	"errors"
	"fmt"
	"sync/atomic"

	"vcrypto/vfiouser"
	"vcrypto/virtio"
	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
)

// Interrupt status, virtio 1.3 section 4.1.4.5.
const (
	isrQueue  = 1
	isrConfig = 2
)

// startQueues starts the queues that the driver enabled, once it is ready.
func (f *Function) startQueues() {
	if f.status.Load()&statusDriverOK == 0 {
		return
	}
	for i := range f.queues {
		q := &f.queues[i]
		if !q.enabled || q.started {
			continue
		}
		q.started = true
		packed := f.features&virtio.FeatureRingPacked != 0
		var base uint16
		if packed {
			base = virtq.PackedBase
		}
		q.chains = f.in.Counters(i).Chains.Load()
		err := f.in.Start(i, virtio.QueueConfig{
			Ring: virtq.Config{
				Size: int(q.size), Desc: q.desc, Avail: q.avail, Used: q.used, Base: base,
				Indirect: f.features&virtio.FeatureIndirectDesc != 0,
				EventIdx: f.features&virtio.FeatureEventIdx != 0,
			},
			Packed:   packed,
			Doorbell: true,
			Call:     &queueInterrupt{f, &q.vector},
			Broken:   f.broken,
		})
		if err != nil {
			f.Fail(err)
		}
	}
}

// doorbell is the driver's notification of a queue.
func (f *Function) doorbell(i int) {
	if !f.settled(0) {
		return
	}
	f.in.Kick(i)
	if q := &f.queues[i]; q.started && !q.suspected && f.in.Counters(i).Chains.Load() == q.chains && f.nothingThere(q) {
		q.suspected = true
		f.log.Warn("a driver's first notification, and nothing in its queue: if requests hang, this process does not see what the guest writes",
			"queue", i, "fix", vfiouser.ErrPrivateMemory)
	}
}

// nothingThere reports whether a ring looks as if its driver never used it:
// flags and index of an available ring, and an event suppression area, have
// the same size and are zero then.
func (f *Function) nothingThere(q *queue) bool {
	t := f.in.Memory().Acquire()
	defer t.Release()
	const size, firstDescriptor = 4, 16 // bytes
	b, err := t.Bytes(q.avail, size)
	d, err2 := t.Bytes(q.desc, firstDescriptor)
	return err == nil && err2 == nil && le.Uint32(b) == 0 && le.Uint64(d) == 0 && le.Uint64(d[8:]) == 0
}

// broken is called on a queue's thread when the driver broke its ring.
func (f *Function) broken(err error) {
	if errors.Is(err, mem.ErrNotMapped) {
		err = fmt.Errorf("%w (memory that the VMM keeps to itself, such as a ROM or a frame buffer, counts as none)", err)
	}
	f.Fail(err)
}

// Fail tells the driver that the device needs a reset. It may be called from
// any goroutine.
func (f *Function) Fail(reason error) {
	f.log.Error("the device needs a reset", "err", reason)
	f.needsReset.Store(true)
	f.configInterrupt()
}

// ConfigChanged tells the driver that the device's configuration space
// changed. It may be called from any goroutine.
func (f *Function) ConfigChanged() error {
	f.generation.Add(1)
	f.configInterrupt()
	return nil
}

// configInterrupt sends a configuration change notification, section
// 4.1.5.3, to a driver that is ready for it.
func (f *Function) configInterrupt() {
	if f.status.Load()&statusDriverOK != 0 {
		f.interrupt(f.configVector.Load(), isrConfig)
	}
}

// queueInterrupt is a queue's way to interrupt its driver.
type queueInterrupt struct {
	f      *Function
	vector *atomic.Uint32
}

// Notify interrupts the driver.
func (i *queueInterrupt) Notify() { i.f.interrupt(i.vector.Load(), isrQueue) }

// interrupt sends an MSI-X message, or without MSI-X asserts the line and says
// why.
func (f *Function) interrupt(vector uint32, why byte) {
	if v := f.irqs.MSIX(int(vector)); v != nil {
		v.Notify()
		return
	}
	if f.msix.Load() {
		return // the driver wants no interrupt of it
	}
	f.line.mu.Lock()
	defer f.line.mu.Unlock()
	f.line.isr |= why
	f.irqs.Intx().SetLevel(true)
}

// takeISR reads the interrupt status, which clears it and deasserts the line.
func (f *Function) takeISR() byte {
	f.line.mu.Lock()
	defer f.line.mu.Unlock()
	isr := f.line.isr
	f.line.isr = 0
	f.irqs.Intx().SetLevel(false)
	return isr
}

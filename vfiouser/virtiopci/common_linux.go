// SPDX-License-Identifier: Apache-2.0

package virtiopci

import (
	"vcrypto/virtio"
)

// Common configuration, virtio 1.3 section 4.1.4.3.
const (
	commonDeviceSelect  = 0x00
	commonDeviceFeature = 0x04
	commonDriverSelect  = 0x08
	commonDriverFeature = 0x0c
	commonConfigVector  = 0x10
	commonNumQueues     = 0x12
	commonStatus        = 0x14
	commonGeneration    = 0x15
	commonQueueSelect   = 0x16
	commonQueueSize     = 0x18
	commonQueueVector   = 0x1a
	commonQueueEnable   = 0x1c
	commonQueueNotify   = 0x1e
	commonQueueDesc     = 0x20
	commonQueueDriver   = 0x28
	commonQueueDevice   = 0x30
	commonSize          = 0x40
)

// Device status, section 2.1.
const (
	statusDriverOK   = 4
	statusFeaturesOK = 8
	statusNeedsReset = 64
)

// noVector is VIRTIO_MSI_NO_VECTOR.
const noVector = 0xffff

// initialiseCommon is what a reset does to the common configuration, but for
// the status, which tells when the rest is done.
func (f *Function) initialiseCommon(queueSize uint16) {
	f.deviceSelect, f.driverSelect, f.features, f.selected = 0, 0, 0, 0
	f.configVector.Store(noVector)
	f.needsReset.Store(false)
	for i := range f.queues {
		q := &f.queues[i]
		q.limit = queueSize
		q.size, q.enabled, q.started, q.suspected = queueSize, false, false, false
		q.desc, q.avail, q.used = 0, 0, 0
		q.vector.Store(noVector)
	}
	f.takeISR()
}

// statusNow is what a driver reads: 0 only when a reset is done.
func (f *Function) statusNow() byte {
	f.settled(0)
	s := byte(f.status.Load())
	if f.needsReset.Load() {
		s |= statusNeedsReset
	}
	return s
}

// readCommon fills in the whole common configuration.
func (f *Function) readCommon(c *[commonSize]byte) {
	b := c[:]
	le.PutUint32(b[commonDeviceSelect:], f.deviceSelect)
	le.PutUint32(b[commonDeviceFeature:], word(f.offered, f.deviceSelect))
	le.PutUint32(b[commonDriverSelect:], f.driverSelect)
	le.PutUint32(b[commonDriverFeature:], word(f.features, f.driverSelect))
	le.PutUint16(b[commonConfigVector:], uint16(f.configVector.Load()))
	le.PutUint16(b[commonNumQueues:], uint16(len(f.queues)))
	b[commonStatus] = f.statusNow()
	b[commonGeneration] = byte(f.generation.Load())
	le.PutUint16(b[commonQueueSelect:], f.selected)
	if int(f.selected) >= len(f.queues) {
		return // size 0: there is none
	}
	q := &f.queues[f.selected]
	le.PutUint16(b[commonQueueSize:], q.size)
	le.PutUint16(b[commonQueueVector:], uint16(q.vector.Load()))
	if q.enabled {
		le.PutUint16(b[commonQueueEnable:], 1)
	}
	le.PutUint16(b[commonQueueNotify:], f.selected)
	le.PutUint64(b[commonQueueDesc:], q.desc)
	le.PutUint64(b[commonQueueDriver:], q.avail)
	le.PutUint64(b[commonQueueDevice:], q.used)
}

// word returns one of the 32-bit words that features are read in.
func word(features uint64, n uint32) uint32 {
	if n > 1 {
		return 0
	}
	return uint32(features >> (32 * n))
}

// writeCommon writes one field of the common configuration, in the width that
// section 4.1.3.1 asks of drivers; others are ignored.
func (f *Function) writeCommon(p []byte, at int) {
	var v uint64
	for i := range min(len(p), 8) {
		v |= uint64(p[i]) << (8 * i)
	}
	if at == commonStatus && len(p) == 1 {
		f.writeStatus(byte(v))
		return
	}
	if !f.settled(0) {
		return // it is of a driver that did not wait for its reset
	}
	switch size := len(p); {
	case size == 4 && at == commonDeviceSelect:
		f.deviceSelect = uint32(v)
	case size == 4 && at == commonDriverSelect:
		f.driverSelect = uint32(v)
	case size == 4 && at == commonDriverFeature:
		f.writeFeature(uint32(v))
	case size == 2 && at == commonConfigVector:
		f.configVector.Store(f.vector(uint16(v)))
	case size == 2 && at == commonQueueSelect:
		f.selected = uint16(v)
	case int(f.selected) < len(f.queues):
		f.writeQueue(&f.queues[f.selected], v, at, size)
	}
}

// vector returns what a driver reads after it chose a vector: NO_VECTOR if
// there is no such.
func (f *Function) vector(v uint16) uint32 {
	if int(v) >= f.vectors {
		return noVector
	}
	return uint32(v)
}

func (f *Function) writeFeature(v uint32) {
	if f.status.Load()&statusFeaturesOK != 0 || f.driverSelect > 1 {
		return
	}
	shift := 32 * f.driverSelect
	f.features = f.features&^(0xffff_ffff<<shift) | uint64(v)<<shift
}

// writeQueue writes a field of a queue. Where a queue is can be changed until
// it is enabled.
func (f *Function) writeQueue(q *queue, v uint64, at, size int) {
	switch {
	case size == 2 && at == commonQueueVector:
		q.vector.Store(f.vector(uint16(v)))
	case q.enabled:
	case size == 2 && at == commonQueueSize:
		// A packed ring may have any size, section 2.8.10.1.
		if v != 0 && v <= uint64(q.limit) && (v&(v-1) == 0 || f.features&virtio.FeatureRingPacked != 0) {
			q.size = uint16(v)
		}
	case size == 2 && at == commonQueueEnable && v == 1:
		q.enabled = true
		f.startQueues()
	case at >= commonQueueDesc && at < commonQueueDevice+8 && (size == 4 && at%4 == 0 || size == 8 && at%8 == 0):
		addr := [...]*uint64{&q.desc, &q.avail, &q.used}[(at-commonQueueDesc)/8]
		switch {
		case size == 8:
			*addr = v
		case at%8 == 0:
			*addr = *addr&^0xffff_ffff | v
		default:
			*addr = *addr&0xffff_ffff | v<<32
		}
	}
}

// writeStatus is the driver's next step.
func (f *Function) writeStatus(v byte) {
	if v == 0 {
		f.beginReset()
		f.initialiseCommon(f.queues[0].limit)
		f.settled(resetPatience)
		return
	}
	if !f.settled(0) {
		return
	}
	old := byte(f.status.Load())
	now := old | v&^statusNeedsReset // no step is taken back but by a reset
	if now&^old&statusFeaturesOK != 0 && !f.acceptFeatures() {
		now &^= statusFeaturesOK
	}
	if now&statusFeaturesOK == 0 {
		now &^= statusDriverOK
	}
	f.status.Store(uint32(now))
	if now&^old&statusDriverOK != 0 {
		f.log.Info("driver ready", "features", f.features)
		f.startQueues()
	}
}

// acceptFeatures reports whether the device works with what the driver wants
// and with the memory it has.
func (f *Function) acceptFeatures() bool {
	if f.features&virtio.FeatureVersion1 == 0 {
		f.log.Error("driver refused: it does not accept VIRTIO_F_VERSION_1")
		return false
	}
	if err := f.in.SetFeatures(f.features); err != nil {
		f.log.Error("driver refused", "err", err)
		return false
	}
	if err := f.dma.Check(); err != nil {
		f.log.Error("driver refused: the device cannot work", "err", err)
		return false
	}
	return true
}

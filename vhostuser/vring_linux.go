// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
)

// enabling is what SET_VRING_ENABLE said.
type enabling uint8

const (
	unsaid enabling = iota
	enabled
	disabled
)

// vring is what the front-end said of a ring. The ring runs, as a queue of
// the instance, whenever enough was said; see ready.
//
// A message about a running ring pauses it, changes what was said, and lets
// it go on: the requests it holds are finished first, and it goes on where it
// was.
type vring struct {
	index int

	size   uint32 // 0 until SET_VRING_NUM
	addr   VringAddr
	placed bool // addr is set
	base   uint16
	kicked bool          // SET_VRING_KICK came
	kick   *virtio.Event // nil: the ring is polled
	call   *virtio.Event // nil: nobody wants to know
	enable enabling

	// returned is what GET_VRING_BASE answered, until SET_VRING_BASE.
	returned struct {
		valid bool
		base  uint16
	}

	// failed: the ring could not be started as it is.
	failed bool
	// broken: the driver broke the ring. Set from the queue's thread.
	broken atomic.Bool

	// mu guards err, which is signalled from the queue's thread.
	mu  sync.Mutex
	err *virtio.Event
}

// ready reports whether a ring is to run.
func (b *backend) ready(v *vring) bool {
	if v.size == 0 || !v.placed || !v.kicked || v.failed || v.broken.Load() || v.index >= b.queues() || !b.driverOK() {
		return false
	}
	if v.enable == unsaid {
		// "If VHOST_USER_F_PROTOCOL_FEATURES has not been negotiated, the ring
		// starts directly in the enabled state." QEMU's cryptodev negotiates
		// it and does not enable rings all the same.
		return b.controlled || b.features&FeatureProtocolFeatures == 0
	}
	return v.enable == enabled
}

func (b *backend) anyRunning() bool {
	for _, v := range b.rings {
		if b.in.Running(v.index) {
			return true
		}
	}
	return false
}

// pause stops a ring if it runs. It goes on where it was.
func (b *backend) pause(v *vring) {
	if base, err := b.in.Stop(v.index); err == nil {
		v.base = base
	}
}

// stop stops a ring until the next SET_VRING_KICK.
func (b *backend) stop(v *vring) {
	b.pause(v)
	v.setKick(nil)
	v.kicked = false
	v.failed = false
	v.broken.Store(false)
}

// pauseRunning pauses the rings that run, together.
func (b *backend) pauseRunning() (any bool) {
	bases := b.in.StopAll()
	for i, base := range bases {
		b.rings[i].base = base
	}
	return len(bases) > 0
}

// pauseAll pauses all rings for a change that concerns them all.
func (b *backend) pauseAll() (any bool) {
	for _, v := range b.rings {
		v.failed = false // what comes may have been what it lacked
	}
	return b.pauseRunning()
}

// startReady starts the rings that are ready and do not run. A ring that
// cannot be started is left alone until it or the memory changes.
func (b *backend) startReady() error {
	if b.settling {
		return nil
	}
	var errs []error
	for _, v := range b.rings {
		if b.in.Running(v.index) || !b.ready(v) {
			continue
		}
		if b.resetPending {
			return b.driverReset()
		}
		if err := b.start(v); err != nil {
			v.failed = true
			errs = append(errs, fmt.Errorf("start ring %d: %w", v.index, err))
		}
	}
	return errors.Join(errs...)
}

// driverReset resets the device for a driver that starts anew, of which QEMU
// says nothing: a ring starts elsewhere than where it stopped.
func (b *backend) driverReset() error {
	b.resetPending = false
	b.pauseAll()
	b.in.Reset()
	if err := b.negotiated(b.features); err != nil {
		return fmt.Errorf("features %#x after a reset: %w", b.features, err)
	}
	return b.startReady()
}

// packed reports whether rings are packed ones.
func (b *backend) packed() bool { return b.features&virtio.FeatureRingPacked != 0 }

// start starts a ring.
func (b *backend) start(v *vring) error {
	if !b.haveFeatures {
		return violation("no SET_FEATURES before it")
	}
	ring := virtq.Config{
		Size:         int(v.size),
		Base:         v.base,
		Indirect:     b.features&virtio.FeatureIndirectDesc != 0,
		EventIdx:     b.features&virtio.FeatureEventIdx != 0,
		Unnegotiated: b.controlled,
	}
	t := b.in.Memory().Acquire()
	defer t.Release()
	for _, a := range []struct {
		guest *uint64
		user  uint64
	}{{&ring.Desc, v.addr.Desc}, {&ring.Avail, v.addr.Avail}, {&ring.Used, v.addr.Used}} {
		var err error
		if *a.guest, err = t.FromUser(a.user); err != nil {
			return notMapped(err)
		}
	}
	c := virtio.QueueConfig{Ring: ring, Packed: b.packed(), Kick: v.kick, Broken: v.breaks}
	if v.call != nil {
		c.Call = v.call
	}
	return b.in.Start(v.index, c)
}

// breaks is called on the queue's thread when the ring broke.
func (v *vring) breaks(error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.broken.Store(true)
	if v.err != nil {
		v.err.Notify()
	}
}

// closeFDs closes the ring's descriptors. It does not run.
func (v *vring) closeFDs() {
	v.setKick(nil)
	v.kicked = false
	if v.call != nil {
		v.call.Close()
		v.call = nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		v.err.Close()
		v.err = nil
	}
}

// setKick replaces the kick descriptor. The ring does not run.
func (v *vring) setKick(e *virtio.Event) {
	if v.kick != nil {
		v.kick.Close()
	}
	v.kick = e
}

// reset forgets all but the descriptors for calls and errors. The ring does
// not run.
func (v *vring) reset() {
	v.size, v.addr, v.placed, v.base = 0, VringAddr{}, false, 0
	v.setKick(nil)
	v.kicked = false
	v.enable = unsaid
	v.returned.valid = false
	v.failed = false
	v.broken.Store(false)
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
)

// change pauses a ring, changes what was said of it, and lets it go on if it
// can.
func (b *backend) change(v *vring, change func()) error {
	b.pause(v)
	change()
	v.failed = false
	return b.startReady()
}

func (b *backend) setVringNum(m *Message) ([]byte, error) {
	v, num, err := b.state(m)
	if err != nil {
		return nil, err
	}
	if num == 0 || num > virtq.MaxSize || num&(num-1) != 0 && !b.packed() {
		return nil, violation("ring %d of size %d: must be a power of two up to %d", v.index, num, virtq.MaxSize)
	}
	return nil, b.change(v, func() { v.size = num })
}

// setVringAddr also comes for a running ring, with the same addresses, when
// the front-end turns logging on or off; that is not offered.
func (b *backend) setVringAddr(m *Message) ([]byte, error) {
	a, err := DecodeVringAddr(m.Payload)
	if err != nil {
		return nil, err
	}
	v, err := b.ring(a.Index)
	if err != nil {
		return nil, err
	}
	if v.placed && a.Desc == v.addr.Desc && a.Avail == v.addr.Avail && a.Used == v.addr.Used && b.in.Running(v.index) {
		return nil, nil
	}
	return nil, b.change(v, func() { v.addr, v.placed = a, true })
}

// setVringBase says where a ring goes on. A ring that starts elsewhere than
// where GET_VRING_BASE said it stopped is a new driver's.
func (b *backend) setVringBase(m *Message) ([]byte, error) {
	v, base, err := b.state(m)
	if err != nil {
		return nil, err
	}
	if base > maxBase && !b.packed() {
		return nil, violation("ring %d begins at %d, more than %d", v.index, base, maxBase)
	}
	if v.returned.valid && v.returned.base != uint16(base) && !b.controlled {
		b.resetPending = true
	}
	return nil, b.change(v, func() {
		v.base = uint16(base)
		v.returned.valid = false
		v.broken.Store(false)
	})
}

// getVringBase stops a ring. It starts again after the next SET_VRING_KICK.
func (b *backend) getVringBase(m *Message) ([]byte, error) {
	v, _, err := b.state(m)
	if err != nil {
		return nil, err
	}
	b.stop(v)
	v.returned.valid, v.returned.base = true, v.base
	base := uint32(v.base)
	if b.packed() {
		// A packed ring's base is two places, each with its wrap counter: of
		// the next available descriptor and of the next used one. A ring that
		// has stopped has nothing in between.
		base |= base << 16
	}
	return VringState{uint32(v.index), base}.Append(nil), nil
}

// setVringKick is the last that a ring needs. A kick that comes before the
// ring runs is not lost: a ring that starts looks at its memory first.
func (b *backend) setVringKick(m *Message) ([]byte, error) {
	v, e, err := b.event(m)
	if err != nil {
		return nil, err
	}
	return nil, b.change(v, func() {
		v.setKick(e)
		v.kicked = true
	})
}

// setVringCall replaces the call descriptor, also of a running ring.
func (b *backend) setVringCall(m *Message) ([]byte, error) {
	v, e, err := b.event(m)
	if err != nil {
		return nil, err
	}
	old := v.call
	v.call = e
	var n virtio.Notifier
	if e != nil {
		n = e
	}
	b.in.SetCall(v.index, n)
	if old != nil {
		old.Close()
	}
	if n != nil && b.in.Running(v.index) {
		// What was signalled on the old descriptor may have been seen by
		// nobody: the front-end listens to the new one already.
		n.Notify()
	}
	return nil, nil
}

func (b *backend) setVringErr(m *Message) ([]byte, error) {
	v, e, err := b.event(m)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		v.err.Close()
	}
	v.err = e
	if e != nil && v.broken.Load() {
		e.Notify()
	}
	return nil, nil
}

func (b *backend) setVringEnable(m *Message) ([]byte, error) {
	v, on, err := b.state(m)
	if err != nil {
		return nil, err
	}
	switch on {
	case 0:
		b.pause(v)
		v.enable = disabled
		return nil, nil
	case 1:
		if b.in.Running(v.index) {
			v.enable = enabled
			return nil, nil
		}
		return nil, b.change(v, func() { v.enable = enabled })
	}
	return nil, violation("ring %d enabled with %d", v.index, on)
}

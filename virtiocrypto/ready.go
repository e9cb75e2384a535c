// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import "vcrypto/virtio"

// A device that is not ready (VIRTIO_CRYPTO_S_HW_READY is off, section 5.9.5)
// asks its driver to begin nothing new. It still does all that it is asked.

// SetConfigChanger gives the device a transport's way to tell its driver of
// changes to the configuration space.
func (d *Device) SetConfigChanger(c virtio.ConfigChanger) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changer = c
}

// SetReady changes whether the device is ready, and tells the driver. The
// error says why it could not be told; it then learns of it when it reads the
// configuration space. SetReady may be called from any goroutine.
func (d *Device) SetReady(ready bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.notReady.Swap(!ready) == !ready || d.changer == nil {
		return nil
	}
	return d.changer.ConfigChanged()
}

// Ready reports whether the device is ready; a new one is.
func (d *Device) Ready() bool { return !d.notReady.Load() }

// OpenSessions returns how many sessions are open, and those that are being
// destroyed. It may be called from any goroutine.
func (d *Device) OpenSessions() int {
	t := d.sessions
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.slots) - len(t.free)
}

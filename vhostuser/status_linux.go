// SPDX-License-Identifier: Apache-2.0

package vhostuser

import "vcrypto/virtio"

// getStatus: a front-end reads what it is about to add to.
func (b *backend) getStatus(*Message) ([]byte, error) {
	return AppendU64(nil, uint64(b.status)), nil
}

// setStatus takes the device status. Rings run, or wait, as it says.
//
// Status 0 stops the rings and is not taken for a reset of the device: QEMU
// sends it whenever it stops a device, be it that the machine is paused, and
// the guest's sessions are to be there when it goes on. A driver that starts
// anew shows by where its rings begin; see driverReset.
func (b *backend) setStatus(m *Message) ([]byte, error) {
	s, err := DecodeU64(m.Payload)
	if err != nil {
		return nil, err
	}
	if s > statusBits {
		return nil, violation("device status %#x", s)
	}
	b.status = uint8(s)
	if !b.driverOK() {
		b.pauseRunning()
	}
	return nil, b.startReady()
}

// statusBits are those of the device status field.
const statusBits = 0xff

// driverOK reports whether rings may run, as far as the device status says.
//
// "Back-end should wait for DRIVER_OK" where STATUS was negotiated. But QEMU,
// for some devices, this one among them, says FEATURES_OK and then no more,
// which no driver's status can be: that has ACKNOWLEDGE and DRIVER before it.
// And one that keeps the control queue says of its driver nothing at all.
func (b *backend) driverOK() bool {
	return b.protocol&ProtocolStatus == 0 || b.controlled ||
		b.status&virtio.StatusDriverOK != 0 || b.status == virtio.StatusFeaturesOK
}

// SPDX-License-Identifier: Apache-2.0

// Package vfiouser serves a PCI device to a virtual machine monitor over the
// vfio-user protocol: what a kernel's VFIO interface says with ioctls, said
// with messages on a Unix socket. QEMU (vfio-user-pci) and Cloud Hypervisor
// (--user-device) are clients.
//
// Each message begins with 16 bytes: an id, a command, the message's size,
// flags. File descriptors travel beside them. The client may send many before
// the first is answered; they are answered in their order.
//
//	client                                server
//	VERSION ---------------------------->  what both can do
//	DMA_MAP, DMA_UNMAP + descriptors --->  [DMA]: the guest's memory
//	DEVICE_GET_INFO, _REGION_INFO,
//	           _IRQ_INFO --------------->  [Device]: its regions, its interrupts
//	DEVICE_SET_IRQS + eventfds --------->  [Interrupts]
//	REGION_READ, REGION_WRITE ---------->  Device.ReadRegion, WriteRegion
//	DEVICE_RESET ----------------------->  Device.Reset
//
// A [Device] is any PCI function. The package vfiouser/virtiopci makes one of
// a [virtio.Device].
//
// # What the protocol does not say
//
// A region that the client may map turns its posted writes off, and each
// doorbell would cost a round trip: no region offers it.
//
// A client gives up on an answer after a few seconds. Whatever waits for a
// request to end (an unmap, a reset) does so for less, and otherwise fails
// with an error; the device then asks its driver for a reset.
//
// Memory may come without a descriptor: ROMs and frame buffers do, and are of
// no interest. If all of it does, or if the file behind a descriptor has no
// data (QEMU's share=off: the guest's memory is a private copy), no device can
// work; [DMA.Check] says so.
//
// A client takes memory away and gives it back in other pieces while the guest
// runs. In between nothing must be looked up: the device is on hold until
// memory has come to rest.
//
// The protocol is described in QEMU's docs/interop/vfio-user.rst, its numbers
// are those of Linux's include/uapi/linux/vfio.h; names here are the names
// there.
package vfiouser

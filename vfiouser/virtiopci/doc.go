// SPDX-License-Identifier: Apache-2.0

// Package virtiopci makes a modern virtio-pci function (virtio 1.3 section
// 4.1) of a virtio device, for a client of vfio-user:
//
//	f, err := virtiopci.New(virtio.NewInstance(device, options), virtiopci.Options{})
//	err = vfiouser.Serve(ctx, conn, f, vfiouser.Options{})
//
// What a driver finds:
//
//	configuration space  ids, class, capabilities that say where the rest is
//	BAR 0  0x0000        common configuration: features, status, queues
//	       0x1000        interrupt status, for drivers without MSI-X
//	       0x2000        the device's own configuration space
//	       0x3000        doorbells, four bytes a queue
//	BAR 1  0x0000        MSI-X table
//	       0x0800        MSI-X pending bits
//
// A doorbell is a message of the client that nobody waits for; it wakes the
// queue's thread if that sleeps. Each queue and the configuration change can
// have a vector of its own.
//
// The VMM keeps the MSI-X table to itself, with the masks in it, and tells
// the device where to send what: so the table here is memory and no more,
// while the pending bits are true.
//
// When a ring breaks, when a request does not end though its memory goes, or
// when memory turns out not to be shared, the device says so in the log, sets
// DEVICE_NEEDS_RESET and interrupts the driver.
package virtiopci

// SPDX-License-Identifier: Apache-2.0

// Package vhostuser speaks the vhost-user protocol: the way a virtual machine
// monitor (the front-end) hands the queues of a virtio device to another
// process (the back-end). It has both ends. The back-end serves any
// [virtio.Device]; the front-end is for tests and benchmarks.
//
// The protocol is a conversation over a Unix socket, of messages that begin
// with twelve bytes: a request number, flags, the size of the payload. File
// descriptors travel beside them. The front-end shares the guest's memory as
// descriptors to map, says where in it the rings are, and gives an eventfd for
// each direction: the kick (there is work) and the call (work was done). From
// then on guest and back-end meet in memory, and the socket is quiet.
//
//	front-end                            back-end
//	GET_FEATURES, SET_FEATURES  ------>  Instance.Offered, SetFeatures
//	SET_MEM_TABLE + descriptors ------>  Instance.Memory
//	SET_VRING_NUM, ADDR, BASE,
//	          KICK, CALL, ENABLE ----->  Instance.Start, on its own thread
//	GET_VRING_BASE ------------------->  Instance.Stop
//
// [Serve] serves one connection, which is one driver: when it ends, all that
// was mapped, opened and started for it is given back. [ServeListener] serves one
// connection after the other, with a new device for each.
//
// What a kind of device adds to the protocol is left to an [Extension].
//
// The front-end is not trusted: sizes, indices, counts of descriptors and
// addresses are checked, and each descriptor that came and was not expected is
// closed. An error is answered where the front-end asked for an answer
// (REPLY_ACK) and ends the connection where it would otherwise go unnoticed.
//
// A device that wants to tell its driver of changes to its configuration
// space has a method SetConfigChanger(virtio.ConfigChanger). Serve calls it
// before the first message is read.
//
// The protocol is described in QEMU's docs/interop/vhost-user.rst; names here
// are the names there.
package vhostuser

// SPDX-License-Identifier: Apache-2.0

// Package virtio says what a virtio device is to the transports that serve
// it, and runs its queues.
//
// A [Device] has an identity, features, a configuration space and workers for
// its queues. It knows nothing of the way its driver reaches it. A transport
// (vhost-user, vfio-user) keeps one [Instance] of it for a driver, and tells
// the instance what it learns: guest memory, negotiated features, where rings
// are. The instance runs each queue on an OS thread of its own:
//
//	driver's kick -> Queue takes a batch of chains -> Worker.Handle
//	                 Worker.Poll -> Queue.Push -> one notification
//
// The rings themselves are in virtio/virtq, guest memory in virtio/mem. This
// package imports both and nothing else of the project: any device can be
// built on it.
package virtio

import (
	"fmt"

	"vcrypto/virtio/virtq"
)

// DeviceID is a virtio device ID, virtio 1.3 section 5.
type DeviceID uint32

// Device IDs used in this project.
const (
	IDEntropy DeviceID = 4  // section 5.4
	IDCrypto  DeviceID = 20 // section 5.9
)

// Feature bits that belong to no device type, virtio 1.3 section 6.
const (
	FeatureIndirectDesc   = 1 << 28 // VIRTIO_F_INDIRECT_DESC
	FeatureEventIdx       = 1 << 29 // VIRTIO_F_EVENT_IDX
	FeatureVersion1       = 1 << 32 // VIRTIO_F_VERSION_1
	FeatureAccessPlatform = 1 << 33 // VIRTIO_F_ACCESS_PLATFORM
	FeatureRingPacked     = 1 << 34 // VIRTIO_F_RING_PACKED
	FeatureInOrder        = 1 << 35 // VIRTIO_F_IN_ORDER
)

// Bits of the device status, virtio 1.3 section 2.1.
const (
	StatusAcknowledge = 1   // ACKNOWLEDGE
	StatusDriver      = 2   // DRIVER
	StatusDriverOK    = 4   // DRIVER_OK
	StatusFeaturesOK  = 8   // FEATURES_OK
	StatusNeedsReset  = 64  // DEVICE_NEEDS_RESET
	StatusFailed      = 128 // FAILED
)

// RingFeatures are the features that this package and virtq provide for every
// device.
const RingFeatures uint64 = FeatureIndirectDesc | FeatureEventIdx | FeatureVersion1

// Device is a kind of virtio device, for one driver at a time.
//
// Its methods are called from one goroutine at a time; the workers it makes
// run on their queues' threads.
type Device interface {
	// ID is the device's type.
	ID() DeviceID

	// Features are the device type's own feature bits.
	Features() uint64

	// Queues is the number of queues the device has at most.
	Queues() int

	// ReadConfig copies the configuration space from offset on into p. Bytes
	// beyond its end read as zero.
	ReadConfig(p []byte, offset uint32)

	// Negotiated tells which features were negotiated, before queues start.
	// An error refuses them.
	Negotiated(features uint64) error

	// NewWorker returns the worker for a queue that is about to start.
	NewWorker(q *Queue) (Worker, error)

	// Reset returns the device to its initial state and drops all that its
	// driver made, such as sessions. No queue runs.
	Reset()
}

// Worker does a queue's work. Its methods are called on the queue's thread.
type Worker interface {
	// Handle takes chains that the driver made available. Each is given back
	// with [Queue.Push], now or in a later Poll.
	Handle(chains []*virtq.Chain)

	// Poll pushes what was finished since. If flush is set the ring is empty:
	// nothing must wait for company. It reports whether it pushed anything.
	Poll(flush bool) bool

	// Close is called once, when the queue has stopped and all its chains
	// were pushed.
	Close()
}

// Observer may be implemented by a worker that wants to know when things
// happen around it. Its methods are called on the queue's thread.
type Observer interface {
	// Kicked: the driver has kicked, and Handle may follow.
	Kicked()
	// Published: what was pushed since is shown to the driver, and notified
	// says whether that took an interrupt. It is called when Handle and Poll
	// have returned.
	Published(notified bool)
}

// Hurrier may be implemented by a worker whose chains may take long.
type Hurrier interface {
	// Hurry: the queue has to be without chains, because it ends or memory
	// changes, and it was waited for [Options.Patience]. What was not
	// begun is to be pushed undone by the next Poll. It is called on the
	// queue's thread.
	Hurry()
}

// ConfigChanger is a transport's way to tell a driver that the configuration
// space changed.
type ConfigChanger interface {
	ConfigChanged() error
}

// QueueError is an error of a queue.
type QueueError struct {
	Queue int
	Op    string
	Err   error
}

func (e *QueueError) Error() string { return fmt.Sprintf("queue %d: %s: %v", e.Queue, e.Op, e.Err) }

// Unwrap returns the cause.
func (e *QueueError) Unwrap() error { return e.Err }

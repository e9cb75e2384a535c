// SPDX-License-Identifier: Apache-2.0

// Package virtq is the device's side of a virtqueue: it takes descriptor
// chains that a driver made available in guest memory and gives them back
// when they are used (virtio 1.3 section 2.6).
//
// A device works in batches:
//
//	n, err := q.Next(batch)     // take chains
//	...                         // read and write their segments
//	q.Push(chain, written)      // stage a chain as used, in any order
//	if q.Publish() { notify() } // show the staged ones to the driver, once
//
// A queue belongs to one thread at a time and allocates nothing while it
// works. It keeps no addresses of its own beyond what [Split.Attach] gave it,
// so that guest memory can be changed between Detach and Attach.
//
// The driver is not trusted. Every descriptor is read once; its copy is
// checked and used. A ring that makes no sense (an index that jumps, a loop, a
// buffer outside memory) is reported as a [*BrokenError], and the queue should
// not be used again until the driver sets it up anew. What chains contain is
// the device's to check.
package virtq

import (
	"fmt"

	"vcrypto/virtio/internal/ring"
)

const (
	// MaxSize is the largest queue size of a split virtqueue, section 2.7.
	MaxSize = ring.MaxSize

	// MaxChain is the largest number of descriptors in a row, in the ring or in
	// an indirect table. The specification's bound for both is the queue size
	// (section 2.7.5.3.1); Linux goes beyond it for small queues, so the bound
	// is what QEMU's is. It also bounds the memory and the time that a guest
	// can make a device spend on a ring of chains which share descriptors.
	MaxChain = 1024

	// MaxSegments is the largest number of pieces that a chain's buffers are
	// in, where they cross from one region of memory into the next: each
	// descriptor once, which is more than a guest's few regions make. It
	// bounds the memory of a chain where there are many small regions.
	MaxSegments = 2 * MaxChain
)

// Config is what a driver and its transport settled for a queue.
type Config struct {
	// Size is the number of descriptors: a power of two up to MaxSize.
	Size int
	// Desc, Avail and Used are the guest physical addresses of the ring's
	// three areas: 16-, 2- and 4-aligned (section 2.7).
	Desc, Avail, Used uint64
	// Base is the index of the first chain to take: 0 for a new queue, what
	// [Split.Base] returned for one that goes on.
	Base uint16
	// Indirect: VIRTIO_F_INDIRECT_DESC was negotiated.
	Indirect bool
	// EventIdx: VIRTIO_F_EVENT_IDX was negotiated.
	EventIdx bool
	// Unnegotiated: the transport does not know what the driver negotiated
	// (vhost-user for cryptodev backends of QEMU). Indirect descriptors are
	// taken; both forms of kick suppression are kept up to date; the driver
	// is notified unless its flags say no.
	Unnegotiated bool
}

func (c *Config) check() error {
	switch {
	case c.Size < 1 || c.Size > MaxSize || c.Size&(c.Size-1) != 0:
		return fmt.Errorf("virtqueue: size %d: must be a power of two up to %d", c.Size, MaxSize)
	case c.Desc%ring.DescAlign != 0 || c.Avail%ring.AvailAlign != 0 || c.Used%ring.UsedAlign != 0:
		return fmt.Errorf("virtqueue: descriptor area at %#x, driver area at %#x, device area at %#x: must be aligned to %d, %d and %d",
			c.Desc, c.Avail, c.Used, ring.DescAlign, ring.AvailAlign, ring.UsedAlign)
	}
	return nil
}

// BrokenError says how a driver broke its ring.
type BrokenError struct {
	Reason string
	Err    error // what the memory table said, if it was asked; may be nil
}

func (e *BrokenError) Error() string {
	if e.Err != nil {
		return "broken virtqueue: " + e.Reason + ": " + e.Err.Error()
	}
	return "broken virtqueue: " + e.Reason
}

// Unwrap returns the memory table's error.
func (e *BrokenError) Unwrap() error { return e.Err }

func broken(format string, args ...any) error {
	return &BrokenError{Reason: fmt.Sprintf(format, args...)}
}

// SPDX-License-Identifier: Apache-2.0

// Package ring is what both sides of a split virtqueue share: where its
// fields are, and how fields that another CPU or process reads and writes at
// the same time are read and written.
//
// The device's side is virtio/virtq, the driver's virtio/virtqdrv.
package ring

// The layout of a split virtqueue, virtio 1.3 section 2.7. Offsets and sizes
// are in bytes.
const (
	DescSize  = 16 // struct virtq_desc, section 2.7.5
	DescAlign = 16
	DescAddr  = 0  // le64 addr
	DescLen   = 8  // le32 len
	DescFlags = 12 // le16 flags
	DescNext  = 14 // le16 next

	DescFNext     = 1 // VIRTQ_DESC_F_NEXT
	DescFWrite    = 2 // VIRTQ_DESC_F_WRITE
	DescFIndirect = 4 // VIRTQ_DESC_F_INDIRECT

	AvailAlign   = 2
	AvailFlags   = 0 // le16 flags, section 2.7.6
	AvailIdx     = 2 // le16 idx
	AvailRing    = 4 // le16 ring[size], then le16 used_event
	AvailElem    = 2
	AvailFNoIntr = 1 // VIRTQ_AVAIL_F_NO_INTERRUPT

	UsedAlign     = 4
	UsedFlags     = 0 // le16 flags, section 2.7.8
	UsedIdx       = 2 // le16 idx
	UsedRing      = 4 // struct virtq_used_elem ring[size], then le16 avail_event
	UsedElem      = 8 // le32 id, le32 len
	UsedElemLen   = 4
	UsedFNoNotify = 1 // VIRTQ_USED_F_NO_NOTIFY

	EventSize = 2  // used_event, avail_event: section 2.7.7, 2.7.9
	IdxShift  = 16 // of idx in the word that flags and idx share

	MaxSize = 32768 // the largest queue, section 2.7
)

// DescBytes is the size of the descriptor area of a queue.
func DescBytes(size int) uint64 { return uint64(size) * DescSize }

// AvailBytes is the size of the driver area of a queue.
func AvailBytes(size int) uint64 { return AvailRing + uint64(size)*AvailElem + EventSize }

// UsedBytes is the size of the device area of a queue.
func UsedBytes(size int) uint64 { return UsedRing + uint64(size)*UsedElem + EventSize }

// NeedEvent reports whether an index that moved from old to new passed event,
// section 2.7.7.2.
func NeedEvent(event, new, old uint16) bool { return new-event-1 < new-old }

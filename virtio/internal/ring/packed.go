// SPDX-License-Identifier: Apache-2.0

package ring

// The layout of a packed virtqueue, virtio 1.3 section 2.8. Offsets and sizes
// are in bytes; a descriptor's address and length are where a split one's are.
const (
	PackedID    = 12 // le16 id, section 2.8.13
	PackedFlags = 14 // le16 flags

	// Flags beside DescFNext, DescFWrite and DescFIndirect, section 2.8.1.
	PackedFAvail = 1 << 7
	PackedFUsed  = 1 << 15

	// Event suppression areas, section 2.8.14: le16 offset and wrap counter,
	// le16 flags.
	EventAlign = 4
	EventBytes = 4

	EventEnable  = 0 // RING_EVENT_FLAGS_ENABLE
	EventDisable = 1 // RING_EVENT_FLAGS_DISABLE
	EventDesc    = 2 // RING_EVENT_FLAGS_DESC
	EventFlags   = 3 // mask

	// WrapShift is the place of a wrap counter above a 15-bit offset.
	WrapShift = 15
)

// AvailNow reports whether a packed descriptor with these flags is available
// to a device with this wrap counter, UsedNow whether it is used for a driver
// with it.
func AvailNow(flags uint16, wrap bool) bool {
	avail, used := flags&PackedFAvail != 0, flags&PackedFUsed != 0
	return avail == wrap && used != wrap
}

// UsedNow is the driver's side of AvailNow.
func UsedNow(flags uint16, wrap bool) bool {
	avail, used := flags&PackedFAvail != 0, flags&PackedFUsed != 0
	return avail == wrap && used == wrap
}

// PackedAvail are the flags that make a descriptor available to a device with
// this wrap counter.
func PackedAvail(wrap bool) uint16 {
	if wrap {
		return PackedFAvail
	}
	return PackedFUsed
}

// PackedUsed are the flags that make a descriptor used.
func PackedUsed(wrap bool) uint16 {
	if wrap {
		return PackedFAvail | PackedFUsed
	}
	return 0
}

// OffWrap is a place in a packed ring in 16 bits.
func OffWrap(at uint16, wrap bool) uint16 {
	if wrap {
		return at | 1<<WrapShift
	}
	return at
}

// NeedPackedEvent reports whether a side that moved over n descriptors to
// place at with wrap counter wrap, in a ring of size, is to notify one whose
// event suppression area is word (section 2.8.7.1). events: EVENT_IDX was
// negotiated.
func NeedPackedEvent(word uint32, at uint16, wrap bool, n, size int, events bool) bool {
	switch flags := word >> 16 & EventFlags; {
	case flags == EventDisable:
		return false
	case flags != EventDesc || !events:
		return true
	}
	event := uint16(word) &^ (1 << WrapShift)
	if (uint16(word)>>WrapShift != 0) != wrap {
		event -= uint16(size)
	}
	return NeedEvent(event, at, at-uint16(n))
}

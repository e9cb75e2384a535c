// SPDX-License-Identifier: Apache-2.0

package virtqdrv

// Ring is what a [Queue] and a [Packed] have in common.
type Ring interface {
	Size() int
	Desc() uint64
	Avail() uint64
	Used() uint64

	Add(readable, writable []Buf, cookie uint64) error
	Prepare(readable, writable []Buf, cookie uint64) (Slot, error)
	AddSlot(Slot) error
	Release(Slot) error
	Publish() (kick bool)

	InFlight() int
	Pending() bool
	Reap(batch []Used) (int, error)
	EnableInterrupts() (more bool)
	DisableInterrupts()
}

var (
	_ Ring = (*Queue)(nil)
	_ Ring = (*Packed)(nil)
)

// SPDX-License-Identifier: Apache-2.0

package vfiouser

// Regions of a PCI device, VFIO_PCI_*_REGION_INDEX.
const (
	RegionBAR0   = 0
	RegionBAR1   = 1
	RegionBAR5   = 5
	RegionROM    = 6
	RegionConfig = 7
	RegionVGA    = 8

	NumRegions = 9
)

// Device is a PCI function. Its methods are called from one goroutine at a
// time.
type Device interface {
	// RegionSize is the size of a region in bytes, 0 for one that is not
	// there. It does not change.
	RegionSize(region int) uint64

	// ReadRegion and WriteRegion are an access to a region, within its size.
	// p may be used until they return. An error that is or wraps a
	// [unix.Errno] is answered as such.
	ReadRegion(region int, p []byte, offset uint64) error
	WriteRegion(region int, p []byte, offset uint64) error

	// Interrupts are the device's interrupts and DMA what it knows of the
	// guest's memory. They are the device's and always the same.
	Interrupts() *Interrupts
	DMA() *DMA

	// Reset brings the device to its initial state. If that takes longer than
	// a moment it returns an error, and goes on.
	Reset() error

	// Hold asks the device to end what it does with the guest's memory and to
	// begin nothing until GoOn. It does not wait.
	Hold()
	GoOn()

	// Fail tells the device that it cannot go on: its driver is to reset it.
	Fail(reason error)

	// Close ends all that the device does and gives everything back. It may
	// wait for requests to end.
	Close() error
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"

	"vcrypto/virtio/mem"
)

// ErrIOMMU: the front-end has the device behind a virtual IOMMU. Ring addresses
// are then the guest's I/O addresses, to be asked for one by one (vhost-user.rst
// "IOMMU support"), which this back-end does not do and does not offer
// (VIRTIO_F_ACCESS_PLATFORM). QEMU refuses such a device itself if all of it is
// the back-end's; with devices of its own in front of a back-end it does not.
var ErrIOMMU = errors.New("a device behind a virtual IOMMU is not supported: " +
	"leave iommu_platform=on out of its options, and the guest uses it past the IOMMU")

// notMapped adds to the error about an address that is not in memory what is
// behind it, if anything is.
func notMapped(err error) error {
	if errors.Is(err, mem.ErrNotMapped) {
		return fmt.Errorf("%w, so it may be an I/O address: %w", err, ErrIOMMU)
	}
	return err
}

// iotlb handles messages about the IOMMU's translations.
func (b *backend) iotlb(*Message) ([]byte, error) {
	return nil, fmt.Errorf("%w: %w", ErrProtocol, ErrIOMMU) // it was not negotiated
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vcrypto/virtio/mem"
)

const (
	// maxMemSlots is how many regions guest memory has at most: what QEMU's
	// own back-ends take (VHOST_USER_MAX_RAM_SLOTS in libvhost-user).
	maxMemSlots = 509

	// settleTime is how long the front-end must be silent after it took
	// memory away until rings go on. When a region changes, QEMU takes away
	// the old form and at once adds the new one, while the guest runs: in
	// between, requests refer to memory that is not there for a moment.
	settleTime = 20 * time.Millisecond
)

func (r MemRegion) String() string {
	return fmt.Sprintf("memory region of %d bytes at %#x", r.Size, r.GuestAddr)
}

// mapRegion maps the region of the message's next descriptor.
func mapRegion(m *Message, r MemRegion) (mem.Region, error) {
	f := file(m.TakeFD(), "guest memory")
	defer f.Close()
	region, err := mem.Map(f, r.Offset, r.Size)
	if err != nil {
		return mem.Region{}, fmt.Errorf("%v: %w", r, err)
	}
	region.Addr, region.User = r.GuestAddr, r.UserAddr
	return region, nil
}

func unmapAll(regions []mem.Region) error {
	var errs []error
	for _, r := range regions {
		errs = append(errs, r.Unmap())
	}
	return errors.Join(errs...)
}

// setMemTable replaces guest memory. Rings pause: no request of theirs sees
// half of the change, and their addresses are looked up anew.
func (b *backend) setMemTable(m *Message) ([]byte, error) {
	table, err := DecodeMemTable(m.Payload)
	if err != nil {
		return nil, err
	}
	if m.FDs() != len(table) {
		return nil, violation("%d regions and %d descriptors", len(table), m.FDs())
	}
	var regions []mem.Region
	for _, r := range table {
		region, err := mapRegion(m, r)
		if err != nil {
			return nil, errors.Join(err, unmapAll(regions))
		}
		regions = append(regions, region)
	}
	b.pauseAll()
	err = b.in.Memory().Set(regions)
	if err != nil && !errors.Is(err, mem.ErrUnmap) {
		err = errors.Join(err, unmapAll(regions))
	} else {
		b.regions = table
	}
	b.goOn()
	return nil, err
}

func (b *backend) getMaxMemSlots(*Message) ([]byte, error) {
	return AppendU64(nil, maxMemSlots), nil
}

// addMemReg adds a region. Running rings take it in by themselves.
func (b *backend) addMemReg(m *Message) ([]byte, error) {
	r, err := DecodeSingleRegion(m.Payload)
	if err != nil {
		return nil, err
	}
	if len(b.regions) >= maxMemSlots {
		return nil, fmt.Errorf("%v: there are %d already", r, len(b.regions))
	}
	region, err := mapRegion(m, r)
	if err != nil {
		return nil, err
	}
	if err := b.in.Memory().Add(region); err != nil {
		return nil, errors.Join(err, region.Unmap())
	}
	b.regions = append(b.regions, r)
	for _, v := range b.rings {
		v.failed = false // this may be what it lacked
	}
	b.goOn()
	return nil, nil
}

// remMemReg takes a region away. Rings pause until the front-end has said
// what comes in its place.
func (b *backend) remMemReg(m *Message) ([]byte, error) {
	r, err := DecodeSingleRegion(m.Payload)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(b.regions, func(have MemRegion) bool {
		return have.GuestAddr == r.GuestAddr && have.Size == r.Size && have.UserAddr == r.UserAddr
	})
	if i < 0 {
		return nil, fmt.Errorf("%v: %w", r, mem.ErrNoRegion)
	}
	if b.pauseAll() {
		b.settling = true
	}
	err = b.in.Memory().Remove(r.GuestAddr, r.Size)
	b.regions = slices.Delete(b.regions, i, i+1)
	return nil, err
}

// settled lets rings go on after memory was rearranged.
func (b *backend) settled() {
	b.settling = false
	b.goOn()
}

// goOn starts the rings that can go on after memory changed. One that cannot
// is no fault of the change: it waits for the next.
func (b *backend) goOn() {
	if err := b.startReady(); err != nil {
		b.log.Warn("a ring does not go on after memory changed; it will when its memory is back", "err", err)
	}
}

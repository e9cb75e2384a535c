// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"encoding/json"
	"fmt"

	"golang.org/x/sys/unix"
)

// Sizes of payloads in bytes, without what may follow them.
const (
	sizeVersion      = 4
	sizeDMAMap       = 32
	sizeDMAUnmap     = 24
	sizeDeviceInfo   = 16
	sizeRegionInfo   = 32
	sizeIRQInfo      = 16
	sizeIRQSet       = 20
	sizeRegionAccess = 16
)

// malformed is an error that is answered with EINVAL.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", unix.EINVAL, fmt.Sprintf(format, args...))
}

// atLeast checks the size of a payload that may go on.
func atLeast(what string, b []byte, size int) error {
	if len(b) < size {
		return malformed("%s of %d bytes, must be %d", what, len(b), size)
	}
	return nil
}

// Version is the payload of VERSION. Data is JSON, without its final NUL.
type Version struct {
	Major, Minor uint16
	Data         []byte
}

// Append appends the wire form to b.
func (v Version) Append(b []byte) []byte {
	b = order.AppendUint16(b, v.Major)
	b = order.AppendUint16(b, v.Minor)
	if len(v.Data) == 0 {
		return b
	}
	return append(append(b, v.Data...), 0)
}

// DecodeVersion reads a Version, whose Data, if there is any, is a JSON
// object. It aliases b.
func DecodeVersion(b []byte) (Version, error) {
	if err := atLeast("version", b, sizeVersion); err != nil {
		return Version{}, err
	}
	v := Version{Major: order.Uint16(b), Minor: order.Uint16(b[2:]), Data: b[sizeVersion:]}
	if len(v.Data) == 0 {
		return v, nil
	}
	last := len(v.Data) - 1
	if v.Data[last] != 0 {
		return v, malformed("version data does not end with a NUL")
	}
	v.Data = v.Data[:last]
	var object map[string]json.RawMessage
	if err := json.Unmarshal(v.Data, &object); err != nil {
		return v, malformed("version data is no JSON object: %v", err)
	}
	return v, nil
}

// Flags of a DMAMap.
const (
	DMARead  = 1 << 0
	DMAWrite = 1 << 1
)

// DMAMap is the payload of DMA_MAP: memory that the device may use, which is
// in the descriptor that comes with it, from Offset on.
type DMAMap struct {
	Flags                 uint32
	Offset, Address, Size uint64
}

// Append appends the wire form to b.
func (m DMAMap) Append(b []byte) []byte {
	b = order.AppendUint32(b, sizeDMAMap)
	b = order.AppendUint32(b, m.Flags)
	b = order.AppendUint64(b, m.Offset)
	b = order.AppendUint64(b, m.Address)
	return order.AppendUint64(b, m.Size)
}

// DecodeDMAMap reads a DMAMap, whose address range does not wrap.
func DecodeDMAMap(b []byte) (DMAMap, error) {
	if len(b) != sizeDMAMap {
		return DMAMap{}, malformed("DMA map of %d bytes, must be %d", len(b), sizeDMAMap)
	}
	m := DMAMap{
		Flags:   order.Uint32(b[4:]),
		Offset:  order.Uint64(b[8:]),
		Address: order.Uint64(b[16:]),
		Size:    order.Uint64(b[24:]),
	}
	if m.Size == 0 || m.Address+m.Size < m.Address {
		return m, malformed("DMA map of %d bytes at %#x", m.Size, m.Address)
	}
	if m.Flags&^(DMARead|DMAWrite) != 0 {
		return m, malformed("DMA map with flags %#x", m.Flags)
	}
	return m, nil
}

// DMAUnmapAll, a flag of a DMAUnmap, is VFIO_DMA_UNMAP_FLAG_ALL.
const DMAUnmapAll = 1 << 1

// DMAUnmap is the payload of DMA_UNMAP.
type DMAUnmap struct {
	Flags         uint32
	Address, Size uint64
}

// Append appends the wire form to b.
func (u DMAUnmap) Append(b []byte) []byte {
	b = order.AppendUint32(b, sizeDMAUnmap)
	b = order.AppendUint32(b, u.Flags)
	b = order.AppendUint64(b, u.Address)
	return order.AppendUint64(b, u.Size)
}

// DecodeDMAUnmap reads a DMAUnmap, whose address range does not wrap.
func DecodeDMAUnmap(b []byte) (DMAUnmap, error) {
	if err := atLeast("DMA unmap", b, sizeDMAUnmap); err != nil {
		return DMAUnmap{}, err
	}
	u := DMAUnmap{Flags: order.Uint32(b[4:]), Address: order.Uint64(b[8:]), Size: order.Uint64(b[16:])}
	if u.Flags&^DMAUnmapAll != 0 {
		return u, fmt.Errorf("%w: DMA unmap with flags %#x", unix.EOPNOTSUPP, u.Flags)
	}
	if all := u.Flags&DMAUnmapAll != 0; all != (u.Size == 0) || u.Address+u.Size < u.Address {
		return u, malformed("DMA unmap of %d bytes at %#x with flags %#x", u.Size, u.Address, u.Flags)
	}
	return u, nil
}

// Flags of a DeviceInfo.
const (
	DeviceReset = 1 << 0
	DevicePCI   = 1 << 1
)

// DeviceInfo is the answer to DEVICE_GET_INFO.
type DeviceInfo struct{ Flags, Regions, IRQs uint32 }

// Append appends the wire form to b.
func (i DeviceInfo) Append(b []byte) []byte {
	b = order.AppendUint32(b, sizeDeviceInfo)
	b = order.AppendUint32(b, i.Flags)
	b = order.AppendUint32(b, i.Regions)
	return order.AppendUint32(b, i.IRQs)
}

// DecodeDeviceInfo reads a DeviceInfo.
func DecodeDeviceInfo(b []byte) (DeviceInfo, error) {
	if err := atLeast("device info", b, sizeDeviceInfo); err != nil {
		return DeviceInfo{}, err
	}
	return DeviceInfo{order.Uint32(b[4:]), order.Uint32(b[8:]), order.Uint32(b[12:])}, nil
}

// Flags of a RegionInfo.
const (
	RegionRead  = 1 << 0
	RegionWrite = 1 << 1
	RegionMmap  = 1 << 2
)

// RegionInfo is the payload of DEVICE_GET_REGION_INFO, both ways.
type RegionInfo struct {
	Flags, Index uint32
	Size         uint64
}

// Append appends the wire form to b. cap_offset is the structure's size, as
// some clients check it even where no capability follows.
func (i RegionInfo) Append(b []byte) []byte {
	b = order.AppendUint32(b, sizeRegionInfo)
	b = order.AppendUint32(b, i.Flags)
	b = order.AppendUint32(b, i.Index)
	b = order.AppendUint32(b, sizeRegionInfo)
	b = order.AppendUint64(b, i.Size)
	return order.AppendUint64(b, 0) // offset, of a mapping
}

// DecodeRegionInfo reads a RegionInfo.
func DecodeRegionInfo(b []byte) (RegionInfo, error) {
	if err := atLeast("region info", b, sizeRegionInfo); err != nil {
		return RegionInfo{}, err
	}
	return RegionInfo{order.Uint32(b[4:]), order.Uint32(b[8:]), order.Uint64(b[16:])}, nil
}

// Flags of an IRQInfo.
const (
	IRQEventFD    = 1 << 0
	IRQMaskable   = 1 << 1
	IRQAutomasked = 1 << 2
	IRQNoResize   = 1 << 3
)

// IRQInfo is the payload of DEVICE_GET_IRQ_INFO, both ways.
type IRQInfo struct{ Flags, Index, Count uint32 }

// Append appends the wire form to b.
func (i IRQInfo) Append(b []byte) []byte {
	b = order.AppendUint32(b, sizeIRQInfo)
	b = order.AppendUint32(b, i.Flags)
	b = order.AppendUint32(b, i.Index)
	return order.AppendUint32(b, i.Count)
}

// DecodeIRQInfo reads an IRQInfo.
func DecodeIRQInfo(b []byte) (IRQInfo, error) {
	if err := atLeast("interrupt info", b, sizeIRQInfo); err != nil {
		return IRQInfo{}, err
	}
	return IRQInfo{order.Uint32(b[4:]), order.Uint32(b[8:]), order.Uint32(b[12:])}, nil
}

// Flags of an IRQSet: one of the data, one of the actions.
const (
	IRQDataNone    = 1 << 0
	IRQDataBool    = 1 << 1
	IRQDataEventFD = 1 << 2
	irqData        = IRQDataNone | IRQDataBool | IRQDataEventFD

	IRQMask    = 1 << 3
	IRQUnmask  = 1 << 4
	IRQTrigger = 1 << 5
	irqAction  = IRQMask | IRQUnmask | IRQTrigger
)

// IRQSet is the payload of DEVICE_SET_IRQS.
type IRQSet struct {
	Flags, Index, Start, Count uint32
	Data                       []byte // with IRQDataBool: a byte each
}

// Append appends the wire form to b.
func (s IRQSet) Append(b []byte) []byte {
	b = order.AppendUint32(b, sizeIRQSet+uint32(len(s.Data)))
	b = order.AppendUint32(b, s.Flags)
	b = order.AppendUint32(b, s.Index)
	b = order.AppendUint32(b, s.Start)
	b = order.AppendUint32(b, s.Count)
	return append(b, s.Data...)
}

// DecodeIRQSet reads an IRQSet with one kind of data and one action. Data
// aliases b.
func DecodeIRQSet(b []byte) (IRQSet, error) {
	if err := atLeast("interrupt set", b, sizeIRQSet); err != nil {
		return IRQSet{}, err
	}
	s := IRQSet{order.Uint32(b[4:]), order.Uint32(b[8:]), order.Uint32(b[12:]), order.Uint32(b[16:]), b[sizeIRQSet:]}
	data, action := s.Flags&irqData, s.Flags&irqAction
	switch {
	case s.Flags&^(irqData|irqAction) != 0 || !oneBit(data) || !oneBit(action):
		return s, malformed("interrupt set with flags %#x", s.Flags)
	case data == IRQDataBool && uint64(len(s.Data)) != uint64(s.Count):
		return s, malformed("interrupt set of %d with %d bytes", s.Count, len(s.Data))
	}
	return s, nil
}

func oneBit(v uint32) bool { return v != 0 && v&(v-1) == 0 }

// RegionAccess is the payload of REGION_READ and REGION_WRITE. In a command
// to read and in the answer to a write there is no Data.
type RegionAccess struct {
	Offset        uint64
	Region, Count uint32
	Data          []byte
}

// Append appends the wire form to b.
func (a RegionAccess) Append(b []byte) []byte {
	b = order.AppendUint64(b, a.Offset)
	b = order.AppendUint32(b, a.Region)
	b = order.AppendUint32(b, a.Count)
	return append(b, a.Data...)
}

// DecodeRegionAccess reads a RegionAccess of at most MaxTransfer bytes. Data
// aliases b; whether it has Count bytes is for the caller to check.
func DecodeRegionAccess(b []byte) (RegionAccess, error) {
	if err := atLeast("region access", b, sizeRegionAccess); err != nil {
		return RegionAccess{}, err
	}
	a := RegionAccess{order.Uint64(b), order.Uint32(b[8:]), order.Uint32(b[12:]), b[sizeRegionAccess:]}
	if a.Count > MaxTransfer {
		return a, malformed("access of %d bytes, at most %d", a.Count, MaxTransfer)
	}
	return a, nil
}

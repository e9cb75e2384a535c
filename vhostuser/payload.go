// SPDX-License-Identifier: Apache-2.0

package vhostuser

// Sizes of payloads in bytes, vhost-user.rst "Payload".
const (
	sizeU64          = 8
	sizeVringState   = 8
	sizeVringAddr    = 40
	sizeMemHeader    = 8 // number of regions, padding
	sizeMemRegion    = 32
	sizeSingleRegion = 8 + sizeMemRegion // padding, region
	sizeConfigHeader = 12
)

// MaxConfigSize is the size in bytes of the largest configuration space
// (VHOST_USER_MAX_CONFIG_SIZE in QEMU).
const MaxConfigSize = 256

// Bits of the payload of SET_VRING_KICK, CALL and ERR.
const (
	vringFDIndex = 0xff
	vringFDNone  = 0x100 // VHOST_USER_VRING_NOFD_MASK
)

func wrongSize(what string, got, want int) error {
	return violation("%s of %d bytes, must be %d", what, got, want)
}

// AppendU64 appends a payload of one 64-bit number.
func AppendU64(b []byte, v uint64) []byte { return order.AppendUint64(b, v) }

// DecodeU64 reads a payload of one 64-bit number.
func DecodeU64(b []byte) (uint64, error) {
	if len(b) != sizeU64 {
		return 0, wrongSize("number", len(b), sizeU64)
	}
	return order.Uint64(b), nil
}

// VringState is a number about a ring ("A vring state description").
type VringState struct{ Index, Num uint32 }

// Append appends the wire form to b.
func (v VringState) Append(b []byte) []byte {
	b = order.AppendUint32(b, v.Index)
	return order.AppendUint32(b, v.Num)
}

// DecodeVringState reads a VringState.
func DecodeVringState(b []byte) (VringState, error) {
	if len(b) != sizeVringState {
		return VringState{}, wrongSize("ring state", len(b), sizeVringState)
	}
	return VringState{order.Uint32(b), order.Uint32(b[4:])}, nil
}

// VringAddr says where a ring is ("A vring address description"). Desc, Used
// and Avail are addresses in the front-end's address space.
type VringAddr struct {
	Index, Flags           uint32
	Desc, Used, Avail, Log uint64
}

// Append appends the wire form to b.
func (v VringAddr) Append(b []byte) []byte {
	b = order.AppendUint32(b, v.Index)
	b = order.AppendUint32(b, v.Flags)
	b = order.AppendUint64(b, v.Desc)
	b = order.AppendUint64(b, v.Used)
	b = order.AppendUint64(b, v.Avail)
	return order.AppendUint64(b, v.Log)
}

// DecodeVringAddr reads a VringAddr.
func DecodeVringAddr(b []byte) (VringAddr, error) {
	if len(b) != sizeVringAddr {
		return VringAddr{}, wrongSize("ring address", len(b), sizeVringAddr)
	}
	return VringAddr{
		Index: order.Uint32(b),
		Flags: order.Uint32(b[4:]),
		Desc:  order.Uint64(b[8:]),
		Used:  order.Uint64(b[16:]),
		Avail: order.Uint64(b[24:]),
		Log:   order.Uint64(b[32:]),
	}, nil
}

// VringFD is the payload that goes with a ring's descriptor. If None is set
// there is no descriptor: the ring is polled, or nobody is to be told.
type VringFD struct {
	Index uint8
	None  bool
}

// Append appends the wire form to b.
func (v VringFD) Append(b []byte) []byte {
	u := uint64(v.Index)
	if v.None {
		u |= vringFDNone
	}
	return order.AppendUint64(b, u)
}

// DecodeVringFD reads a VringFD.
func DecodeVringFD(b []byte) (VringFD, error) {
	u, err := DecodeU64(b)
	if err != nil {
		return VringFD{}, err
	}
	if u&^(vringFDIndex|vringFDNone) != 0 {
		return VringFD{}, violation("ring descriptor for index %#x", u)
	}
	return VringFD{Index: uint8(u), None: u&vringFDNone != 0}, nil
}

// MemRegion is a region of guest memory ("Memory regions description"). The
// bytes are those from Offset on in the descriptor that goes with it.
type MemRegion struct {
	GuestAddr uint64 // guest physical
	Size      uint64 // in bytes
	UserAddr  uint64 // in the front-end's address space
	Offset    uint64 // in the descriptor's file
}

func (r MemRegion) append(b []byte) []byte {
	b = order.AppendUint64(b, r.GuestAddr)
	b = order.AppendUint64(b, r.Size)
	b = order.AppendUint64(b, r.UserAddr)
	return order.AppendUint64(b, r.Offset)
}

// decodeMemRegion reads a region from b, which has its size.
func decodeMemRegion(b []byte) MemRegion {
	return MemRegion{
		GuestAddr: order.Uint64(b),
		Size:      order.Uint64(b[8:]),
		UserAddr:  order.Uint64(b[16:]),
		Offset:    order.Uint64(b[24:]),
	}
}

// AppendMemTable appends the payload of SET_MEM_TABLE.
func AppendMemTable(b []byte, regions []MemRegion) []byte {
	b = order.AppendUint32(b, uint32(len(regions)))
	b = order.AppendUint32(b, 0)
	for _, r := range regions {
		b = r.append(b)
	}
	return b
}

// DecodeMemTable reads the payload of SET_MEM_TABLE.
func DecodeMemTable(b []byte) ([]MemRegion, error) {
	if len(b) < sizeMemHeader {
		return nil, wrongSize("memory table", len(b), sizeMemHeader)
	}
	n := order.Uint32(b)
	if n > MaxFDs {
		return nil, violation("memory table of %d regions, more than %d", n, MaxFDs)
	}
	if want := sizeMemHeader + int(n)*sizeMemRegion; len(b) != want {
		return nil, wrongSize("memory table", len(b), want)
	}
	regions := make([]MemRegion, n)
	for i := range regions {
		regions[i] = decodeMemRegion(b[sizeMemHeader+i*sizeMemRegion:][:sizeMemRegion])
	}
	return regions, nil
}

// AppendSingleRegion appends the payload of ADD_MEM_REG and REM_MEM_REG
// ("Single memory region description").
func AppendSingleRegion(b []byte, r MemRegion) []byte {
	return r.append(order.AppendUint64(b, 0))
}

// DecodeSingleRegion reads the payload of ADD_MEM_REG and REM_MEM_REG.
func DecodeSingleRegion(b []byte) (MemRegion, error) {
	if len(b) != sizeSingleRegion {
		return MemRegion{}, wrongSize("memory region", len(b), sizeSingleRegion)
	}
	return decodeMemRegion(b[sizeSingleRegion-sizeMemRegion:]), nil
}

// Config is a piece of the configuration space ("Virtio device config
// space"). Data aliases what it was decoded from.
type Config struct {
	Offset uint32 // in bytes
	Flags  uint32 // 1: for live migration
	Data   []byte
}

// Append appends the wire form to b.
func (c Config) Append(b []byte) []byte {
	b = order.AppendUint32(b, c.Offset)
	b = order.AppendUint32(b, uint32(len(c.Data)))
	b = order.AppendUint32(b, c.Flags)
	return append(b, c.Data...)
}

// DecodeConfig reads a Config, which lies within MaxConfigSize.
func DecodeConfig(b []byte) (Config, error) {
	if len(b) < sizeConfigHeader {
		return Config{}, wrongSize("configuration", len(b), sizeConfigHeader)
	}
	c := Config{Offset: order.Uint32(b), Flags: order.Uint32(b[8:]), Data: b[sizeConfigHeader:]}
	size := order.Uint32(b[4:])
	if uint64(size) != uint64(len(c.Data)) {
		return Config{}, violation("configuration announces %d bytes and has %d", size, len(c.Data))
	}
	if uint64(c.Offset)+uint64(size) > MaxConfigSize {
		return Config{}, violation("configuration of %d bytes at %d, the space has at most %d", size, c.Offset, MaxConfigSize)
	}
	return c, nil
}

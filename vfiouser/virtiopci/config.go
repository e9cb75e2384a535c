// SPDX-License-Identifier: Apache-2.0

package virtiopci

import (
	"encoding/binary"

	"vcrypto/virtio"
)

// le is the byte order of PCI and of virtio.
var le = binary.LittleEndian

// PCI configuration space, PCI Local Bus 3.0 section 6.1.
const (
	configSize = 256

	pciVendor       = 0x00
	pciDevice       = 0x02
	pciCommand      = 0x04
	pciStatus       = 0x06
	pciRevision     = 0x08
	pciClass        = 0x09 // three bytes
	pciBAR0         = 0x10
	pciBAR1         = 0x14
	pciSubVendor    = 0x2c
	pciSubDevice    = 0x2e
	pciCapabilities = 0x34
	pciIRQLine      = 0x3c
	pciIRQPin       = 0x3d

	commandMask    = 1<<0 | 1<<1 | 1<<2 | 1<<6 | 1<<8 | 1<<10 // I/O, memory, bus master, parity, SERR, INTx off
	statusCapList  = 1 << 4
	pinINTA        = 1
	revision       = 1 // of a non-transitional device, virtio 1.3 section 4.1.2.1
	vendorRedHat   = 0x1af4
	deviceBase     = 0x1040 // plus the virtio device ID, section 4.1.2
	subsystem      = 0x1100 // what QEMU's own devices have
	classOther     = 0x00ff00
	classCrypto    = 0x108000
	capIDVendor    = 0x09
	capIDMSIX      = 0x11
	msixEnable     = 1 << 15
	msixMaskAll    = 1 << 14
	msixEntrySize  = 16
	msixCapSize    = 12
	msixCapControl = 2
	msixCapTable   = 4
	msixCapPBA     = 8
)

// classes are the PCI classes of device types, base class first.
var classes = map[virtio.DeviceID]uint32{virtio.IDCrypto: classCrypto}

// Capabilities of a virtio device, virtio 1.3 section 4.1.4.
const (
	cfgCommon = 1
	cfgNotify = 2
	cfgISR    = 3
	cfgDevice = 4
	cfgAccess = 5 // VIRTIO_PCI_CAP_PCI_CFG

	capSize       = 16
	notifyCapSize = capSize + 4 // notify_off_multiplier
	accessCapSize = capSize + 4 // pci_cfg_data

	// Offsets in a capability.
	capBAR    = 4
	capOffset = 8
	capLength = 12
	capMore   = 16
)

// Places of the capabilities in configuration space.
const (
	atMSIX   = 0x40
	atCommon = 0x50
	atISR    = 0x60
	atDevice = 0x70
	atNotify = 0x80
	atAccess = 0x94
)

// Layout of the BARs.
const (
	bar0Size = 0x4000
	bar1Size = 0x1000

	part       = 0x1000 // size of each part of BAR 0
	commonPart = 0x0000
	isrPart    = 0x1000
	devicePart = 0x2000
	notifyPart = 0x3000

	pendingBits = 0x800 // in BAR 1, after the table

	// notifyMultiplier is the distance of two queues' doorbells.
	notifyMultiplier = 4

	// MaxQueues is the most queues a device can have here: each has a vector,
	// one more is for the configuration, and the table ends before the
	// pending bits.
	MaxQueues = pendingBits/msixEntrySize - 1
)

// configSpace is the function's PCI configuration space.
type configSpace struct {
	bytes [configSize]byte
	mask  [configSize]byte // bits that can be written
}

// newConfigSpace makes the configuration space of a device with so many
// MSI-X vectors; 0 for no MSI-X.
func newConfigSpace(id virtio.DeviceID, vectors int) configSpace {
	var c configSpace
	b := c.bytes[:]
	le.PutUint16(b[pciVendor:], vendorRedHat)
	le.PutUint16(b[pciDevice:], deviceBase+uint16(id))
	le.PutUint16(b[pciStatus:], statusCapList)
	class, ok := classes[id]
	if !ok {
		class = classOther
	}
	b[pciRevision] = revision
	b[pciClass], b[pciClass+1], b[pciClass+2] = byte(class), byte(class>>8), byte(class>>16)
	le.PutUint16(b[pciSubVendor:], vendorRedHat)
	le.PutUint16(b[pciSubDevice:], subsystem)
	b[pciIRQPin] = pinINTA

	b[pciCapabilities] = atCommon
	if vectors > 0 {
		b[pciCapabilities] = atMSIX
		b[atMSIX], b[atMSIX+1] = capIDMSIX, atCommon
		le.PutUint16(b[atMSIX+msixCapControl:], uint16(vectors-1))
		le.PutUint32(b[atMSIX+msixCapTable:], 1)           // BAR 1, from 0 on
		le.PutUint32(b[atMSIX+msixCapPBA:], 1|pendingBits) // BAR 1
		le.PutUint16(c.mask[atMSIX+msixCapControl:], msixEnable|msixMaskAll)
	}
	c.capability(atCommon, atISR, cfgCommon, capSize, commonPart)
	c.capability(atISR, atDevice, cfgISR, capSize, isrPart)
	c.capability(atDevice, atNotify, cfgDevice, capSize, devicePart)
	c.capability(atNotify, atAccess, cfgNotify, notifyCapSize, notifyPart)
	le.PutUint32(b[atNotify+capMore:], notifyMultiplier)
	c.capability(atAccess, 0, cfgAccess, accessCapSize, 0)
	le.PutUint32(b[atAccess+capLength:], 0)

	le.PutUint16(c.mask[pciCommand:], commandMask)
	le.PutUint32(c.mask[pciBAR0:], ^uint32(bar0Size-1))
	le.PutUint32(c.mask[pciBAR1:], ^uint32(bar1Size-1))
	c.mask[pciIRQLine] = 0xff
	c.mask[atAccess+capBAR] = 0xff
	for i := atAccess + capOffset; i < atAccess+accessCapSize; i++ {
		c.mask[i] = 0xff
	}
	return c
}

// capability writes one of virtio's capabilities.
func (c *configSpace) capability(at, next, kind, size byte, offset uint32) {
	b := c.bytes[at:]
	b[0], b[1], b[2], b[3] = capIDVendor, next, size, kind
	le.PutUint32(b[capOffset:], offset)
	le.PutUint32(b[capLength:], part)
}

// write changes what can be changed.
func (c *configSpace) write(p []byte, offset int) {
	for i, v := range p {
		m := c.mask[offset+i]
		c.bytes[offset+i] = c.bytes[offset+i]&^m | v&m
	}
}

// msixEnabled reports whether the driver uses MSI-X.
func (c *configSpace) msixEnabled() bool {
	return le.Uint16(c.bytes[atMSIX+msixCapControl:])&msixEnable != 0
}

// window returns what the configuration access capability points at, and
// whether it is an access that can be made (section 4.1.4.9).
func (c *configSpace) window() (bar int, offset uint64, size int, ok bool) {
	b := c.bytes[atAccess:]
	bar, offset = int(b[capBAR]), uint64(le.Uint32(b[capOffset:]))
	n := le.Uint32(b[capLength:])
	ok = (n == 1 || n == 2 || n == 4) && offset%uint64(max(n, 1)) == 0 &&
		(bar == 0 && offset+uint64(n) <= bar0Size || bar == 1 && offset+uint64(n) <= bar1Size)
	return bar, offset, int(n), ok
}

// window's data lie at these offsets of configuration space.
const (
	windowData = atAccess + capMore
	windowEnd  = windowData + 4
)

// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/mem"
)

const (
	// major is the protocol's version; the newest minor one that is defined
	// changed nothing that this server does.
	major    = 0
	maxMinor = 1

	// unmapPatience is how long requests may take that use memory which is
	// taken away: clients give up on an answer after 5 s. A device that can
	// have requests fail that were not begun does so before.
	unmapPatience = 3 * time.Second
)

// capabilities is what VERSION is answered with, as far as it fits: QEMU's
// room for the answer is the size of its request.
var capabilities = []string{
	fmt.Sprintf(`{"capabilities":{"max_msg_fds":%d,"max_dma_maps":%d,"max_data_xfer_size":%d}}`, MaxFDs, maxMaps, MaxTransfer),
	`{"capabilities":{}}`, // Cloud Hypervisor demands the key
	`{}`,
	``,
}

// version agrees on a version, and is the first command and no other.
func (s *server) version(m *Message) ([]byte, error) {
	if s.greets {
		return nil, violation("a second VERSION")
	}
	v, err := DecodeVersion(m.Payload)
	if err != nil {
		return nil, violation("%v", err)
	}
	if v.Major != major {
		return nil, violation("the client speaks version %d.%d, this server %d.%d", v.Major, v.Minor, major, maxMinor)
	}
	s.greets = true
	s.log.Debug("vfio-user client", "version", fmt.Sprintf("%d.%d", v.Major, v.Minor), "data", string(v.Data))
	for _, c := range capabilities {
		answer := Version{major, min(v.Minor, maxMinor), []byte(c)}
		if s.reply = answer.Append(s.reply[:0]); len(s.reply) <= len(m.Payload) {
			break
		}
	}
	return s.reply, nil
}

func (s *server) dmaMap(m *Message) ([]byte, error) {
	s.lastDMA = time.Now()
	d, err := DecodeDMAMap(m.Payload)
	if err != nil {
		return nil, err
	}
	return nil, s.dma.Map(d, m.TakeFD())
}

// dmaUnmap answers when nothing uses the memory any more. If a request does
// not end, the answer is an error and the device needs a reset; the memory
// stays mapped here until the request has ended.
func (s *server) dmaUnmap(m *Message) ([]byte, error) {
	s.lastDMA = time.Now()
	u, err := DecodeDMAUnmap(m.Payload)
	if err != nil {
		return nil, err
	}
	if s.dma.Overlaps(u) && !s.settling {
		s.before = s.dma.Size()
		s.settling = true
		s.dev.Hold()
	}
	err = s.dma.Unmap(u, unmapPatience)
	s.lastDMA = time.Now()
	if errors.Is(err, mem.ErrInUse) {
		s.dev.Fail(fmt.Errorf("requests did not end while their memory was taken away: %w", err))
		return nil, fmt.Errorf("%w: %w", unix.EBUSY, err)
	}
	if err != nil {
		return nil, err
	}
	return m.Payload, nil
}

func (s *server) getInfo(m *Message) ([]byte, error) {
	if s.dma.Withheld() {
		s.log.Error("refusing the client", "err", ErrNoMemory)
		return nil, fmt.Errorf("%w: %w", unix.ENOMEM, ErrNoMemory)
	}
	s.reply = DeviceInfo{DeviceReset | DevicePCI, NumRegions, NumIRQs}.Append(s.reply[:0])
	return s.reply, nil
}

func (s *server) regionInfo(m *Message) ([]byte, error) {
	i, err := DecodeRegionInfo(m.Payload)
	if err != nil {
		return nil, err
	}
	if i.Index >= NumRegions {
		return nil, malformed("region %d", i.Index)
	}
	i.Size, i.Flags = s.dev.RegionSize(int(i.Index)), 0
	if i.Size > 0 {
		i.Flags = RegionRead | RegionWrite
	}
	s.reply = i.Append(s.reply[:0])
	return s.reply, nil
}

func (s *server) irqInfo(m *Message) ([]byte, error) {
	i, err := DecodeIRQInfo(m.Payload)
	if err != nil {
		return nil, err
	}
	if i, err = s.irqs.info(i.Index); err != nil {
		return nil, err
	}
	s.reply = i.Append(s.reply[:0])
	return s.reply, nil
}

func (s *server) setIRQs(m *Message) ([]byte, error) {
	set, err := DecodeIRQSet(m.Payload)
	if err != nil {
		return nil, err
	}
	return nil, s.irqs.set(set, m)
}

// access decodes an access and checks that it lies within a region.
func (s *server) access(m *Message) (RegionAccess, error) {
	a, err := DecodeRegionAccess(m.Payload)
	if err != nil {
		return a, err
	}
	if a.Region >= NumRegions {
		return a, malformed("access to region %d", a.Region)
	}
	size := s.dev.RegionSize(int(a.Region))
	if a.Offset > size || uint64(a.Count) > size-a.Offset {
		return a, malformed("access to %d bytes at %#x of region %d, which has %#x", a.Count, a.Offset, a.Region, size)
	}
	return a, nil
}

func (s *server) regionRead(m *Message) ([]byte, error) {
	a, err := s.access(m)
	if err != nil {
		return nil, err
	}
	if len(a.Data) != 0 {
		return nil, malformed("%d bytes with a command to read", len(a.Data))
	}
	s.reply = a.Append(s.reply[:0])
	s.reply = append(s.reply, make([]byte, a.Count)...)
	return s.reply, s.dev.ReadRegion(int(a.Region), s.reply[sizeRegionAccess:], a.Offset)
}

func (s *server) regionWrite(m *Message) ([]byte, error) {
	a, err := s.access(m)
	if err != nil {
		return nil, err
	}
	if uint64(len(a.Data)) != uint64(a.Count) {
		return nil, malformed("%d bytes to write, %d came", a.Count, len(a.Data))
	}
	if err := s.dev.WriteRegion(int(a.Region), a.Data, a.Offset); err != nil {
		return nil, err
	}
	a.Data = nil
	s.reply = a.Append(s.reply[:0])
	return s.reply, nil
}

func (s *server) reset(*Message) ([]byte, error) { return nil, s.dev.Reset() }

// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestWireForm: the layouts are the protocol's, byte by byte (on a
// little-endian machine, as all that this runs on are).
func TestWireForm(t *testing.T) {
	for name, test := range map[string]struct {
		got  []byte
		want string
	}{
		"header":  {Header{ID: 0x102, Command: CmdReset, Size: 16, Flags: FlagNoReply, Error: 5}.Append(nil), "02010d00 10000000 10000000 05000000"},
		"version": {Version{0, 1, []byte("{}")}.Append(nil), "0000 0100 7b7d00"},
		"no data": {Version{0, 1, nil}.Append(nil), "0000 0100"},
		"map":     {DMAMap{3, 0x1000, 0xc0000, 0x2000}.Append(nil), "20000000 03000000 0010000000000000 00000c0000000000 0020000000000000"},
		"unmap":   {DMAUnmap{0, 0xc0000, 0x2000}.Append(nil), "18000000 00000000 00000c0000000000 0020000000000000"},
		"info":    {DeviceInfo{3, 9, 5}.Append(nil), "10000000 03000000 09000000 05000000"},
		// cap_offset is 32 although there is no capability.
		"region": {RegionInfo{3, 7, 256}.Append(nil), "20000000 03000000 07000000 20000000 0001000000000000 0000000000000000"},
		"irq":    {IRQInfo{1, 2, 6}.Append(nil), "10000000 01000000 02000000 06000000"},
		"set":    {IRQSet{0x24, 2, 3, 1, nil}.Append(nil), "14000000 24000000 02000000 03000000 01000000"},
		"access": {RegionAccess{0x3010, 0, 2, []byte{4, 0}}.Append(nil), "1030000000000000 00000000 02000000 0400"},
	} {
		want, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(test.want), []byte(" "), nil)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(test.got, want) {
			t.Errorf("%s: %x, want %x", name, test.got, want)
		}
	}
}

// FuzzDecode: decoding never fails otherwise than with an error, and what is
// decoded has the wire form it came in, where that is unique.
func FuzzDecode(f *testing.F) {
	f.Add(Header{1, CmdDMAMap, 48, 0, 0}.Append(nil))
	f.Add(DMAMap{3, 0x1000, 0xc0000, 0x2000}.Append(nil))
	f.Add(IRQSet{0x24, 2, 3, 1, nil}.Append(nil))
	f.Add(IRQSet{0x22, 2, 0, 3, []byte{1, 0, 1}}.Append(nil))
	f.Add(RegionAccess{0x3010, 0, 2, []byte{4, 0}}.Append(nil))
	f.Add(Version{0, 1, []byte("{}")}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := DecodeHeader(b); err == nil {
			if !bytes.Equal(h.Append(nil), b) || h.Size < HeaderSize || h.Size > HeaderSize+MaxPayload {
				t.Errorf("header %+v of %x", h, b)
			}
		}
		if m, err := DecodeDMAMap(b); err == nil {
			if got := m.Append(nil); !bytes.Equal(got[4:], b[4:]) || m.Address+m.Size <= m.Address {
				t.Errorf("map %+v of %x", m, b)
			}
		}
		if u, err := DecodeDMAUnmap(b); err == nil && u.Address+u.Size < u.Address {
			t.Errorf("unmap %+v of %x", u, b)
		}
		if s, err := DecodeIRQSet(b); err == nil && !bytes.Equal(s.Append(nil)[4:], b[4:]) {
			t.Errorf("set %+v of %x", s, b)
		}
		if a, err := DecodeRegionAccess(b); err == nil && !bytes.Equal(a.Append(nil), b) {
			t.Errorf("access %+v of %x", a, b)
		}
		if v, err := DecodeVersion(b); err == nil && len(v.Data) > 0 && !bytes.Equal(v.Append(nil), b) {
			t.Errorf("version %+v of %x", v, b)
		}
		DecodeDeviceInfo(b)
		DecodeRegionInfo(b)
		DecodeIRQInfo(b)
	})
}

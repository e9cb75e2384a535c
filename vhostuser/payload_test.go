// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"reflect"
	"testing"
)

func TestPayloadsSurviveTheWire(t *testing.T) {
	state := VringState{1, 2}
	if got, err := DecodeVringState(state.Append(nil)); err != nil || got != state {
		t.Errorf("%+v, %v", got, err)
	}
	addr := VringAddr{1, 2, 3, 4, 5, 6}
	if got, err := DecodeVringAddr(addr.Append(nil)); err != nil || got != addr {
		t.Errorf("%+v, %v", got, err)
	}
	for _, fd := range []VringFD{{Index: 255}, {Index: 3, None: true}} {
		if got, err := DecodeVringFD(fd.Append(nil)); err != nil || got != fd {
			t.Errorf("%+v, %v", got, err)
		}
	}
	regions := []MemRegion{{1, 2, 3, 4}, {5, 6, 7, 8}}
	if got, err := DecodeMemTable(AppendMemTable(nil, regions)); err != nil || !reflect.DeepEqual(got, regions) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := DecodeSingleRegion(AppendSingleRegion(nil, regions[0])); err != nil || got != regions[0] {
		t.Errorf("%+v, %v", got, err)
	}
	config := Config{Offset: 8, Flags: 1, Data: []byte{1, 2, 3}}
	if got, err := DecodeConfig(config.Append(nil)); err != nil || !reflect.DeepEqual(got, config) {
		t.Errorf("%+v, %v", got, err)
	}
	header := Header{ReqSetMemTable, flagVersion | FlagNeedReply, 72}
	if got, err := DecodeHeader(header.Append(nil)); err != nil || got != header {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestLayout compares with bytes that QEMU sent (and the protocol defines).
func TestLayout(t *testing.T) {
	addr := VringAddr{Index: 1, Flags: 0, Desc: 0x10, Used: 0x20, Avail: 0x30, Log: 0x40}.Append(nil)
	if len(addr) != 40 || order.Uint64(addr[8:]) != 0x10 || order.Uint64(addr[16:]) != 0x20 || order.Uint64(addr[24:]) != 0x30 {
		t.Errorf("ring address %x", addr)
	}
	if table := AppendMemTable(nil, make([]MemRegion, 2)); len(table) != 72 {
		t.Errorf("a memory table of two regions has %d bytes", len(table))
	}
	if c := (Config{Data: make([]byte, 56)}).Append(nil); len(c) != 68 || order.Uint32(c[4:]) != 56 {
		t.Errorf("configuration %x", c)
	}
}

func TestDecodersRefuse(t *testing.T) {
	decoders := map[string]func([]byte) error{
		"number":        func(b []byte) error { _, err := DecodeU64(b); return err },
		"ring state":    func(b []byte) error { _, err := DecodeVringState(b); return err },
		"ring address":  func(b []byte) error { _, err := DecodeVringAddr(b); return err },
		"single region": func(b []byte) error { _, err := DecodeSingleRegion(b); return err },
		"header":        func(b []byte) error { _, err := DecodeHeader(b); return err },
	}
	sizes := map[string]int{"number": 8, "ring state": 8, "ring address": 40, "single region": 40, "header": 12}
	for name, decode := range decoders {
		for n := range 100 {
			b := make([]byte, n)
			if name == "header" && n >= 8 {
				order.PutUint32(b[4:], flagVersion)
			}
			if err := decode(b); (err == nil) != (n == sizes[name]) || err != nil && !errors.Is(err, ErrProtocol) {
				t.Errorf("%s of %d bytes: %v", name, n, err)
			}
		}
	}
	for _, n := range []uint32{3, 9, 1 << 28, 1<<32 - 1} {
		b := AppendMemTable(nil, make([]MemRegion, 2))
		order.PutUint32(b, n)
		if _, err := DecodeMemTable(b); err == nil {
			t.Errorf("a table of %d regions in the bytes of 2 was taken", n)
		}
	}
	for _, c := range []struct{ offset, size uint32 }{{257, 0}, {250, 7}, {1<<32 - 1, 2}, {0, 3}, {0, 1<<32 - 12}} {
		b := Config{Offset: c.offset, Data: make([]byte, 7)}.Append(nil)
		order.PutUint32(b[4:], c.size)
		if c.size == 0 || c.size == 2 {
			b = b[:12+c.size]
		}
		if _, err := DecodeConfig(b); err == nil {
			t.Errorf("configuration of %d bytes at %d in a message of %d was taken", c.size, c.offset, len(b))
		}
	}
	for _, u := range []uint64{0x200, 1 << 32, 1 << 63} {
		if _, err := DecodeVringFD(AppendU64(nil, u)); err == nil {
			t.Errorf("ring descriptor %#x was taken", u)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"bytes"
	"io"
	"testing"
	"time"

	"vcrypto/virtio"
)

// FuzzDecode: what a decoder takes, it gives back byte for byte.
func FuzzDecode(f *testing.F) {
	f.Add(Header{ReqSetMemTable, flagVersion, 72}.Append(nil))
	f.Add(VringState{1, 2}.Append(nil))
	f.Add(VringAddr{Index: 1, Desc: 2}.Append(nil))
	f.Add(VringFD{Index: 1, None: true}.Append(nil))
	f.Add(AppendMemTable(nil, make([]MemRegion, 2)))
	f.Add(AppendSingleRegion(nil, MemRegion{1, 2, 3, 4}))
	f.Add(Config{Offset: 1, Data: make([]byte, 56)}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(what string, got []byte, err error) {
			if err == nil && !bytes.Equal(got, b) {
				t.Errorf("%s: %x became %x", what, b, got)
			}
		}
		h, err := DecodeHeader(b)
		same("header", h.Append(nil), err)
		s, err := DecodeVringState(b)
		same("ring state", s.Append(nil), err)
		a, err := DecodeVringAddr(b)
		same("ring address", a.Append(nil), err)
		v, err := DecodeVringFD(b)
		same("ring descriptor", v.Append(nil), err)
		c, err := DecodeConfig(b)
		same("configuration", c.Append(nil), err)
		if err == nil && uint64(c.Offset)+uint64(len(c.Data)) > MaxConfigSize {
			t.Errorf("configuration of %d bytes at %d", len(c.Data), c.Offset)
		}
		// Padding is not looked at.
		if regions, err := DecodeMemTable(b); err == nil {
			clear(b[4:8])
			same("memory table", AppendMemTable(nil, regions), nil)
		}
		if r, err := DecodeSingleRegion(b); err == nil {
			clear(b[:8])
			same("memory region", AppendSingleRegion(nil, r), nil)
		}
	})
}

// FuzzConnection feeds a back-end any bytes: it ends when they do.
func FuzzConnection(f *testing.F) {
	add := func(flags uint32, msgs ...any) {
		var b []byte
		for i := 0; i < len(msgs); i += 2 {
			p, _ := msgs[i+1].([]byte)
			b = append(Header{msgs[i].(Request), flagVersion | flags, uint32(len(p))}.Append(b), p...)
		}
		f.Add(b)
	}
	for _, flags := range []uint32{0, FlagNeedReply} {
		add(flags, ReqGetFeatures, nil, ReqGetProtocolFeatures, nil,
			ReqSetProtocolFeatures, AppendU64(nil, testProtocol), ReqGetQueueNum, nil, ReqSetOwner, nil,
			ReqSetFeatures, AppendU64(nil, testFeatures|FeatureProtocolFeatures),
			ReqGetConfig, Config{Data: make([]byte, 56)}.Append(nil), ReqGetMaxMemSlots, nil,
			ReqSetMemTable, AppendMemTable(nil, nil),
			ReqSetVringNum, VringState{0, 64}.Append(nil), ReqSetVringBase, VringState{0, 5}.Append(nil),
			ReqSetVringAddr, VringAddr{}.Append(nil), ReqSetVringKick, VringFD{None: true}.Append(nil),
			ReqSetVringEnable, VringState{0, 1}.Append(nil), ReqGetVringBase, VringState{0, 0}.Append(nil),
			ReqSetVringBase, VringState{0, 0}.Append(nil), ReqRemMemReg, make([]byte, sizeSingleRegion),
			ReqResetDevice, nil, ReqResetOwner, nil)
		add(flags, ReqSetProtocolFeatures, AppendU64(nil, 0x89), ReqGetQueueNum, nil,
			reqCreateSession, make([]byte, sizeSession), reqCloseSession, AppendU64(nil, 1), ReqNone, nil)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs, err := SocketPair()
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		done := make(chan struct{})
		dev := &echo{queues: 3}
		go func() {
			defer close(done)
			Serve(t.Context(), theirs, virtio.NewInstance(dev, virtio.Options{}), &sessions{queues: 1}, Options{})
		}()
		go io.Copy(io.Discard, ours)
		ours.Write(b)
		ours.CloseWrite()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("the back-end does not end")
		}
		if dev.resets.Load() == 0 {
			t.Error("the device was not reset")
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package cryptodrv_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

func memory() *virtqdrv.Memory {
	return &virtqdrv.Memory{Data: make([]byte, 1<<20), Addr: 0x10_0000}
}

// TestShapes: whatever the shape, the readable part is header, IV and source,
// and the writable part destination and status.
func TestShapes(t *testing.T) {
	const size, iv = 48, 16
	read, write := cryptodrv.HeaderSize+iv+size, size+cryptodrv.StatusSize
	src := bytes.Repeat([]byte("0123456789abcdef"), 3)
	for _, s := range []cryptodrv.Shape{
		{},
		{InPlace: true},
		{ReadCuts: []int{}, WriteCuts: []int{}},
		{ReadCuts: []int{1, 71, 73, 90, 91}, WriteCuts: []int{1, 47}},
		{ReadCuts: []int{80, 100}, InPlace: true},
		{Align: 1, ReadCuts: []int{0, 0, 5, 5, read}},
	} {
		s.IV, s.Size = iv, size
		m := memory()
		r, err := cryptodrv.NewRequest(m, s)
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		r.Fill(7, cryptodrv.OpCipherDecrypt, make([]byte, iv), src)
		r.Forget()
		gather := func(bufs []virtqdrv.Buf) (all []byte) {
			for i, b := range bufs {
				all = append(all, m.Bytes(b)...)
				if i > 0 && bufs[i-1].Addr+uint64(bufs[i-1].Len) == b.Addr && !(s.InPlace && i == len(bufs)-1) {
					t.Errorf("%+v: buffers %d and %d touch", s, i-1, i)
				}
			}
			return all
		}
		got := gather(r.Readable)
		if len(got) != read || got[0] != 1 || got[8] != 7 || got[24] != iv || got[28] != size || got[32] != size || got[64] != 1 ||
			!bytes.Equal(got[cryptodrv.HeaderSize+iv:], src) {
			t.Errorf("%+v: readable part is %x", s, got)
		}
		got = gather(r.Writable)
		if len(got) != write || got[size] != byte(cryptodrv.Unanswered) || r.Status() != cryptodrv.Unanswered {
			t.Errorf("%+v: writable part is %x", s, got)
		}
		if s.InPlace != bytes.Equal(r.Result(), src) || !bytes.Equal(r.Source(), src) {
			t.Errorf("%+v: source %x, destination %x", s, r.Source(), r.Result())
		}
	}
	for _, s := range []cryptodrv.Shape{
		{Size: -1}, {IV: -1}, {ReadCuts: []int{73}}, {ReadCuts: []int{2, 1}}, {Size: 16, WriteCuts: []int{18}},
	} {
		if _, err := cryptodrv.NewRequest(memory(), s); !errors.Is(err, cryptodrv.ErrShape) {
			t.Errorf("%+v: %v, want ErrShape", s, err)
		}
	}
	if _, err := cryptodrv.NewRequest(&virtqdrv.Memory{Data: make([]byte, 100)}, cryptodrv.Shape{Size: 64}); !errors.Is(err, virtqdrv.ErrNoSpace) {
		t.Errorf("too little memory: %v", err)
	}
}

// TestMessageAsQEMUSends compares with the beginning of a create message
// captured from QEMU 10.0, whose driver tested itself with this key.
func TestMessageAsQEMUSends(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key := unhex("06a9214036b8a15b512e03d534120006")
	want := unhex("0200000000000000" + "0300000010000000" + "00000000000000000000000000000000" + "01010000")
	got := cryptodrv.MessagesNew.Create(virtiocrypto.CipherParams{
		Algo: virtiocrypto.CipherAESCBC, Direction: virtiocrypto.DirectionEncrypt, Key: key,
	})
	if len(got) != 1072 || !bytes.Equal(got[:len(want)], want) || !bytes.Equal(got[56:72], key) {
		t.Errorf("create message is %x", got[:80])
	}
}

// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"testing"

	"vcrypto/internal/chat/suite"
)

// TestFingerprint: enough of an ID that nobody makes up another one.
func TestFingerprint(t *testing.T) {
	id := ID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba}
	if got := id.Fingerprint(); got != "0123456789abcdeffedc" {
		t.Errorf("the fingerprint is %s", got)
	}
}

func examples() []*Frame {
	room, to := ID{1, 2, 3}, ID{4, 5, 6}
	return []*Frame{
		{Type: Join, Room: room, Stream: 7, Seq: 8, Data: []byte("label")},
		{Type: Part, Room: room},
		{Type: Post, Data: []byte("envelope")},
		{Type: Direct, To: to, Data: []byte("envelope")},
		{Type: List}, {Type: Ping}, {Type: Pong},
		{Type: Joined, Room: room, Stream: 7, Seq: 9, Lost: true},
		{Type: Message, Seq: 10, Data: []byte("envelope")},
		{Type: Rooms, More: 1 << 31, Rooms: []Listed{{room, []byte("one")}, {to, []byte("two")}}},
		{Type: Refused, Room: room, Code: CodeFull},
		{Type: Closing, Code: CodeSlow},
	}
}

func TestRoundTrip(t *testing.T) {
	var all []byte
	for _, f := range examples() {
		all = f.Append(all)
	}
	r := bufio.NewReader(bytes.NewReader(all))
	for _, want := range examples() {
		got, err := Read(r)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("sent %+v, received %+v, %v", want, got, err)
		}
	}
	if _, err := Read(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// TestCutFrames: every frame, cut at every place, and with a byte too much.
func TestCutFrames(t *testing.T) {
	for _, f := range examples() {
		b := f.Append(nil)
		for n := 1; n < len(b); n++ {
			if _, err := Read(bufio.NewReader(bytes.NewReader(b[:n]))); err == nil {
				t.Errorf("type %d: %d of %d bytes were taken", f.Type, n, len(b))
			}
		}
		if f.Data == nil && f.Rooms == nil {
			b = append(b, 0)
			binary.BigEndian.PutUint32(b, uint32(len(b)-4))
			if _, err := Read(bufio.NewReader(bytes.NewReader(b))); !errors.Is(err, ErrProtocol) {
				t.Errorf("type %d with a byte too much: %v", f.Type, err)
			}
		}
	}
	for _, size := range []uint32{0, MaxFrame + 1, 1 << 31, 1<<32 - 1} {
		b := binary.BigEndian.AppendUint32(nil, size)
		if _, err := Read(bufio.NewReader(bytes.NewReader(b))); !errors.Is(err, ErrProtocol) {
			t.Errorf("a frame of %d bytes: %v", size, err)
		}
	}
}

func TestPreface(t *testing.T) {
	id := ID{9, 8, 7}
	if got, err := ReadPreface(bytes.NewReader(Preface(id))); got != id || err != nil {
		t.Errorf("read %v, %v", got, err)
	}
	b := Preface(id)
	b[len(magic)]++
	if _, err := ReadPreface(bytes.NewReader(b)); !errors.Is(err, ErrVersion) {
		t.Errorf("another version: %v", err)
	}
	for _, s := range []string{"GET / HTTP/1.1\r\n", "\x89vchat\r\n\x02", "x"} {
		if _, err := ReadPreface(bytes.NewReader([]byte(s))); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := ReadPreface(bytes.NewReader(Preface(id)[:20])); !errors.Is(err, io.EOF) {
		t.Errorf("half a preface: %v", err)
	}
}

// FuzzRead: any bytes, and what is taken is the same when sent again.
func FuzzRead(f *testing.F) {
	for _, e := range examples() {
		f.Add(e.Append(nil))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Read(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		again, err := Read(bufio.NewReader(bytes.NewReader(got.Append(nil))))
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%+v became %+v, %v", got, again, err)
		}
	})
}

// FuzzEnvelope: likewise.
func FuzzEnvelope(f *testing.F) {
	e := Envelope{Room: ID{1}, Sender: ID{2}, Seq: 3, Suite: suite.CBC}
	f.Add(append(e.Head(nil), make([]byte, suite.CBC.SealedSize(10))...))
	f.Add(make([]byte, envelopeHead))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEnvelope(b)
		if err != nil {
			return
		}
		if again := append(e.Head(nil), e.Sealed...); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

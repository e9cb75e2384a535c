// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"io"
	"testing"

	"vcrypto/internal/chat/suite"
)

// FuzzHello: parsing a hello never panics, takes nothing that is not one, and
// gives back the same bytes.
func FuzzHello(f *testing.F) {
	h, _ := testHello(f, Responder, suite.CBC)
	f.Add(h.marshal())
	f.Add([]byte(magic))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, raw, err := readHello(bytes.NewReader(b), Responder)
		if err != nil {
			return
		}
		if !bytes.Equal(raw, h.marshal()) || !bytes.Equal(raw, b[:helloSize]) {
			t.Errorf("%x was read as %x", b, h.marshal())
		}
	})
}

// FuzzHandshake: a listener takes any bytes without a panic, and never
// admits who has not the key.
func FuzzHandshake(f *testing.F) {
	h, _ := testHello(f, Initiator, suite.CBC)
	f.Add(append(h.marshal(), make([]byte, macSize)...))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, cb := configs()
		cb.Admit = func() bool { t.Error("admitted"); return true }
		if _, err := Handshake(half{bytes.NewReader(b), io.Discard}, cb); err == nil {
			t.Error("handshake without the key")
		}
		ca, _ := configs()
		if _, err := Handshake(half{bytes.NewReader(b), io.Discard}, ca); err == nil {
			t.Error("handshake without the key")
		}
	})
}

// FuzzHeader: a header that passes has a length within the bound, and the
// same bytes again.
func FuzzHeader(f *testing.F) {
	f.Add(make([]byte, headerSize))
	f.Add([]byte{0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headerSize {
			return
		}
		h, err := parseHeader((*[headerSize]byte)(b), suite.CBC)
		if err != nil {
			return
		}
		if h.length > uint32(suite.CBC.SealedSize(MaxPayload)) || h.length < 64 {
			t.Errorf("length %d passed", h.length)
		}
		var again [headerSize]byte
		h.put(again[:])
		if !bytes.Equal(again[:], b[:headerSize]) {
			t.Errorf("%x became %x", b[:headerSize], again)
		}
	})
}

// FuzzReceive: no bytes of a stranger are given out.
func FuzzReceive(f *testing.F) {
	f.Add(newLink(f).frame(f, "attack at dawn"))
	f.Add(make([]byte, headerSize+64))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newLink(t)
		l.feed.Write(b)
		if k, p, err := l.to.Receive(); err == nil || p != nil || k != 0 {
			t.Errorf("received kind %d, %q, %v", k, p, err)
		}
	})
}

// FuzzAuthentic: whatever a peer with the key puts into a record, it comes
// out unchanged or not at all.
func FuzzAuthentic(f *testing.F) {
	f.Add(byte(Data), []byte("attack at dawn"))
	f.Add(byte(End), []byte{})
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		if len(payload) > MaxPayload || Kind(kind) == rekey {
			return
		}
		l := newLink(t)
		frame, err := l.from.out.sealed(Kind(kind), payload)
		if err != nil {
			t.Fatal(err)
		}
		l.feed.Write(frame)
		k, p, err := l.to.Receive()
		if err == nil && (k != Kind(kind) || !bytes.Equal(p, payload)) {
			t.Errorf("sent kind %d, %x; received %d, %x", kind, payload, k, p)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"testing"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// fuzzed is a device with open sessions and a window of guest memory of which
// all is known.
type fuzzed struct {
	*machine
	window virtqdrv.Buf
	bytes  []byte
	shadow []byte // what window holds, as far as the driver knows
}

const windowSize = 256 << 10 // bytes

func newFuzzed(f *testing.F) *fuzzed {
	f.Helper()
	m := newMachine(f, options{device: virtiocrypto.Options{MaxSize: 8 << 10, MaxSessions: 8}}, newLocal)
	for _, algo := range algos {
		for _, d := range directions {
			direction, _ := wire(d)
			m.session(algo, direction, key128)
		}
	}
	window, err := m.mem.Alloc(windowSize, 4096)
	if err != nil {
		f.Fatal(err)
	}
	z := &fuzzed{machine: m, window: window, bytes: m.mem.Bytes(window)}
	for i := range z.bytes {
		z.bytes[i] = byte(i*7) | 0x80 // no status
	}
	z.shadow = bytes.Clone(z.bytes)
	return z
}

// send sends a chain: the readable bytes, cut where cuts say, and writable
// buffers of these sizes. Neither may be empty. It returns the last byte of
// the writable part.
func (z *fuzzed) send(t *testing.T, q *cryptodrv.Queue, readable, cuts, sizes []byte) (last byte, written uint32) {
	z.TB = t
	var in, out []virtqdrv.Buf
	at := uint32(0)
	next := func(n int) virtqdrv.Buf {
		b := virtqdrv.Buf{Addr: z.window.Addr + uint64(at), Len: uint32(n)}
		at += uint32(n) + 1
		return b
	}
	for _, c := range cuts[:min(len(cuts), 64)] {
		n := min(int(c), len(readable))
		b := next(n)
		copy(z.bytes[b.Addr-z.window.Addr:], readable[:n])
		in = append(in, b)
		readable = readable[n:]
	}
	b := next(len(readable))
	copy(z.bytes[b.Addr-z.window.Addr:], readable)
	in = append(in, b)
	for _, n := range sizes[:min(len(sizes), 64)] {
		// Sizes up to 2 KiB from a byte, small ones exactly.
		size := int(n)
		if n >= 128 {
			size = int(n-127) * 16
		}
		out = append(out, next(size))
	}
	copy(z.shadow, z.bytes)
	written, err := q.Exchange(in, out)
	if err != nil {
		t.Fatal(err)
	}
	total := uint32(0)
	for _, b := range out {
		off := b.Addr - z.window.Addr
		copy(z.shadow[off:off+uint64(b.Len)], z.bytes[off:])
		total += b.Len
		if b.Len > 0 {
			last = z.bytes[off+uint64(b.Len)-1]
		}
	}
	if !bytes.Equal(z.shadow, z.bytes) {
		t.Fatal("memory outside the writable part was written to")
	}
	if written > total {
		t.Fatalf("%d bytes written to %d", written, total)
	}
	if total == 0 {
		last = byte(virtiocrypto.StatusErr)
	}
	// Forget the answer, so that the next is not taken for it.
	for _, b := range out {
		off := b.Addr - z.window.Addr
		for i := range z.bytes[off : off+uint64(b.Len)] {
			z.bytes[off+uint64(i)] = 0xff
		}
	}
	return last, written
}

// FuzzDataRequest: whatever the readable part holds and however both parts
// are cut, the request is answered and nothing else is written to.
func FuzzDataRequest(f *testing.F) {
	for slot := range uint64(6) {
		for op := range uint32(2) {
			h := cryptodrv.Header{
				Opcode: op, SessionID: 1<<16 | slot, IVLen: 16, SrcLen: 32, DstLen: 32, OpType: virtiocrypto.SymOpCipher,
			}
			b := h.Bytes()
			f.Add(append(b[:], make([]byte, 48)...), []byte{72, 16, 32}, []byte{32, 1})
			f.Add(append(b[:], make([]byte, 48)...), []byte{1, 30, 40, 2, 20}, []byte{33})
			h.SrcLen, h.DstLen = 1<<32-16, 1<<32-16
			b = h.Bytes()
			f.Add(append(b[:], make([]byte, 48)...), []byte{}, []byte{10, 200, 1})
		}
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, readable, cuts, sizes []byte) {
		if len(readable) > windowSize/4 {
			return
		}
		if s, _ := z.send(t, z.data, readable, cuts, sizes); s > byte(virtiocrypto.StatusKeyRejected) {
			t.Fatalf("status %#x", s)
		}
	})
}

// FuzzControlRequest: the same for the control queue.
func FuzzControlRequest(f *testing.F) {
	for _, algo := range []virtiocrypto.CipherAlgo{0, 1, 2, 3, 4, 5} {
		for _, n := range []int{0, 15, 16, 24, 32, 64, 65} {
			f.Add(cryptodrv.CreateRequest(virtiocrypto.CipherParams{Algo: algo, Direction: 1, Key: make([]byte, n)}), []byte{72}, []byte{16})
		}
	}
	for slot := range uint64(8) {
		f.Add(cryptodrv.DestroyRequest(1<<16|slot), []byte{}, []byte{1})
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, readable, cuts, sizes []byte) {
		if len(readable) > windowSize/4 {
			return
		}
		_, written := z.send(t, z.queues[1], readable, cuts, sizes)
		room := 0
		for _, n := range sizes {
			room += int(n)
		}
		if room > 0 && written == 0 || written > cryptodrv.InputSize {
			t.Fatalf("an answer of %d bytes", written)
		}
	})
}

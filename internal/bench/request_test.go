// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"testing"

	"vcrypto/engine"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto/cryptodrv"
)

// TestLayOut: requests lie as guest/driver has them. Header and IV are a buffer,
// what the device writes beside the destination is one that ends in the status,
// and no two share a cache line.
func TestLayOut(t *testing.T) {
	const depth, size = 5, 48
	for _, test := range []struct {
		what             string
		c                Case
		iv, want, answer int // bytes
		dst              int
	}{
		{"encrypt", Case{Algorithm: engine.AESCBC, KeySize: 16}, 16, size, 0, size},
		{"seal", Case{Algorithm: engine.AESGCM, KeySize: 16}, 12, size + engine.MaxTag, engine.MaxTag, size},
		{"open", Case{Algorithm: engine.AESGCM, KeySize: 16, Direction: engine.Decrypt}, 12, size - engine.MaxTag, 0, size - engine.MaxTag},
		{"hash", Case{Algorithm: engine.SHA256}, 0, 32, 32, 0},
		{"MAC", Case{Algorithm: engine.HMACSHA512, KeySize: 64}, 0, 64, 64, 0},
	} {
		for _, pieces := range []int{1, 3} {
			m := &virtqdrv.Memory{Data: make([]byte, 64<<10), Addr: 1 << 20}
			test.c.Size, test.c.Depth = size, depth
			inputs := make([]input, depth)
			for i := range inputs {
				inputs[i] = input{iv: make([]byte, test.iv), src: make([]byte, size), want: make([]byte, test.want)}
			}
			requests, err := layOut(m, test.c, make([]uint64, 1), inputs, pieces)
			if err != nil {
				t.Fatal(err)
			}
			written := make(map[uint64]bool) // cache lines, by their address
			for _, r := range requests {
				answer := r.writable[len(r.writable)-1]
				dst := r.writable[:len(r.writable)-1]
				n := 0
				for _, b := range dst {
					n += int(b.Len)
				}
				if answer.Len != uint32(test.answer+cryptodrv.StatusSize) || answer.Addr%cacheLine != 0 || n != test.dst {
					t.Errorf("%s in %d pieces: %d bytes of destination, and an answer of %d at %#x", test.what, pieces, n, answer.Len, answer.Addr)
				}
				if own := r.readable[0]; own.Len != uint32(cryptodrv.HeaderSize+test.iv) || own.Addr%cacheLine != 0 {
					t.Errorf("%s in %d pieces: header and IV are %d bytes at %#x", test.what, pieces, own.Len, own.Addr)
				}
				for at := answer.Addr; at < answer.Addr+uint64(answer.Len); at += cacheLine {
					written[at] = true
				}
				r.forget()
				if r.status() != cryptodrv.Unanswered || !bytes.Equal(r.result(), r.want) {
					t.Errorf("%s in %d pieces: status %v and %d bytes of result before there are any", test.what, pieces, r.status(), len(r.result()))
				}
			}
			for _, r := range requests {
				for _, b := range append(r.readable, r.writable[:len(r.writable)-1]...) {
					for at := b.Addr / cacheLine * cacheLine; at < b.Addr+uint64(b.Len); at += cacheLine {
						if written[at] {
							t.Errorf("%s in %d pieces: %d bytes at %#x share a cache line with an answer", test.what, pieces, b.Len, b.Addr)
						}
					}
				}
			}
			if want := len(requests) * ((test.answer + cryptodrv.StatusSize + cacheLine - 1) / cacheLine); len(written) != want {
				t.Errorf("%s in %d pieces: answers in %d cache lines, want %d", test.what, pieces, len(written), want)
			}
		}
	}
}

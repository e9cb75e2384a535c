// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// TestEveryChainComesBackAsItWas sends random chains through queues of all
// sizes, with indices near their wrap-around, in random batches, completes
// them in random order, and compares each byte.
func TestEveryChainComesBackAsItWas(t *testing.T) {
	for size := 1; size <= 1024; size *= 2 {
		for _, c := range []virtqdrv.Config{
			{},
			{EventIdx: true},
			{AvailOdd: true},
			{Indirect: 1},
			{Indirect: 16, EventIdx: true},
			{Indirect: 5, AvailOdd: true, EventIdx: true},
		} {
			c.Size = size
			c.Base = uint16(65536 - min(3*size, 1000)) // past 65535 soon
			t.Run(fmt.Sprintf("size=%d,indirect=%d,event=%t,odd=%t", size, c.Indirect, c.EventIdx, c.AvailOdd),
				func(t *testing.T) { exchange(t, c, 4*size+3000) })
		}
	}
}

// sent is a chain on its way: what the device must find.
type sent struct {
	readable, writable []virtqdrv.Buf
	seed               uint64
	written            uint32
}

func exchange(t *testing.T, c virtqdrv.Config, chains int) {
	r := newRig(t, 4<<20, c, nil)
	rng := rand.New(rand.NewPCG(uint64(c.Size), uint64(c.Indirect)))
	longest := min(c.Size, 12)
	if c.Indirect > 0 {
		longest = c.Indirect
	}
	// Buffers are cut from an arena a chain in flight, so that no two
	// overlap; neighbours are often contiguous.
	const arena = 1024
	arenas := make([]uint64, c.Size)
	for i := range arenas {
		arenas[i] = r.alloc(t, arena).Addr
	}

	inFlight := map[uint64]*sent{} // by cookie
	var held []*virtq.Chain
	batch, used := make([]*virtq.Chain, c.Size), make([]virtqdrv.Used, c.Size)
	added, reaped := 0, 0
	for reaped < chains {
		for range rng.IntN(c.Size + 1) {
			if added == chains || len(arenas) == 0 {
				break
			}
			n := 1 + rng.IntN(longest)
			if c.Indirect == 0 && n > r.drv.Free() || r.drv.Free() == 0 {
				break
			}
			addr := arenas[len(arenas)-1]
			s := randomChain(rng, r, addr, arena, n)
			// The cookie names the arena, which comes back with it.
			if err := r.drv.Add(s.readable, s.writable, addr); err != nil {
				t.Fatal(err)
			}
			arenas = arenas[:len(arenas)-1]
			inFlight[addr] = s
			added++
		}
		r.drv.Publish()

		n, err := r.dev.Next(batch[:rng.IntN(len(batch)+1)])
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, batch[:n]...)
		rng.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		for range rng.IntN(len(held) + 1) {
			last := held[len(held)-1]
			held = held[:len(held)-1]
			r.dev.Push(last, answer(t, last))
		}
		if r.dev.Held() != len(held) {
			t.Fatalf("the queue says %d chains are held, %d are", r.dev.Held(), len(held))
		}
		if rng.IntN(2) == 0 {
			r.dev.Publish()
		}

		n, err = r.drv.Reap(used[:1+rng.IntN(len(used))])
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range used[:n] {
			s := inFlight[u.Cookie]
			if s == nil {
				t.Fatalf("chain %#x came back twice", u.Cookie)
			}
			delete(inFlight, u.Cookie)
			check(t, r, s, u)
			arenas = append(arenas, u.Cookie)
		}
		reaped += n
	}
	if len(inFlight) != 0 || r.drv.Free() != c.Size {
		t.Fatalf("%d chains lost, %d of %d descriptors free", len(inFlight), r.drv.Free(), c.Size)
	}
}

// randomChain cuts n buffers from an arena and fills the readable ones. The
// first eight readable bytes, if there are so many, are a checksum's seed.
func randomChain(rng *rand.Rand, r *rig, addr uint64, room, n int) *sent {
	s := &sent{seed: rng.Uint64()}
	readable := rng.IntN(n + 1)
	for i := range n {
		b := virtqdrv.Buf{Addr: addr, Len: uint32(rng.IntN(room / n))}
		addr += uint64(b.Len)
		if rng.IntN(3) == 0 && room/n > int(b.Len)+1 {
			addr++ // a gap
		}
		if i < readable {
			s.readable = append(s.readable, b)
		} else {
			s.writable = append(s.writable, b)
			s.written += b.Len
		}
	}
	k := uint64(0)
	for _, b := range s.readable {
		for i := range r.Bytes(b) {
			r.Bytes(b)[i] = pattern(s.seed, k)
			k++
		}
	}
	for _, b := range s.writable {
		clear(r.Bytes(b))
	}
	return s
}

func pattern(seed, i uint64) byte { return byte((seed + i) * 0x9e3779b97f4a7c15 >> 56) }

// answer writes to a chain's writable segments, in order, a rolling sum over
// its readable ones: each byte depends on all that were read, in order.
func answer(t *testing.T, c *virtq.Chain) uint32 {
	t.Helper()
	sum, read := uint64(1), uint64(0)
	for _, s := range c.Readable() {
		if len(s) == 0 {
			t.Fatal("empty segment")
		}
		for _, b := range s {
			sum = sum*31 + uint64(b)
		}
		read += uint64(len(s))
	}
	written := uint64(0)
	for _, s := range c.Writable() {
		for i := range s {
			s[i] = pattern(sum, written)
			written++
		}
	}
	if read != c.ReadLen || written != c.WriteLen {
		t.Fatalf("segments have %d and %d bytes, ReadLen %d, WriteLen %d", read, written, c.ReadLen, c.WriteLen)
	}
	return uint32(written)
}

// check compares a used chain with what the device must have written.
func check(t *testing.T, r *rig, s *sent, u virtqdrv.Used) {
	t.Helper()
	if u.Written != s.written {
		t.Fatalf("device wrote %d bytes of %d", u.Written, s.written)
	}
	sum, k := uint64(1), uint64(0)
	for _, b := range s.readable {
		for _, v := range r.Bytes(b) {
			if v != pattern(s.seed, k) {
				t.Fatal("a readable buffer was changed")
			}
			k++
			sum = sum*31 + uint64(v)
		}
	}
	k = 0
	for _, b := range s.writable {
		for i, v := range r.Bytes(b) {
			if v != pattern(sum, k) {
				t.Fatalf("byte %d of a writable buffer at %#x is %d, want %d", i, b.Addr, v, pattern(sum, k))
			}
			k++
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"math/rand/v2"
	"testing"
)

// TestScratch takes and gives back at random: pieces that are out do not
// overlap, and when none is out the largest fits.
func TestScratch(t *testing.T) {
	const largest = 8 << 10
	var s scratch
	r := rand.New(rand.NewChaCha8([32]byte{}))
	type piece struct {
		b    []byte
		mark byte
	}
	var out []piece
	mark := byte(0)
	for range 20_000 {
		if r.IntN(2) == 0 {
			n := 1 + r.IntN(largest)
			b := s.take(n, largest)
			if b == nil {
				if len(out) == 0 {
					t.Fatalf("no room for %d bytes in scratch memory that nobody uses", n)
				}
				continue
			}
			if len(b) != n || cap(b) != n {
				t.Fatalf("%d bytes with room for %d, want %d", len(b), cap(b), n)
			}
			mark++
			for i := range b {
				b[i] = mark
			}
			out = append(out, piece{b, mark})
		} else if len(out) > 0 {
			i := r.IntN(len(out))
			for at, c := range out[i].b {
				if c != out[i].mark {
					t.Fatalf("byte %d of a piece was overwritten", at)
				}
			}
			s.give(len(out[i].b))
			out[i] = out[len(out)-1]
			out = out[:len(out)-1]
		}
		if len(s.mem) > scratchHuge*largest {
			t.Fatalf("scratch memory of %d bytes", len(s.mem))
		}
	}
}

// TestScratchGrowsUnderPressure: where small requests wait for each other,
// there is soon room for more of them.
func TestScratchGrowsUnderPressure(t *testing.T) {
	const largest, n = 1 << 20, 16 << 10
	var s scratch
	round := func() (taken int) {
		for ; s.take(n, largest) != nil; taken++ {
		}
		for range taken {
			s.give(n)
		}
		return taken
	}
	first := round()
	for range 10 {
		round()
	}
	if last := round(); last != scratchHuge*largest/n {
		t.Errorf("room for %d requests at first, for %d at last, want %d", first, last, scratchHuge*largest/n)
	}
	if s.take(1, largest) == nil {
		t.Error("no room for a byte")
	}
}

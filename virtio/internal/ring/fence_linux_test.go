// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFences is the store buffer test: two threads each store to one place
// and then load the other's. With full barriers between, at least one of them
// sees the other's store. Without, both miss it now and then: the lost kick.
func TestFences(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("one CPU sees its own stores in order")
	}
	// The race detector must not watch: it would order the accesses.
	b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	x, y := b[0:4], b[1024:1028]
	wx, _ := Word(x)
	wy, _ := Word(y)
	if missed := litmus(x, y, func(mine, other []byte, _ *uint32) uint16 {
		Store16(mine, 1)
		return Load16(other)
	}, wx, wy); missed == 0 {
		t.Log("this machine did not reorder anything without barriers: the test shows little")
	} else {
		t.Logf("without barriers both missed the other's store %d times", missed)
	}
	if missed := litmus(x, y, func(mine, other []byte, _ *uint32) uint16 {
		Store16(mine, 1)
		Fence()
		return Load16(other)
	}, wx, wy); missed != 0 {
		t.Errorf("Fence: both missed the other's store %d times", missed)
	}
	if missed := litmus(x, y, func(_, other []byte, w *uint32) uint16 {
		StoreWordFence(w, 1)
		return Load16(other)
	}, wx, wy); missed != 0 {
		t.Errorf("StoreWordFence: both missed the other's store %d times", missed)
	}
}

// litmus runs step on two threads at once, again and again, and counts the
// rounds in which both read 0.
func litmus(x, y []byte, step func(mine, other []byte, word *uint32) uint16, wx, wy *uint32) (missed int) {
	const rounds = 10_000
	var arrived atomic.Uint32
	var seen [2][rounds]uint16
	meet := func(n uint32) {
		arrived.Add(1)
		for spins := 0; arrived.Load() < n; spins++ {
			if spins > 10_000 {
				runtime.Gosched() // the other has no CPU just now
			}
		}
	}
	var wg sync.WaitGroup
	side := func(k int, mine, other []byte, w *uint32) {
		for i := range uint32(rounds) {
			Store16(mine, 0)
			meet(4*i + 2)
			seen[k][i] = step(mine, other, w)
			meet(4*i + 4)
		}
	}
	wg.Go(func() { side(0, x, y, wx) })
	wg.Go(func() { side(1, y, x, wy) })
	wg.Wait()
	for i := range rounds {
		if seen[0][i] == 0 && seen[1][i] == 0 {
			missed++
		}
	}
	return missed
}

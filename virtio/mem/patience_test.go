// SPDX-License-Identifier: Apache-2.0

package mem_test

import (
	"errors"
	"testing"
	"time"

	"vcrypto/virtio/mem"
)

// TestRemoveWithin: a region that is in use for too long is out of reach of
// new work at once, and unmapped by the first change that finds it unused.
func TestRemoveWithin(t *testing.T) {
	var m mem.Memory
	unmapped := make(map[byte]int)
	counted := func(addr uint64, name byte) mem.Region {
		r := plain(addr, 0x1000, name)
		r.Unmap = func() error { unmapped[name]++; return nil }
		return r
	}
	if err := m.Set([]mem.Region{counted(0x1000, 'a'), counted(0x2000, 'b'), counted(0x3000, 'c')}); err != nil {
		t.Fatal(err)
	}
	first := m.Acquire()
	if err := m.RemoveWithin(0x1000, 0x1000, time.Millisecond); !errors.Is(err, mem.ErrInUse) {
		t.Fatalf("RemoveWithin of a region in use: %v", err)
	}
	second := m.Acquire()
	if _, err := second.Bytes(0x1000, 1); !errors.Is(err, mem.ErrNotMapped) {
		t.Errorf("the region can still be reached: %v", err)
	}
	second.Release()

	// The second region was in the first table too: whoever holds that may
	// use it, although nobody holds the table it was taken from.
	if err := m.RemoveWithin(0x2000, 0x1000, 0); !errors.Is(err, mem.ErrInUse) {
		t.Errorf("RemoveWithin of a region of a held table: %v", err)
	}
	// To add is to take nothing away, also where the old one was.
	if err := m.Add(counted(0x1000, 'd')); err != nil {
		t.Errorf("Add: %v", err)
	}
	if len(unmapped) != 0 {
		t.Fatalf("unmapped while held: %v", unmapped)
	}

	if done, err := m.Reclaim(); done || err != nil {
		t.Errorf("Reclaim of regions in use: %t, %v", done, err)
	}

	done := make(chan error)
	go func() { done <- m.Remove(0x3000, 0x1000) }()
	select {
	case err := <-done:
		t.Fatalf("Remove did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	first.Release()
	if err := <-done; err != nil {
		t.Errorf("Remove: %v", err)
	}
	for _, name := range []byte("abc") {
		if unmapped[name] != 1 {
			t.Errorf("region %c was unmapped %d times", name, unmapped[name])
		}
	}
	if done, err := m.Reclaim(); !done || err != nil {
		t.Errorf("Reclaim with nothing to do: %t, %v", done, err)
	}
	if unmapped['d'] != 0 {
		t.Error("the new region was unmapped")
	}
}

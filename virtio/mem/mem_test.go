// SPDX-License-Identifier: Apache-2.0

package mem_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/mem"
)

// memfd is a file of guest memory.
func memfd(t testing.TB, size int64, flags int) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC|flags)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "guest")
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

// region maps a part of a file at a guest address.
func region(t testing.TB, f *os.File, addr, offset, size uint64) mem.Region {
	t.Helper()
	r, err := mem.Map(f, offset, size)
	if err != nil {
		t.Fatal(err)
	}
	r.Addr = addr
	return r
}

// plain is a region of ordinary memory, whose first byte names it.
func plain(addr uint64, size int, name byte) mem.Region {
	r := mem.Region{Addr: addr, Data: make([]byte, size)}
	if size > 0 {
		r.Data[0] = name
	}
	return r
}

func TestLookup(t *testing.T) {
	var m mem.Memory
	// Two that touch, a gap, one more; given out of order.
	a, b, c := plain(0x1000, 0x1000, 'a'), plain(0x2000, 0x800, 'b'), plain(0x4000, 0x10, 'c')
	c.User = 0x7f00_0000_0000
	if err := m.Set([]mem.Region{c, a, b}); err != nil {
		t.Fatal(err)
	}
	table := m.Acquire()
	defer table.Release()
	if table.Regions() != 3 {
		t.Errorf("%d regions", table.Regions())
	}
	for _, test := range []struct {
		addr, n uint64
		bytes   bool  // one region holds it all
		pieces  []int // nil: it is not memory
	}{
		{0x1000, 1, true, []int{1}},
		{0x1fff, 1, true, []int{1}},
		{0x1000, 0x1000, true, []int{0x1000}},
		{0x1000, 0x1001, false, []int{0x1000, 1}},
		{0x1fff, 2, false, []int{1, 1}},
		{0x1000, 0x1800, false, []int{0x1000, 0x800}},
		{0x1000, 0x1801, false, nil},
		{0x27ff, 1, true, []int{1}},
		{0x27ff, 2, false, nil},
		{0x2800, 1, false, nil},
		{0x0fff, 1, false, nil},
		{0x0fff, 2, false, nil},
		{0, 1, false, nil},
		{0x3fff, 1, false, nil},
		{0x400f, 1, true, []int{1}},
		{0x400f, 2, false, nil},
		{0x4010, 1, false, nil},
		{0x4000, math.MaxUint64, false, nil},
		{0x4001, math.MaxUint64, false, nil},
		{math.MaxUint64, 1, false, nil},
		{math.MaxUint64, 2, false, nil},
		{math.MaxUint64 - 0xf, 0x1020, false, nil},
	} {
		name := fmt.Sprintf("%#x+%#x", test.addr, test.n)
		got, err := table.Bytes(test.addr, test.n)
		if test.bytes != (err == nil) {
			t.Errorf("Bytes(%s): %v", name, err)
		}
		if err == nil && (uint64(len(got)) != test.n || cap(got) != len(got)) {
			t.Errorf("Bytes(%s): %d bytes of %d", name, len(got), cap(got))
		}
		segs, err := table.Append(nil, test.addr, test.n)
		if (test.pieces != nil) != (err == nil) {
			t.Errorf("Append(%s): %v", name, err)
		}
		if err != nil && !errors.Is(err, mem.ErrNotMapped) {
			t.Errorf("Append(%s): %v is no ErrNotMapped", name, err)
		}
		if err == nil {
			var lens []int
			for _, s := range segs {
				lens = append(lens, len(s))
				if cap(s) != len(s) {
					t.Errorf("Append(%s): capacity %d of a piece of %d", name, cap(s), len(s))
				}
			}
			if !slices.Equal(lens, test.pieces) {
				t.Errorf("Append(%s): pieces of %v bytes", name, lens)
			}
		}
		_, start, data := table.Lookup(test.addr)
		if in := table.Regions() > 0 && len(data) > 0 && test.addr-start < uint64(len(data)); in != oneByte(table, test.addr) {
			t.Errorf("Lookup(%#x): %#x, %d bytes", test.addr, start, len(data))
		}
	}
	for addr, want := range map[uint64]byte{0x1000: 'a', 0x2000: 'b', 0x4000: 'c'} {
		if got, _ := table.Bytes(addr, 1); len(got) != 1 || got[0] != want {
			t.Errorf("at %#x is %q, want %q", addr, got, want)
		}
	}
	if addr, err := table.FromUser(0x7f00_0000_000f); addr != 0x400f || err != nil {
		t.Errorf("FromUser: %#x, %v", addr, err)
	}
	for _, user := range []uint64{0x7f00_0000_0010, 0x7eff_ffff_ffff, math.MaxUint64} {
		if addr, err := table.FromUser(user); !errors.Is(err, mem.ErrNotMapped) {
			t.Errorf("FromUser(%#x): %#x, %v", user, addr, err)
		}
	}
}

func oneByte(t *mem.Table, addr uint64) bool {
	_, err := t.Bytes(addr, 1)
	return err == nil
}

func TestNoMemoryYet(t *testing.T) {
	var m mem.Memory
	if m.Current() != nil {
		t.Error("a table before the first change")
	}
	table := m.Acquire()
	if _, err := table.Bytes(0, 1); !errors.Is(err, mem.ErrNotMapped) {
		t.Errorf("Bytes of no memory: %v", err)
	}
	table.Release()
	if err := m.Set([]mem.Region{plain(0, 16, 'a')}); err != nil {
		t.Fatal(err)
	}
}

func TestBadRegionsAreRefused(t *testing.T) {
	big := plain(0, 0x1000, 'b')
	for name, bad := range map[string][]mem.Region{
		"same":               {plain(0x1000, 16, 'a'), plain(0x1000, 16, 'b')},
		"overlap by one":     {plain(0x1000, 17, 'a'), plain(0x1010, 16, 'b')},
		"inside":             {plain(0x1000, 64, 'a'), plain(0x1010, 16, 'b')},
		"wraps":              {plain(math.MaxUint64-7, 16, 'a')},
		"ends at 2^64":       {plain(math.MaxUint64-15, 16, 'a')},
		"empty":              {plain(0x1000, 0, 'a')},
		"user address wraps": {{Addr: 0x1000, User: math.MaxUint64, Data: big.Data}},
	} {
		var m mem.Memory
		unmapped := 0
		good := plain(0x9000, 16, 'g')
		good.Unmap = func() error { unmapped++; return nil }
		if err := m.Set([]mem.Region{good}); err != nil {
			t.Fatal(err)
		}
		for i := range bad {
			bad[i].Unmap = func() error { t.Errorf("%s: refused region unmapped", name); return nil }
		}
		before := m.Current()
		if err := m.Set(bad); !errors.Is(err, mem.ErrOverlap) {
			t.Errorf("%s: Set: %v", name, err)
		}
		if m.Current() != before || unmapped != 0 {
			t.Errorf("%s: the old memory did not stay", name)
		}
	}
	var m mem.Memory
	if err := m.Add(plain(0x1000, 16, 'a')); err != nil {
		t.Fatal(err)
	}
	if err := m.Add(plain(0x100f, 16, 'b')); !errors.Is(err, mem.ErrOverlap) {
		t.Errorf("Add of an overlapping region: %v", err)
	}
	if err := m.Add(plain(0x1010, 16, 'b')); err != nil {
		t.Errorf("Add of a touching region: %v", err)
	}
	for _, r := range [][2]uint64{{0x1000, 15}, {0x1001, 16}, {0x2000, 16}} {
		if err := m.Remove(r[0], r[1]); !errors.Is(err, mem.ErrNoRegion) {
			t.Errorf("Remove(%#x, %d): %v", r[0], r[1], err)
		}
	}
	if err := m.Remove(0x1000, 16); err != nil {
		t.Error(err)
	}
	if table := m.Current(); table.Regions() != 1 || oneByte(table, 0x1000) || !oneByte(table, 0x1010) {
		t.Error("the wrong region was removed")
	}
}

// TestUnmapWaitsForHolders: a change returns only when nobody holds the old
// table, and unmaps only then and only what is gone.
func TestUnmapWaitsForHolders(t *testing.T) {
	for name, change := range map[string]func(*mem.Memory) error{
		"Set":    func(m *mem.Memory) error { return m.Set(nil) },
		"Remove": func(m *mem.Memory) error { return m.Remove(0x1000, 16) },
	} {
		t.Run(name, func(t *testing.T) {
			var m mem.Memory
			var unmapped, kept atomic.Int32
			r, other := plain(0x1000, 16, 'a'), plain(0x2000, 16, 'b')
			r.Unmap = func() error { unmapped.Add(1); return nil }
			other.Unmap = func() error { kept.Add(1); return nil }
			if err := m.Set([]mem.Region{r}); err != nil {
				t.Fatal(err)
			}
			if err := m.Add(other); err != nil {
				t.Fatal(err)
			}
			first, second := m.Acquire(), m.Acquire()
			done := make(chan error)
			go func() { done <- change(&m) }()
			for m.Current() == first { // until the change has begun
				time.Sleep(time.Millisecond)
			}
			newer := m.Acquire() // does not wait, and does not hold it up
			if newer == first || oneByte(newer, 0x1000) {
				t.Error("Acquire gives a table that is going away")
			}
			for _, held := range []*mem.Table{first, second} {
				select {
				case err := <-done:
					t.Fatalf("returned while the table is held: %v", err)
				case <-time.After(20 * time.Millisecond):
				}
				if unmapped.Load() != 0 {
					t.Fatal("unmapped while held")
				}
				held.Release()
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			newer.Release()
			if unmapped.Load() != 1 {
				t.Errorf("unmapped %d times", unmapped.Load())
			}
			if want := int32(1); (name == "Set") != (kept.Load() == want) {
				t.Errorf("the other region was unmapped %d times", kept.Load())
			}
		})
	}
}

func TestUnmapFails(t *testing.T) {
	var m mem.Memory
	r := plain(0x1000, 16, 'a')
	cause := errors.New("no")
	r.Unmap = func() error { return cause }
	if err := m.Set([]mem.Region{r}); err != nil {
		t.Fatal(err)
	}
	if err := m.Set([]mem.Region{plain(0x2000, 16, 'b')}); !errors.Is(err, mem.ErrUnmap) || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if !oneByte(m.Current(), 0x2000) {
		t.Error("the new memory is not in place")
	}
}

// TestUseWhileChanging has many goroutines read and write memory whose
// mappings come and go. A use after unmap is a SIGSEGV.
func TestUseWhileChanging(t *testing.T) {
	const size = 1 << 16
	f := memfd(t, 4*size, 0)
	var m mem.Memory
	defer m.Set(nil)
	var stop atomic.Bool
	var uses atomic.Int64
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := uint64(g); !stop.Load(); i++ {
				if i%64 == 0 {
					runtime.Gosched() // the changer wants a turn on a small machine
				}
				table := m.Acquire()
				for range 4 {
					if b, err := table.Bytes((i*4096)%(4*size), 64); err == nil {
						b[g]++
						uses.Add(1)
					}
				}
				table.Release()
			}
		})
	}
	rounds := 500
	if testing.Short() {
		rounds = 100
	}
	for i := 0; i < rounds || uses.Load() == 0; i++ {
		// Each time a fresh mapping: the addresses of the old one are gone.
		at := uint64(i%4) * size
		regions := []mem.Region{region(t, f, at, at, size)}
		if err := m.Set(regions); err != nil {
			t.Fatal(err)
		}
		at = uint64((i+1)%4) * size
		if err := m.Add(region(t, f, at, at, size)); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if err := m.Remove(at, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d uses", uses.Load())
}

func TestHoldingAllocatesNothing(t *testing.T) {
	var m mem.Memory
	if err := m.Set([]mem.Region{plain(0x1000, 4096, 'a'), plain(0x2000, 4096, 'b')}); err != nil {
		t.Fatal(err)
	}
	segs := make([][]byte, 0, 4)
	if n := testing.AllocsPerRun(100, func() {
		table := m.Acquire()
		table.Bytes(0x1000, 64)
		table.Append(segs, 0x1ff0, 64)
		table.Lookup(0x2000)
		table.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

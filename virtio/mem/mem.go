// SPDX-License-Identifier: Apache-2.0

// Package mem is a guest's memory as a device sees it: regions of guest
// physical addresses that are mapped here, checked translation, and an orderly
// end.
//
// A [Memory] always has one current [Table]. Whoever touches guest memory
// holds the table while it does:
//
//	t := m.Acquire()
//	buf, err := t.Bytes(addr, n) // every address is checked
//	...
//	t.Release()                  // buf must not be touched after this
//
// Changing the regions makes a new table current, waits until nobody holds
// an old one, and only then unmaps what is gone. So a holder lets go soon,
// and takes no new work when [Memory.Current] is no longer the table it
// holds. [Memory.RemoveWithin] bounds the waiting: what cannot be unmapped yet
// stays mapped, out of reach of new work, until a later change finds it
// unused.
//
// The bytes are shared with a guest that may write to them at any time:
// copy, then check the copy, then use the copy. A region whose file is made
// shorter by its owner raises SIGBUS when touched; that cannot be prevented,
// only contained, by a process for each device.
package mem

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of this package. Test with errors.Is.
var (
	// ErrNotMapped: an address, or a part of its range, is in no region.
	ErrNotMapped = errors.New("address not in guest memory")
	// ErrOverlap: a region overlaps another or wraps around.
	ErrOverlap = errors.New("memory region overlaps another or wraps around")
	// ErrNoRegion: no region has this address and size.
	ErrNoRegion = errors.New("no such memory region")
	// ErrInUse: a region that was taken away is still in use and stays mapped
	// for as long.
	ErrInUse = errors.New("guest memory that was taken away is still in use")
)

// Region is a run of guest physical addresses mapped here.
type Region struct {
	// Addr is the guest physical address of the first byte.
	Addr uint64
	// User is the address of the first byte in the front-end's own address
	// space, in which vhost-user gives ring addresses. 0 where unused.
	User uint64
	// Data are the region's bytes.
	Data []byte
	// Unmap gives the mapping back; nil if there is nothing to do.
	Unmap func() error
}

// Size is the number of bytes in the region.
func (r *Region) Size() uint64 { return uint64(len(r.Data)) }

// end is the first address after the region.
func (r *Region) end() uint64 { return r.Addr + r.Size() }

// Table is an unchanging set of regions.
type Table struct {
	regions []Region // sorted by Addr, not overlapping

	users   atomic.Int64
	retired atomic.Bool
	idle    chan struct{} // buffered; signalled when users drops to 0 after retired
}

func newTable(regions []Region) (*Table, error) {
	t := &Table{regions: slices.Clone(regions), idle: make(chan struct{}, 1)}
	slices.SortFunc(t.regions, func(a, b Region) int {
		switch {
		case a.Addr < b.Addr:
			return -1
		case a.Addr > b.Addr:
			return 1
		}
		return 0
	})
	for i := range t.regions {
		r := &t.regions[i]
		if r.Size() == 0 || r.end() < r.Addr || r.User+r.Size() < r.User ||
			i > 0 && t.regions[i-1].end() > r.Addr {
			return nil, fmt.Errorf("region at %#x of %d bytes: %w", r.Addr, r.Size(), ErrOverlap)
		}
	}
	return t, nil
}

// find returns the region that holds addr, or nil.
func (t *Table) find(addr uint64) *Region {
	if i, _, data := t.Lookup(addr); data != nil {
		return &t.regions[i]
	}
	return nil
}

// Bytes returns the n bytes at addr if they lie in one region. The slice may
// be used while the table is held.
func (t *Table) Bytes(addr, n uint64) ([]byte, error) {
	if r := t.find(addr); r != nil {
		if off := addr - r.Addr; n <= r.Size()-off {
			return r.Data[off : off+n : off+n], nil
		}
	}
	return nil, notMapped(addr, n)
}

// Lookup returns the region that holds addr: its number, for [Table.Data], its
// address and its bytes, which may be used while the table is held. It is for
// those who translate many addresses and check the bounds themselves; there
// are no bytes if no region holds addr.
func (t *Table) Lookup(addr uint64) (number int, start uint64, data []byte) {
	// A guest has a handful of regions, mostly one large one: walking from
	// the last is quickest.
	for i := len(t.regions) - 1; i >= 0; i-- {
		if r := &t.regions[i]; addr >= r.Addr {
			if addr-r.Addr < r.Size() {
				return i, r.Addr, r.Data
			}
			break
		}
	}
	return 0, 0, nil
}

// Data returns the bytes of a region by its number, which Lookup returned.
func (t *Table) Data(number int) []byte { return t.regions[number].Data }

// Append appends the n bytes at addr to segs, in as many pieces as there are
// regions under them.
func (t *Table) Append(segs [][]byte, addr, n uint64) ([][]byte, error) {
	for n > 0 {
		r := t.find(addr)
		if r == nil {
			return segs, notMapped(addr, n)
		}
		off := addr - r.Addr
		take := min(n, r.Size()-off)
		segs = append(segs, r.Data[off:off+take:off+take])
		addr += take // cannot wrap: the region does not, and its end is in no region
		n -= take
	}
	return segs, nil
}

// FromUser translates an address of the front-end's address space to a guest
// physical address.
func (t *Table) FromUser(user uint64) (uint64, error) {
	for i := range t.regions {
		if r := &t.regions[i]; user >= r.User && user-r.User < r.Size() {
			return r.Addr + (user - r.User), nil
		}
	}
	return 0, fmt.Errorf("front-end address %#x: %w", user, ErrNotMapped)
}

// Regions returns the number of regions.
func (t *Table) Regions() int { return len(t.regions) }

// Release ends a use begun by [Memory.Acquire].
func (t *Table) Release() {
	if t.users.Add(-1) == 0 && t.retired.Load() {
		select {
		case t.idle <- struct{}{}:
		default:
		}
	}
}

// held reports whether somebody holds the table, which is no longer current.
func (t *Table) held() bool {
	t.retired.Store(true)
	return t.users.Load() != 0
}

// retire waits until nobody holds the table, which is no longer current, or
// until late is closed. It reports whether nobody does: from then on nobody
// will, for [Memory.Acquire] gives it to nobody, though it may count itself in
// for a moment before it sees that.
func (t *Table) retire(late <-chan struct{}) bool {
	for t.held() {
		select {
		case <-t.idle:
		case <-late:
			return !t.held()
		}
	}
	return true
}

// notMapped is kept out of the callers so that these stay small.
func notMapped(addr, n uint64) error {
	return fmt.Errorf("%d bytes at %#x: %w", n, addr, ErrNotMapped)
}

// Memory is the memory of one guest. The zero value has no regions. Its
// methods may be called from any goroutine.
type Memory struct {
	current atomic.Pointer[Table]

	// mu is held by changes, from beginning to end, and guards what follows.
	mu sync.Mutex
	// former are tables that were replaced and may still be held, gone the
	// regions to unmap when none of them is.
	former []*Table
	gone   []Region
}

// Current returns the current table, for comparing with the one that is held.
// It is nil before the first change.
func (m *Memory) Current() *Table { return m.current.Load() }

// Acquire returns the current table, held until [Table.Release]. A holder
// must not call a method that changes the memory.
func (m *Memory) Acquire() *Table {
	for {
		t := m.current.Load()
		if t == nil {
			m.mu.Lock()
			if m.current.Load() == nil {
				empty, _ := newTable(nil)
				m.current.Store(empty)
			}
			m.mu.Unlock()
			continue
		}
		t.users.Add(1)
		if m.current.Load() == t {
			return t
		}
		t.Release() // it was retired in between; its memory was not touched
	}
}

// forever is a patience without end.
const forever = -1

// Set replaces all regions and returns when the old ones are unmapped. The
// memory owns the new ones then; on an error they stay the caller's and the
// old ones stay in place. An error that only says an old region could not be
// unmapped wraps [ErrUnmap].
func (m *Memory) Set(regions []Region) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.swap(regions, m.regions(), forever)
}

// Add adds a region. On an error it stays the caller's. It waits for nobody.
func (m *Memory) Add(r Region) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.swap(append(slices.Clone(m.regions()), r), nil, 0)
}

// Remove takes away the region with exactly this address and size and returns
// when it is unmapped.
func (m *Memory) Remove(addr, size uint64) error { return m.remove(addr, size, forever) }

// RemoveWithin is Remove with an end to its patience. The region is taken
// away in any case; [ErrInUse] says that somebody holds a table from before,
// so that this region, or another taken away earlier, had to stay mapped.
func (m *Memory) RemoveWithin(addr, size uint64, patience time.Duration) error {
	return m.remove(addr, size, max(patience, 0))
}

func (m *Memory) remove(addr, size uint64, patience time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	regions := m.regions()
	i := slices.IndexFunc(regions, func(r Region) bool { return r.Addr == addr && r.Size() == size })
	if i < 0 {
		return fmt.Errorf("remove %d bytes at %#x: %w", size, addr, ErrNoRegion)
	}
	gone := regions[i]
	return m.swap(slices.Delete(slices.Clone(regions), i, i+1), []Region{gone}, patience)
}

// regions returns those of the current table. m.mu is held.
func (m *Memory) regions() []Region {
	if t := m.current.Load(); t != nil {
		return t.regions
	}
	return nil
}

// ErrUnmap: the kernel refused to unmap a region.
var ErrUnmap = errors.New("could not unmap guest memory")

// swap makes regions current and unmaps gone once they are unused. m.mu is
// held.
func (m *Memory) swap(regions, gone []Region, patience time.Duration) error {
	t, err := newTable(regions)
	if err != nil {
		return err
	}
	if old := m.current.Swap(t); old != nil {
		m.former = append(m.former, old)
	}
	m.gone = append(m.gone, gone...)
	var late chan struct{} // closed when it is late; nil: never
	if patience >= 0 {
		late = make(chan struct{})
		defer time.AfterFunc(patience, func() { close(late) }).Stop()
	}
	if len(gone) > 0 {
		m.former = slices.DeleteFunc(m.former, func(t *Table) bool { return t.retire(late) })
	}
	if done, err := m.reclaim(); done {
		return err
	}
	if len(gone) > 0 {
		return fmt.Errorf("%w: %d bytes at %#x", ErrInUse, m.gone[0].Size(), m.gone[0].Addr)
	}
	return nil
}

// Reclaim unmaps what [Memory.RemoveWithin] had to leave mapped, if it is
// unused by now, and reports whether nothing of that is left.
func (m *Memory) Reclaim() (done bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	done, err = m.reclaim()
	return done || len(m.gone) == 0, err
}

// reclaim unmaps what is gone if nobody holds a table from before, and reports
// whether nobody does. m.mu is held.
func (m *Memory) reclaim() (bool, error) {
	m.former = slices.DeleteFunc(m.former, func(t *Table) bool { return !t.held() })
	if len(m.former) > 0 {
		return false, nil
	}
	return true, m.unmap()
}

// unmap unmaps what is gone. Nobody holds a table that has it, and m.mu is
// held.
func (m *Memory) unmap() error {
	var errs []error
	for _, r := range m.gone {
		if r.Unmap == nil {
			continue
		}
		if err := r.Unmap(); err != nil {
			errs = append(errs, fmt.Errorf("%w: %d bytes at %#x: %w", ErrUnmap, r.Size(), r.Addr, err))
		}
	}
	m.gone = nil
	return errors.Join(errs...)
}

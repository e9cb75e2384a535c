// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/mem"
)

// maxMaps bounds the ranges of guest memory. A client may be told
// (max_dma_maps); a VM has a few tens.
const maxMaps = 512

// Errors of [DMA.Check]. Test with errors.Is.
var (
	// ErrNoMemory: the client gave no descriptor of guest memory.
	ErrNoMemory = errors.New("guest memory came without a descriptor, so this process cannot see it; " +
		"start QEMU with -object memory-backend-memfd,id=mem,size=...,share=on -machine memory-backend=mem")
	// ErrPrivateMemory: the guest does not write to the memory whose
	// descriptor came.
	ErrPrivateMemory = errors.New("guest memory is not shared: nothing of what the guest wrote is in the file that came; " +
		"set share=on on QEMU's memory backend (or --memory shared=on for Cloud Hypervisor)")
)

// DMA is what a device knows of the guest's memory. It has the ranges as the
// client gave them; what can be used of them is in a [mem.Memory]. Its methods
// are called from the goroutine that serves the connection.
type DMA struct {
	memory *mem.Memory
	ranges []dmaRange
}

// dmaRange is a range of guest addresses.
type dmaRange struct {
	addr, size uint64
	offset     uint64
	file       *os.File // nil: no memory of interest
	writable   bool
}

func (r *dmaRange) end() uint64 { return r.addr + r.size }

// NewDMA returns DMA that puts what is mapped into memory, which then belongs
// to it.
func NewDMA(memory *mem.Memory) *DMA { return &DMA{memory: memory} }

// Close forgets everything and returns when the memory is unmapped.
func (d *DMA) Close() error {
	for _, r := range d.ranges {
		r.close()
	}
	d.ranges = nil
	return d.memory.Set(nil)
}

func (r *dmaRange) close() {
	if r.file != nil {
		r.file.Close()
	}
}

// Size is the number of bytes that can be used.
func (d *DMA) Size() (n uint64) {
	for _, r := range d.ranges {
		if r.file != nil {
			n += r.size
		}
	}
	return n
}

// Map adds a range. With fd -1 it is remembered and cannot be used; otherwise
// fd is taken over. So are ranges that the device must not write to (ROMs and
// their shadows): no driver has its requests there.
func (d *DMA) Map(m DMAMap, fd int) error {
	var f *os.File
	if fd >= 0 {
		f = os.NewFile(uintptr(fd), "guest memory")
	}
	err := d.add(m, f)
	if err != nil && f != nil {
		f.Close()
	}
	return err
}

func (d *DMA) add(m DMAMap, f *os.File) error {
	if len(d.ranges) >= maxMaps {
		return fmt.Errorf("%w: %d ranges of guest memory are mapped already", unix.ENOSPC, len(d.ranges))
	}
	r := dmaRange{addr: m.Address, size: m.Size, offset: m.Offset, writable: m.Flags&DMAWrite != 0}
	for i := range d.ranges {
		if have := &d.ranges[i]; r.addr < have.end() && have.addr < r.end() {
			return fmt.Errorf("%w: %d bytes at %#x overlap %d at %#x", unix.EEXIST, r.size, r.addr, have.size, have.addr)
		}
	}
	switch {
	case f == nil:
	case m.Flags != DMARead|DMAWrite:
		f.Close()
	default:
		region, err := mem.Map(f, m.Offset, m.Size)
		if err != nil {
			return fmt.Errorf("%d bytes at %#x: %w", m.Size, m.Address, err)
		}
		region.Addr = m.Address
		if err := d.memory.Add(region); err != nil {
			return errors.Join(err, region.Unmap())
		}
		r.file = f
	}
	d.ranges = append(d.ranges, r)
	return nil
}

// Unmap removes the ranges that lie in one, which must not cut any apart. It
// returns when they are unmapped, or with [mem.ErrInUse] when they are still
// in use after a while: nothing new can be done with them in any case.
func (d *DMA) Unmap(u DMAUnmap, patience time.Duration) error {
	all := u.Flags&DMAUnmapAll != 0
	end := u.Address + u.Size
	found := 0
	for i := range d.ranges {
		r := &d.ranges[i]
		inside := all || r.addr >= u.Address && r.end() <= end
		if !inside && r.addr < end && u.Address < r.end() {
			return malformed("%d bytes at %#x are a part of %d at %#x", u.Size, u.Address, r.size, r.addr)
		}
		if inside {
			found++
		}
	}
	if found == 0 && !all {
		return fmt.Errorf("%w: nothing is mapped in %d bytes at %#x", unix.ENOENT, u.Size, u.Address)
	}
	var errs []error
	kept := d.ranges[:0]
	for _, r := range d.ranges {
		if !all && (r.addr < u.Address || r.end() > end) {
			kept = append(kept, r)
			continue
		}
		if r.file == nil {
			continue
		}
		r.file.Close()
		if done, err := d.memory.Reclaim(); !done {
			patience = 0 // this request was waited for already
			errs = append(errs, err)
		}
		errs = append(errs, d.memory.RemoveWithin(r.addr, r.size, patience))
	}
	clear(d.ranges[len(kept):])
	d.ranges = kept
	return errors.Join(errs...)
}

// Overlaps reports whether a range that can be used is touched by an unmap.
func (d *DMA) Overlaps(u DMAUnmap) bool {
	for i := range d.ranges {
		if r := &d.ranges[i]; r.file != nil && (u.Flags&DMAUnmapAll != 0 || r.addr < u.Address+u.Size && u.Address < r.end()) {
			return true
		}
	}
	return false
}

// Check says why no device can work with this memory, as far as that can be
// told. It is for when a driver is about to start: then the guest has written
// to its memory, so that a file of zeros is not its memory. (Holes tell
// nothing: a private mapping fills them, too.)
func (d *DMA) Check() error {
	known, budget := 0, int64(checkBudget)
	for i := range d.ranges {
		r := &d.ranges[i]
		if r.file == nil {
			continue
		}
		known++
		if !r.blank(&budget) {
			return nil
		}
	}
	if known == 0 {
		return ErrNoMemory
	}
	return ErrPrivateMemory
}

// Withheld reports whether there is memory and all of it came without a
// descriptor: what a client without a memory backend does from the start.
func (d *DMA) Withheld() bool {
	withheld := false
	for i := range d.ranges {
		r := &d.ranges[i]
		if r.file != nil {
			return false
		}
		withheld = withheld || r.writable
	}
	return withheld
}

const (
	// checkBudget bounds how much memory Check looks at, in bytes. What is
	// shared is found out at the first look: low memory has the firmware's
	// data.
	checkBudget = 256 << 20
	checkChunk  = 64 << 10
)

var zeros [checkChunk]byte

// blank reports whether the range's part of its file has nothing but zeros,
// as far as the budget lasts. It reads the file and not the mapping: a file
// that was made shorter ends in an error there.
func (r *dmaRange) blank(budget *int64) bool {
	var chunk [checkChunk]byte
	end := int64(r.offset + r.size)
	for at := int64(r.offset); at < end && *budget > 0; {
		// Not every file system knows its holes.
		if data, err := unix.Seek(int(r.file.Fd()), at, unix.SEEK_DATA); err == nil {
			at = data
		} else if errors.Is(err, unix.ENXIO) {
			return true
		}
		n, err := r.file.ReadAt(chunk[:max(min(checkChunk, end-at), 0)], at)
		if !bytes.Equal(chunk[:n], zeros[:n]) {
			return false
		}
		at += int64(n)
		*budget -= int64(n)
		if n == 0 || err != nil && err != io.EOF {
			return true
		}
	}
	return true
}

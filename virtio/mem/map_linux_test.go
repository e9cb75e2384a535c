// SPDX-License-Identifier: Apache-2.0

package mem_test

import (
	"errors"
	"math"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/mem"
)

func TestMapSharesTheFile(t *testing.T) {
	f := memfd(t, 1<<16, 0)
	for _, offset := range []uint64{0, 4096, 1, 4095, 5000, 65535} {
		size := uint64(1<<16) - offset
		r, err := mem.Map(f, offset, size)
		if err != nil {
			t.Fatalf("offset %d: %v", offset, err)
		}
		if r.Size() != size || cap(r.Data) != len(r.Data) {
			t.Errorf("offset %d: %d bytes, capacity %d, want %d", offset, len(r.Data), cap(r.Data), size)
		}
		var b [1]byte
		for _, at := range []uint64{0, size - 1} {
			r.Data[at] = byte(offset + at + 1)
			if _, err := f.ReadAt(b[:], int64(offset+at)); err != nil || b[0] != r.Data[at] {
				t.Errorf("offset %d: the file has %d at %d, memory %d: %v", offset, b[0], at, r.Data[at], err)
			}
		}
		if err := r.Unmap(); err != nil {
			t.Errorf("offset %d: unmap: %v", offset, err)
		}
	}
}

// TestMapOutlivesTheFile: the transport closes what it was sent.
func TestMapOutlivesTheFile(t *testing.T) {
	f := memfd(t, 4096, 0)
	r := region(t, f, 0, 0, 4096)
	f.Close()
	r.Data[4095] = 1
	if err := r.Unmap(); err != nil {
		t.Error(err)
	}
}

func TestMapRefuses(t *testing.T) {
	f := memfd(t, 8192, 0)
	for _, c := range [][2]uint64{
		{0, 8193}, {1, 8192}, {8192, 1}, {8191, 2}, {0, 0}, {8192, 0},
		{math.MaxUint64, 1}, {math.MaxUint64, 2}, {1, math.MaxUint64}, {0, math.MaxUint64},
		{1 << 63, 4096}, {4096, 1 << 63},
	} {
		if r, err := mem.Map(f, c[0], c[1]); err == nil {
			t.Errorf("%d bytes at %d of a file of 8192: accepted", c[1], c[0])
			r.Unmap()
		}
	}
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, err := mem.Map(null, 0, 4096); err == nil {
		t.Error("/dev/null accepted")
	}
	readOnly, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	if _, err := mem.Map(readOnly, 0, 4096); !errors.Is(err, unix.EACCES) {
		t.Errorf("a file that cannot be written: %v", err)
	}
}

// TestMapHugePages maps parts of huge pages, where this machine has some.
func TestMapHugePages(t *testing.T) {
	const huge = 2 << 20
	fd, err := unix.MemfdCreate("huge", unix.MFD_CLOEXEC|unix.MFD_HUGETLB|unix.MFD_HUGE_2MB)
	if err != nil {
		t.Skipf("no huge pages here: %v", err)
	}
	f := os.NewFile(uintptr(fd), "huge")
	defer f.Close()
	if err := f.Truncate(2 * huge); err != nil {
		t.Fatal(err)
	}
	if probe, err := unix.Mmap(fd, 0, 2*huge, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Skipf("no huge pages are free: %v", err)
	} else {
		unix.Munmap(probe)
	}
	for _, c := range [][2]uint64{{0, 2 * huge}, {huge, huge}, {4096, huge}, {huge + 8192, 4096}, {0, 640 << 10}} {
		r, err := mem.Map(f, c[0], c[1])
		if err != nil {
			t.Errorf("%d bytes at %d: %v", c[1], c[0], err)
			continue
		}
		r.Data[0], r.Data[c[1]-1] = 1, 2
		if err := r.Unmap(); err != nil {
			t.Errorf("%d bytes at %d: unmap: %v", c[1], c[0], err)
		}
	}
	runtime.KeepAlive(f)
}

// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Map maps size bytes of a file, from offset on, shared, readable and
// writable. The file must hold them: touching a page beyond its end raises
// SIGBUS. The file may be closed afterwards. The region's Unmap undoes it.
func Map(f *os.File, offset, size uint64) (Region, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Region{}, fmt.Errorf("map guest memory: %w", os.NewSyscallError("fstat", err))
	}
	if size == 0 || offset+size < offset || offset+size > uint64(st.Size) {
		return Region{}, fmt.Errorf("map guest memory: %d bytes from %d on are announced, the file has %d", size, offset, st.Size)
	}
	// mmap wants an offset in whole pages; of hugetlbfs, in whole huge pages,
	// which st_blksize tells.
	page := uint64(max(int64(st.Blksize), int64(os.Getpagesize())))
	lead := offset % page
	// So does munmap want the length of those, which would fail otherwise.
	// What is mapped beyond the announced size is never touched.
	length := (lead + size + page - 1) / page * page
	data, err := unix.Mmap(int(f.Fd()), int64(offset-lead), int(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return Region{}, fmt.Errorf("map guest memory of %d bytes: %w", size, os.NewSyscallError("mmap", err))
	}
	// A guest's memory does not belong in this process's core dumps, nor is it
	// this process's to keep from being swapped out, should it lock its own.
	_ = unix.Madvise(data, unix.MADV_DONTDUMP)
	_ = unix.Munlock(data)
	return Region{
		Data:  data[lead : lead+size : lead+size],
		Unmap: func() error { return unix.Munmap(data) },
	}, nil
}

// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/virtq"
)

const (
	// maxAKKey is the longest public-key key taken, in bytes: more than an
	// RSA key of 8192 bits has with all its parts.
	maxAKKey = 8 << 10

	keyMemorySize = maxAKKey
)

// keyMemory is where a queue's thread has the keys that a guest sends, on
// their way from the guest's memory to the engine: locked, so that they are
// not swapped out, not in core files, not inherited by forked processes, and
// not copied about by Go. It holds the keys of one request at a time.
type keyMemory struct {
	mem  []byte
	used int
}

// lockWarning: said once a process, not once a queue.
var lockWarning sync.Once

func newKeyMemory(log *slog.Logger) (*keyMemory, error) {
	mem, err := unix.Mmap(-1, 0, keyMemorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("memory for keys: %w", err)
	}
	if err := unix.Mlock(mem); err != nil {
		// The limit of locked memory is small on some systems. Without the
		// lock keys are as safe as the swap space is.
		lockWarning.Do(func() {
			log.Warn("memory for keys cannot be locked; raise RLIMIT_MEMLOCK (LimitMEMLOCK= of systemd)", "err", err)
		})
	}
	// Kernels without these flags do without.
	unix.Madvise(mem, unix.MADV_DONTDUMP)
	unix.Madvise(mem, unix.MADV_DONTFORK)
	return &keyMemory{mem: mem}, nil
}

// read takes a key of n bytes, at most limit, from in. It is valid until
// erase.
func (k *keyMemory) read(in *virtq.Cursor, n, limit uint32) ([]byte, error) {
	if n > limit || uint64(n) > uint64(len(k.mem)-k.used) {
		return nil, fmt.Errorf("%w: a key of %d bytes, at most %d are taken", ErrParams, n, limit)
	}
	key := k.mem[k.used : k.used+int(n) : k.used+int(n)]
	k.used += int(n)
	if in.Read(key) != int(n) {
		return nil, fmt.Errorf("%w: the key is shorter than its length says", ErrParams)
	}
	return key, nil
}

// erase zeroes the keys that were read.
func (k *keyMemory) erase() {
	clear(k.mem[:k.used])
	k.used = 0
}

// free gives the memory back.
func (k *keyMemory) free() {
	k.erase()
	unix.Munmap(k.mem)
	k.mem = nil
}

// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNotifyDoesNotWait: a peer may give an eventfd that blocks, and fill it.
func TestNotifyDoesNotWait(t *testing.T) {
	for name, flags := range map[string]int{"blocking": 0, "not blocking": unix.EFD_NONBLOCK} {
		t.Run(name, func(t *testing.T) {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|flags)
			if err != nil {
				t.Fatal(err)
			}
			e := EventFromFD(fd)
			defer e.Close()
			e.Notify()
			if pollRead(0, fd)[0] != readable {
				t.Error("not signalled")
			}
			e.Drain()
			full := binary.NativeEndian.AppendUint64(nil, math.MaxUint64-1)
			if _, err := unix.Write(fd, full); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				e.Notify()
			}()
			select {
			case <-done:
			case <-time.After(2 * time.Minute):
				t.Error("Notify waits")
				e.Drain() // let it go
				<-done
			}
		})
	}
}

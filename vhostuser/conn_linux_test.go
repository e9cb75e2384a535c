// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestIdleIsInterrupted: a signal, which is nothing but a signal, does not
// make a quiet connection one that is waited for without end.
func TestIdleIsInterrupted(t *testing.T) {
	ours, theirs, err := SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	c := NewConn(theirs)
	defer c.Close()
	thread := make(chan int)
	result := make(chan bool)
	go func() {
		runtime.LockOSThread() // ends with the goroutine
		thread <- unix.Gettid()
		result <- c.idle(300 * time.Millisecond)
	}()
	tid := <-thread
	end := time.After(patience)
	for {
		select {
		case idle := <-result:
			if !idle {
				t.Error("a connection on which nothing came is not idle")
			}
			return
		case <-end:
			t.Fatal("interrupted, idle waits for a message")
		case <-time.After(20 * time.Millisecond):
			// The runtime's own, which it takes at any time.
			unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package sock_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/sock"
)

// TestIdleThroughSignals: signals, such as the Go runtime sends its threads
// all the time, do not make a silence last until the next message.
func TestIdleThroughSignals(t *testing.T) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	var tid atomic.Int64
	done := make(chan bool)
	const silence = 100 * time.Millisecond
	begin := time.Now()
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tid.Store(int64(unix.Gettid()))
		done <- sock.Idle(conn, silence)
	}()
	for end := time.After(time.Minute); ; {
		select {
		case idle := <-done:
			if !idle {
				t.Error("something came")
			}
			if took := time.Since(begin); took < silence {
				t.Errorf("only %v", took)
			}
			peer.Write([]byte{1})
			if sock.Idle(conn, time.Minute) {
				t.Error("nothing came")
			}
			return
		case <-end:
			t.Fatal("it waits for a message")
		case <-time.After(5 * time.Millisecond):
			if id := tid.Load(); id != 0 {
				unix.Tgkill(os.Getpid(), int(id), unix.SIGURG) // as the runtime does
			}
		}
	}
}

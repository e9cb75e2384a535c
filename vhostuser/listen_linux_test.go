// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// served is a listener that serves echo devices.
type served struct {
	made   atomic.Int64
	cancel context.CancelFunc
	done   chan error
}

func serve(t *testing.T, l *Listener) *served {
	t.Helper()
	s := &served{done: make(chan error, 1)}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(t.Context())
	go func() {
		s.done <- l.Serve(ctx, func() (*virtio.Instance, Extension, error) {
			s.made.Add(1)
			return virtio.NewInstance(&echo{queues: 2}, virtio.Options{}), nil, nil
		}, Options{})
	}()
	t.Cleanup(func() {
		s.cancel()
		l.Close()
	})
	return s
}

func (s *served) end(t *testing.T) {
	t.Helper()
	s.cancel()
	select {
	case err := <-s.done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Serve does not end")
	}
}

// visit connects, does a few requests and leaves after so many steps.
func visit(t *testing.T, fe *FrontEnd, m *SharedMemory, steps int) {
	t.Helper()
	r := &rig{t: t, fe: fe, log: new(logBuffer)}
	defer fe.Close()
	fe.Timeout = patience
	if steps == 0 {
		return
	}
	r.negotiate()
	if steps == 1 {
		return
	}
	m.Memory = virtqdrv.Memory{Data: m.Data, Addr: m.Addr} // nothing is cut from it
	r.must(fe.ShareMemory(m))
	if steps == 2 {
		return
	}
	q := r.start(m, 0)
	if steps == 3 {
		return
	}
	q.roundTrip()
	q.submit() // and leave with a request in flight
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }

func TestAThousandConnects(t *testing.T) {
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, l)
	m, err := NewSharedMemory(testMemory, testGuestAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	connect := func(steps int) {
		t.Helper()
		fe, err := Dial(path)
		if err != nil {
			t.Fatal(err)
		}
		visit(t, fe, m, steps)
	}
	connect(4)
	eventually(t, "the first connection's device", func() bool { return s.made.Load() == 1 })
	before := count(t)
	for i := range 1000 {
		connect(i % 5)
	}
	eventually(t, "the last connection", func() bool { return s.made.Load() == 1001 })
	before.same(t)
	s.end(t)
}

func TestSocketFile(t *testing.T) {
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Lstat(path)
	if err != nil || st.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if err := l.Chmod(0o660); err != nil {
		t.Error(err)
	}
	if st, _ := os.Lstat(path); st.Mode().Perm() != 0o660 {
		t.Errorf("%v", st.Mode())
	}

	// It is in use, whether or not anybody is served.
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second listener: %v", err)
	}
	s := serve(t, l)
	fe, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer fe.Close()
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second listener: %v", err)
	}
	s.end(t) // with a front-end connected
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays behind: %v", err)
	}
}

func TestLiveSocketWithAFullBacklog(t *testing.T) {
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for {
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second listener: %v", err)
	}
}

func TestStaleSocket(t *testing.T) {
	path := socketPath(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close() // as a process does that dies
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, l)
	fe, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewSharedMemory(testMemory, testGuestAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	visit(t, fe, m, 4)
	s.end(t)

	// What another made in its place is not removed.
	os.Remove(path)
	other, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("another's socket was removed: %v", err)
	}
	other.Close()
}

func TestPathsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "file")
	if err := os.WriteFile(plain, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{plain, dir, filepath.Join(dir, "no", "s"), filepath.Join(dir, strings.Repeat("x", 120))} {
		l, err := Listen(path)
		if err == nil {
			l.Close()
			t.Errorf("listening on %s", path)
		}
		t.Log(err)
	}
	if b, _ := os.ReadFile(plain); string(b) != "precious" {
		t.Error("a file was overwritten")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d entries", len(entries))
	}
}

func TestInheritedSockets(t *testing.T) {
	m, err := NewSharedMemory(testMemory, testGuestAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()

	t.Run("connected", func(t *testing.T) {
		ours, theirs, err := SocketPair()
		if err != nil {
			t.Fatal(err)
		}
		l, err := FromFD(inherit(t, theirs))
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, l)
		visit(t, NewFrontEnd(ours), m, 4)
		select {
		case err := <-s.done: // by itself
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("Serve does not end with its connection")
		}
	})
	t.Run("listening", func(t *testing.T) {
		path := socketPath(t)
		ul, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		ul.SetUnlinkOnClose(false)
		l, err := FromFD(inherit(t, ul))
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, l)
		for range 3 {
			fe, err := Dial(path)
			if err != nil {
				t.Fatal(err)
			}
			visit(t, fe, m, 4)
		}
		s.end(t)
		l.Close()
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("a socket made by others was removed: %v", err)
		}
	})
	t.Run("something else", func(t *testing.T) {
		before := count(t)
		for _, path := range []string{os.DevNull, "/proc/self/exe"} {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := FromFD(inherit(t, f)); err == nil {
				t.Error("it was taken for a socket")
			}
		}
		if _, err := FromFD(-1); err == nil {
			t.Error("-1 was taken for a socket")
		}
		if _, err := FromFD(1 << 20); err == nil {
			t.Error("a descriptor that is not open was taken for a socket")
		}
		before.same(t)
	})
}

func TestOneAfterTheOther(t *testing.T) {
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, l)
	first, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Queues(); err != nil {
		t.Fatal(err)
	}
	second, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.Timeout = unhurried
	if _, err := second.Queues(); err == nil {
		t.Error("two are served at once")
	}
	if s.made.Load() != 1 {
		t.Errorf("%d devices", s.made.Load())
	}
	first.Close()
	second.Timeout = patience
	if _, err := second.Receive(ReqGetQueueNum); err != nil {
		t.Errorf("the second: %v", err)
	}
	s.end(t)
}

func TestFactoryFails(t *testing.T) {
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	broken := errors.New("no engine")
	done := make(chan error, 1)
	go func() {
		done <- l.Serve(t.Context(), func() (*virtio.Instance, Extension, error) { return nil, nil, broken }, Options{})
	}()
	fe, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer fe.Close()
	if err := <-done; !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestCancelWhileAPeerStalls: half a message must not keep the back-end.
func TestCancelWhileAPeerStalls(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.fe.SendRaw([]byte{1, 2, 3}))
	r.stop()
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	// Nor must answers that nobody reads.
	r = newRig(t, nil)
	r.fe.sendDeadline(t, unhurried)
	for r.fe.Send(ReqGetFeatures, nil) == nil {
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Error(err)
	}
}

// sendDeadline makes sends fail once the back-end takes no more.
func (fe *FrontEnd) sendDeadline(t *testing.T, d time.Duration) {
	t.Helper()
	if err := fe.conn.uc.SetWriteDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// inherit gives a copy of a descriptor as a process finds it at its start,
// and closes the original.
func inherit(t *testing.T, f interface{ Close() error }) int {
	t.Helper()
	defer f.Close()
	file, ok := f.(*os.File)
	if !ok {
		var err error
		if file, err = f.(interface{ File() (*os.File, error) }).File(); err != nil {
			t.Fatal(err)
		}
		defer file.Close()
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

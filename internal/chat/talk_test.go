// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vcrypto/cryptodev/abi"
	"vcrypto/cryptodev/cryptodevtest"
	_ "vcrypto/engine/gocrypto"
	"vcrypto/internal/chat/place"
	"vcrypto/internal/chat/wire"
)

// patience is how long a test waits for what must happen.
const patience = 3 * time.Minute

// end is a Chat whose output and log can be read while it runs.
type end struct {
	Chat
	out, log shared
}

// shared is a buffer for two goroutines.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// await waits until the buffer contains text.
func (s *shared) await(t *testing.T, text string) {
	t.Helper()
	for start := time.Now(); !strings.Contains(s.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("%q does not come; there is %q", text, s.String())
		}
	}
}

func newEnd(t *testing.T, in io.Reader) *end {
	t.Helper()
	p, err := place.Open("gocrypto")
	if err != nil {
		t.Fatal(err)
	}
	e := &end{}
	e.Chat = Chat{
		In: NewInput(in, false), Out: NewOutput(&e.out, false),
		Log:   func(f string, a ...any) { fmt.Fprintf(&e.log, f+"\n", a...) },
		Key:   []byte("0123456789abcdef0123456789abcdef"),
		Place: p,
		Wait:  -1,
	}
	return e
}

// serve starts a listener and returns its address; its error comes from the
// channel.
func (e *end) serve(t *testing.T, once bool) (string, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ended := make(chan struct{})
	go func() { defer close(ended); done <- e.Serve(ctx, l, once) }()
	t.Cleanup(func() { cancel(); <-ended })
	return l.Addr().String(), done
}

func wait(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("it does not end")
		return nil
	}
}

// open returns an input that stays open after text.
func open(t *testing.T, text string) io.Reader {
	r, w := io.Pipe()
	go io.WriteString(w, text)
	t.Cleanup(func() { w.Close() })
	return r
}

func TestSilentPeerKeepsNobodyOut(t *testing.T) {
	l := newEnd(t, strings.NewReader(""))
	l.handshakeTimeout = time.Second
	addr, _ := l.serve(t, false)
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := newEnd(t, strings.NewReader("hello"))
	if err := c.Connect(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
	l.out.await(t, "hello")
	l.log.await(t, "refused: not authenticated: the peer does not speak encrypted vchat: it said nothing in time")
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the silent peer got %d bytes, %v", n, err)
	}
}

func TestSilentListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := newEnd(t, strings.NewReader("hello"))
	c.handshakeTimeout = 50 * time.Millisecond
	if err := c.Connect(t.Context(), l.Addr().String()); !errors.Is(err, ErrUnproved) {
		t.Errorf("error is %v", err)
	}
}

// TestCancel: a user who leaves ends every stage without an error.
func TestCancel(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	l := newEnd(t, open(t, ""))
	addr, _ := l.serve(t, false)
	for name, c := range map[string]struct{ addr, until string }{
		"handshake":    {silent.Addr().String(), ""},
		"conversation": {addr, "connected"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			e := newEnd(t, open(t, "hello"))
			done := make(chan error, 1)
			go func() { done <- e.Connect(ctx, c.addr) }()
			e.log.await(t, c.until)
			cancel()
			if err := wait(t, done); err != nil {
				t.Error(err)
			}
		})
	}
	l.log.await(t, ErrLeft.Error())
}

// TestPeerDoesNotRead: leaving works although the sender is stuck.
func TestPeerDoesNotRead(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newEnd(t, open(t, ""))
	stuck, w := io.Pipe() // nobody reads: the listener's output takes nothing
	defer w.Close()
	defer stuck.Close()
	l.Out = NewOutput(w, false)
	addr, _ := l.serve(t, false)
	var sent atomic.Int64
	c := newEnd(t, readerFunc(func(p []byte) (int, error) { sent.Add(int64(len(p))); return len(p), nil }))
	done := make(chan error, 1)
	go func() { done <- c.Connect(ctx, addr) }()
	for last := int64(-1); sent.Load() == 0 || sent.Load() != last; time.Sleep(200 * time.Millisecond) {
		last = sent.Load() // until the sender is stuck
	}
	cancel()
	if err := wait(t, done); err != nil {
		t.Error(err)
	}
	stuck.Close()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestDeviceFails: EIO in the middle ends the conversation with an error that
// says so; the peer gets nothing of what could not be encrypted.
func TestDeviceFails(t *testing.T) {
	for name, c := range map[string]struct{ listener bool }{"sender": {false}, "receiver": {true}} {
		t.Run(name, func(t *testing.T) {
			var fails atomic.Bool
			node := &cryptodevtest.Node{Fail: func(request uintptr) error {
				if fails.Load() && (request == abi.CIOCCRYPT || request == abi.CIOCAUTHCRYPT) {
					return syscall.EIO
				}
				return nil
			}}
			p, err := place.FromDevice(node.Open(t))
			if err != nil {
				t.Fatal(err)
			}
			in, feed := io.Pipe()
			l, e := newEnd(t, open(t, "")), newEnd(t, in)
			if c.listener {
				l.Place = p
			} else {
				e.Place = p
			}
			addr, served := l.serve(t, true)
			done := make(chan error, 1)
			go func() { done <- e.Connect(t.Context(), addr) }()
			io.WriteString(feed, "first")
			l.out.await(t, "first")
			fails.Store(true)
			io.WriteString(feed, "attack at dawn")
			atDevice, atPeer := (<-chan error)(done), served
			if c.listener {
				atDevice, atPeer = served, done
			}
			if err := wait(t, atDevice); !errors.Is(err, wire.ErrCipher) || !errors.Is(err, syscall.EIO) {
				t.Errorf("at the device: %v", err)
			}
			if err := wait(t, atPeer); !errors.Is(err, ErrBroken) {
				t.Errorf("at the peer: %v", err)
			}
			if l.out.String() != "first" {
				t.Errorf("the peer showed %q", l.out.String())
			}
			feed.Close()
		})
	}
}

// TestOutputFails: the peer is told, and both know that something is lost.
func TestOutputFails(t *testing.T) {
	l := newEnd(t, open(t, ""))
	r, w := io.Pipe()
	r.CloseWithError(syscall.EPIPE)
	l.Out = NewOutput(w, false)
	addr, served := l.serve(t, false)
	c := newEnd(t, open(t, "hello"))
	if err := c.Connect(t.Context(), addr); !errors.Is(err, ErrLeft) {
		t.Errorf("at the peer: %v", err)
	}
	if err := wait(t, served); !errors.Is(err, ErrLocal) || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("at the listener: %v", err)
	}
}

func TestInputFails(t *testing.T) {
	l := newEnd(t, open(t, ""))
	addr, _ := l.serve(t, false)
	c := newEnd(t, readerFunc(func([]byte) (int, error) { return 0, syscall.EIO }))
	if err := c.Connect(t.Context(), addr); !errors.Is(err, ErrLocal) {
		t.Errorf("error is %v", err)
	}
	l.log.await(t, ErrLeft.Error())
}

// TestWait: a listener whose input stays open lets the next peer in.
func TestWait(t *testing.T) {
	for _, plain := range []bool{false, true} {
		l := newEnd(t, open(t, "from the listener"))
		l.Wait = 100 * time.Millisecond
		if plain {
			l.Key = nil
		}
		addr, _ := l.serve(t, false)
		for i := range 3 {
			c := newEnd(t, strings.NewReader(fmt.Sprintf("peer %d", i)))
			c.Key = l.Key
			if err := c.Connect(t.Context(), addr); err != nil {
				t.Fatal(err)
			}
			if i == 0 && c.out.String() != "from the listener" {
				t.Errorf("the first peer got %q", c.out.String())
			}
		}
		l.out.await(t, "peer 0peer 1peer 2")
	}
}

// TestTerminalInput: at a listener's terminal Ctrl-D ends a conversation, and
// the program when nobody is there; what is typed to nobody is not kept for
// the next.
func TestTerminalInput(t *testing.T) {
	typed := make(chan string)
	l := newEnd(t, nil)
	l.In = NewInput(readerFunc(func(p []byte) (int, error) {
		s := <-typed
		if s == "^D" {
			return 0, io.EOF
		}
		return copy(p, s), nil
	}), true)
	addr, served := l.serve(t, false)
	typed <- "is anybody there?\n"
	l.log.await(t, "nobody is connected")

	c := newEnd(t, open(t, "hello\n"))
	c.Wait = 0 // ends when the listener has
	done := make(chan error, 1)
	go func() { done <- c.Connect(t.Context(), addr) }()
	l.out.await(t, "hello\n")
	typed <- "hello, peer\n"
	c.out.await(t, "hello, peer\n")
	typed <- "^D"
	if err := wait(t, done); err != nil {
		t.Error(err)
	}
	l.log.await(t, "left")
	if strings.Contains(c.out.String(), "anybody") {
		t.Error("the peer got what was typed to nobody")
	}
	typed <- "^D"
	if err := wait(t, served); err != nil {
		t.Error(err)
	}
}

// TestFlood: more strangers than there are places, all silent, do not stop
// the listener for longer than the handshake's timeout.
func TestFlood(t *testing.T) {
	l := newEnd(t, strings.NewReader(""))
	l.handshakeTimeout = 2 * time.Second
	addr, _ := l.serve(t, false)
	for range maxGreets + 8 {
		s, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	c := newEnd(t, strings.NewReader("hello"))
	c.handshakeTimeout = patience
	if err := c.Connect(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
	l.out.await(t, "hello")
}

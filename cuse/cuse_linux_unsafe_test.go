// SPDX-License-Identifier: Apache-2.0

//go:build linux

package cuse

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"testing"
	"unsafe"
)

// kernel plays the kernel's part of an ioctl: it copies what is asked for and
// asks again, until the call has a result. memory is the caller's, from
// address 0x1000 on.
type kernel struct {
	t      *testing.T
	memory []byte
	rounds int
}

const base = 0x1000

func (k *kernel) at(s Span) []byte {
	if s.Addr < base || s.Addr-base+s.Len > uint64(len(k.memory)) {
		return nil
	}
	return k.memory[s.Addr-base:][:s.Len]
}

func (k *kernel) ioctl(s *server, pid int, cmd uint32) (result int32, errno syscall.Errno) {
	k.t.Helper()
	var in, out []Span
	for k.rounds = 1; k.rounds < 20; k.rounds++ {
		var data []byte
		room := 0
		for _, span := range in {
			b := k.at(span)
			if b == nil {
				return 0, syscall.EFAULT
			}
			data = append(data, b...)
		}
		for _, span := range out {
			room += int(span.Len)
		}
		body := order.AppendUint64(nil, 1)
		for _, v := range []uint32{0, cmd} {
			body = order.AppendUint32(body, v)
		}
		body = order.AppendUint64(body, base)
		body = order.AppendUint32(body, uint32(len(data)))
		body = order.AppendUint32(body, uint32(room))
		answer, errno := s.ioctl(header{pid: uint32(pid)}, append(body, data...), make([]byte, outHeaderSize), new(Call))
		if errno != 0 {
			return 0, errno
		}
		b := answer[outHeaderSize:]
		if order.Uint32(b[4:])&ioctlRetry == 0 {
			b := b[ioctlOutSize:]
			if len(b) > room {
				k.t.Fatalf("%d bytes in room for %d", len(b), room)
			}
			for _, span := range out {
				n := copy(k.at(span), b)
				b = b[n:]
			}
			return int32(order.Uint32(answer[outHeaderSize:])), 0
		}
		nin, nout := int(order.Uint32(b[8:])), int(order.Uint32(b[12:]))
		b = b[ioctlOutSize:]
		if len(b) != (nin+nout)*iovecSize {
			k.t.Fatalf("%d and %d spans in %d bytes", nin, nout, len(b))
		}
		var spans []Span
		for ; len(b) > 0; b = b[iovecSize:] {
			spans = append(spans, Span{order.Uint64(b), order.Uint64(b[8:])})
		}
		in, out = spans[:nin], spans[nin:]
	}
	k.t.Fatal("the call never ends")
	return 0, 0
}

// turner is a file that turns bytes around: a struct of an address and a
// length tells which.
type turner struct{ told error }

func (f turner) Ioctl(c *Call) error {
	if c.Cmd != 1 {
		return syscall.ENOTTY
	}
	self := []Span{{c.Arg, 16}}
	if err := c.Prepare(self, self); err != nil {
		return err
	}
	var b [16]byte
	if err := c.Read(c.Arg, b[:]); err != nil {
		return err
	}
	data := Span{order.Uint64(b[:]), order.Uint64(b[8:])}
	if err := c.Prepare([]Span{data}, []Span{data}); err != nil {
		return err
	}
	p := make([]byte, data.Len)
	if err := c.Read(data.Addr, p); err != nil {
		return err
	}
	slices.Reverse(p)
	copy(b[8:], "reversed")
	return errors.Join(c.Write(c.Arg, b[:]), c.Write(data.Addr, p), f.told)
}

// teller writes a word and reads nothing.
type teller struct{ turner }

func (teller) Ioctl(c *Call) error {
	if err := c.Prepare(nil, []Span{{c.Arg, 4}}); err != nil {
		return err
	}
	return c.Write(c.Arg, []byte("word"))
}

func (turner) Poll() (bool, bool) { return false, true }
func (turner) Close()             {}

func serverOf(f File) *server {
	return &server{log: slog.New(slog.DiscardHandler), files: map[uint64]*openFile{1: {File: f}}}
}

// TestRounds: a call whose memory is known only when part of it was read.
func TestRounds(t *testing.T) {
	k := &kernel{t: t, memory: make([]byte, 64)}
	order.PutUint64(k.memory, base+20)
	order.PutUint64(k.memory[8:], 5)
	copy(k.memory[20:], "hello")
	if r, errno := k.ioctl(serverOf(turner{}), 0, 1); r != 0 || errno != 0 {
		t.Fatal(r, errno)
	}
	if string(k.memory[8:16]) != "reversed" || string(k.memory[20:26]) != "olleh\x00" {
		t.Errorf("memory: %q", k.memory)
	}
	if k.rounds != 3 {
		t.Errorf("%d rounds, want 3", k.rounds)
	}

	if r, errno := k.ioctl(serverOf(teller{}), 0, 1); r != 0 || errno != 0 || string(k.memory[:4]) != "word" {
		t.Errorf("a call that only writes: %d, %v, %q", r, errno, k.memory[:4])
	}
	if _, errno := k.ioctl(serverOf(turner{}), 0, 2); errno != syscall.ENOTTY {
		t.Errorf("an error: %v", errno)
	}
	order.PutUint64(k.memory, base+20)
	order.PutUint64(k.memory[8:], 5)
	r, errno := k.ioctl(serverOf(turner{&Told{syscall.EPROTO}}), 0, 1)
	if errno != 0 || r != -int32(syscall.EPROTO) || string(k.memory[20:25]) != "hello" {
		t.Errorf("an error that was told with memory: %d, %v, %q", r, errno, k.memory)
	}
	order.PutUint64(k.memory, 8)
	order.PutUint64(k.memory[8:], 5)
	if _, errno := k.ioctl(serverOf(turner{}), 0, 1); errno != syscall.EFAULT {
		t.Errorf("a bad address: %v", errno)
	}
}

// TestFar: what no round can carry is read and written directly.
func TestFar(t *testing.T) {
	const n = maxRound + 1000
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * 7 / 3)
	}
	want := bytes.Clone(data)
	slices.Reverse(want)
	k := &kernel{t: t, memory: make([]byte, 64)}
	far := func(pid int, addr uint64) (int32, syscall.Errno) {
		order.PutUint64(k.memory, addr)
		order.PutUint64(k.memory[8:], n)
		return k.ioctl(serverOf(turner{}), pid, 1)
	}
	addr := uint64(uintptr(unsafe.Pointer(&data[0])))
	if r, errno := far(os.Getpid(), addr); r != 0 || errno != 0 {
		t.Fatal(r, errno)
	}
	if !bytes.Equal(data, want) {
		t.Error("wrong data")
	}
	if _, errno := far(os.Getpid(), 8); errno != syscall.EFAULT {
		t.Errorf("a bad address: %v", errno)
	}
	if _, errno := far(0, addr); errno != syscall.EMSGSIZE {
		t.Errorf("a caller of another namespace: %v", errno)
	}
}

// TestTruncated: no request, cut anywhere, does harm.
func TestTruncated(t *testing.T) {
	s := serverOf(turner{})
	full := order.AppendUint64(nil, 1)
	full = order.AppendUint64(full, 1<<32) // cmd 1
	full = append(full, make([]byte, 60)...)
	for n := range full {
		b := full[:n]
		s.ioctl(header{}, b, make([]byte, outHeaderSize), new(Call))
		s.poll(b, make([]byte, outHeaderSize))
		if n < releaseInSize {
			s.release(b)
		}
		whole := append(make([]byte, 0, inHeaderSize+n), make([]byte, inHeaderSize)...)
		whole = append(whole, b...)
		order.PutUint32(whole, uint32(len(whole)))
		if _, _, err := parse(whole); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, _, err := parse(whole[:inHeaderSize-1]); err == nil {
			t.Error("a short header passed")
		}
	}
}

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{"crypto": true, "a-b": true, "": false, "..": false, "a/b": false, "a=b": false, "a\nb": false} {
		if err := checkName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

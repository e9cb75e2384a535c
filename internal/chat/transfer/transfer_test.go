// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// offered returns a file of random content on offer.
func offered(t *testing.T, size int) (*Outgoing, []byte) {
	t.Helper()
	content := make([]byte, size)
	rand.Read(content)
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o, content
}

// carry carries at most so many blocks, each as it travels.
func carry(t *testing.T, o *Outgoing, i *Incoming, most int) {
	t.Helper()
	for !i.Complete() {
		next := i.Next()
		r, err := ParseRequest(next.Append(nil))
		if err != nil || r != next {
			t.Fatalf("%+v became %+v, %v", next, r, err)
		}
		for ; r.Blocks > 0 && r.Offset < o.Size; r.Blocks-- {
			if most--; most < 0 {
				return
			}
			b, next, err := o.AppendBlock(nil, r.Offset)
			if err != nil {
				t.Fatal(err)
			}
			id, offset, data, err := ParseBlock(b)
			if err != nil || id != o.ID || offset != r.Offset {
				t.Fatalf("a block of %x at %d, %v", id, offset, err)
			}
			if taken, err := i.Arrived(offset, data); !taken || err != nil {
				t.Fatalf("the block at %d: %v, %v", offset, taken, err)
			}
			if taken, err := i.Arrived(offset, data); taken || err != nil {
				t.Fatalf("the block at %d was taken twice, %v", offset, err)
			}
			r.Offset = next
		}
	}
}

// TestTransfer: files of all sizes come, go on where they were cut, and do
// not write over another of the same name.
func TestTransfer(t *testing.T) {
	for _, size := range []int{0, 1, BlockSize, BlockSize + 1, 3*Run*BlockSize + 5} {
		o, content := offered(t, size)
		folder := t.TempDir()
		os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("mine"), 0o600)
		first := &Incoming{Offer: o.Offer}
		if err := first.Take(folder); err != nil {
			t.Fatal(err)
		}
		second := &Incoming{Offer: o.Offer}
		if err := second.Take(folder); err == nil {
			t.Error("the same file was taken twice at once")
		}
		carry(t, o, first, 20)
		first.Close()
		if err := second.Take(folder); err != nil {
			t.Fatal(err)
		}
		if second.Have() != first.Have() {
			t.Errorf("it goes on at %d after %d bytes came", second.Have(), first.Have())
		}
		carry(t, o, second, 1<<20)
		saved, err := second.Finish(folder)()
		got, _ := os.ReadFile(saved)
		if err != nil || !bytes.Equal(got, content) || filepath.Base(saved) != "notes-1.txt" {
			t.Errorf("%s with %d bytes, %v", saved, len(got), err)
		}
		second.Close()
	}
}

// TestNotTheFile: what came is not what was offered.
func TestNotTheFile(t *testing.T) {
	o, _ := offered(t, 1000)
	o.Sum[0] ^= 1
	folder := t.TempDir()
	i := &Incoming{Offer: o.Offer}
	if err := i.Take(folder); err != nil {
		t.Fatal(err)
	}
	carry(t, o, i, 1)
	saved, err := i.Finish(folder)()
	if err == nil || !strings.Contains(err.Error(), "SHA-256") || saved != "" {
		t.Errorf("saved as %q, %v", saved, err)
	}
	if all, _ := os.ReadDir(folder); len(all) != 0 {
		t.Errorf("there is %v", all)
	}
}

// TestTooMuch: no byte is kept beyond the size, whatever comes.
func TestTooMuch(t *testing.T) {
	o, content := offered(t, 100)
	i := &Incoming{Offer: o.Offer}
	if err := i.Take(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	for offset, b := range map[int64][]byte{0: append(content, 1), 1: content[1:], 1 << 62: content, -1: content} {
		if taken, err := i.Arrived(offset, b); taken || err != nil {
			t.Errorf("%d bytes at %d: %v, %v", len(b), offset, taken, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, path := range []string{t.TempDir(), "/dev/null", "/nonexistent"} {
		if o, err := Open(path); err == nil {
			o.Close()
			t.Errorf("%s is on offer", path)
		}
	}
	o, _ := offered(t, 10)
	if _, _, err := o.AppendBlock(nil, 10); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// FuzzParse: whatever comes, what is taken from it is within bounds, and gives
// the same bytes.
func FuzzParse(f *testing.F) {
	o := Offer{Size: 5, Name: "../x"}
	f.Add(o.Marshal())
	r := Request{Offset: 7, Blocks: 3}
	f.Add(r.Append(nil))
	f.Add(make([]byte, BlockHead+1))
	f.Add((&Refusal{Reason: Changed}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := ParseOffer(b); err == nil && (o.Size < 0 || len(o.Name) > MaxName || !bytes.Equal(o.Marshal(), b)) {
			t.Errorf("the offer %x is %+v", b, o)
		}
		if r, err := ParseRequest(b); err == nil && (r.Offset < 0 || r.Blocks < 0 || r.Blocks > Run) {
			t.Errorf("the request %x is %+v", b, r)
		}
		if r, err := ParseRefusal(b); err == nil && !bytes.Equal(r.Append(nil), b) {
			t.Errorf("the refusal %x is %+v", b, r)
		}
		if _, offset, data, err := ParseBlock(b); err == nil && (offset < 0 || len(data) == 0 || len(data) > BlockSize) {
			t.Errorf("the block %x is %d bytes at %d", b, len(data), offset)
		}
	})
}

// TestNoWait: what is no regular file is refused at once, and not opened: a
// FIFO would wait for somebody to write.
func TestNoWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		o, err := Open(path)
		if err == nil {
			o.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("a FIFO: %v", err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("it waits for a writer")
	}
	if o, err := Open("/dev/zero"); err == nil {
		o.Close()
		t.Error("a device is on offer")
	}
}

// TestChanged: a file that is longer or shorter than it was is not sent on,
// not even the part that was there.
func TestChanged(t *testing.T) {
	for what, change := range map[string]func(path string) error{
		"longer":   func(path string) error { return os.Truncate(path, 3*BlockSize+100) },
		"shorter":  func(path string) error { return os.Truncate(path, 2*BlockSize) },
		"nothing":  func(path string) error { return os.Truncate(path, 0) },
		"one more": func(path string) error { return os.Truncate(path, 2*BlockSize+101) },
	} {
		o, _ := offered(t, 2*BlockSize+100)
		if _, _, err := o.AppendBlock(nil, 0); err != nil {
			t.Fatal(err)
		}
		if err := change(o.file.Name()); err != nil {
			t.Fatal(err)
		}
		for offset := int64(0); offset < o.Size; offset += BlockSize {
			if b, _, err := o.AppendBlock(nil, offset); !errors.Is(err, ErrChanged) || b != nil || WhyNot(err) != Changed {
				t.Errorf("%s, at %d: %d bytes, %v", what, offset, len(b), err)
			}
		}
	}
}

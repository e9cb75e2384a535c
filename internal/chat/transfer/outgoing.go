// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Outgoing is a file that is offered. Close it.
type Outgoing struct {
	Offer
	file *os.File
}

// ErrChanged: the file is longer or shorter than it was.
var ErrChanged = errors.New("it is longer or shorter by now than when it was read: offer it again when nobody writes to it")

// Open opens a file to offer it: it is read once, for its SHA-256.
func Open(path string) (*Outgoing, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", path, err)
	}
	o := Offer{Name: filepath.Base(path), Size: size}
	if len(o.Name) > MaxName {
		o.Name = o.Name[:MaxName]
	}
	o.Name = strings.ToValidUTF8(o.Name, "_")
	rand.Read(o.ID[:]) // never fails (crypto/rand)
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, size+1)) // or it may grow as fast as it is read
	if err == nil && n != size {
		err = ErrChanged
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("send %s: %w", path, err), f.Close())
	}
	h.Sum(o.Sum[:0])
	return &Outgoing{Offer: o, file: f}, nil
}

// openRegular opens a file, if it is one: a FIFO would wait for its writer, and
// a device may do something when it is opened.
func openRegular(path string) (*os.File, int64, error) {
	check := func(info os.FileInfo, err error) (int64, error) {
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("it is not a regular file")
		}
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	if _, err := check(os.Stat(path)); err != nil {
		return nil, 0, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be another by now
	if err != nil {
		return nil, 0, err
	}
	size, err := check(f.Stat())
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, size, nil
}

// AppendBlock appends the block at an offset, with its head. It may be shorter
// than BlockSize only where the file ends; io.EOF says that there is none
// there. ErrChanged says that the file is not what was offered.
func (f *Outgoing) AppendBlock(b []byte, offset int64) (block []byte, next int64, err error) {
	if offset >= f.Size {
		return nil, offset, io.EOF
	}
	info, err := f.file.Stat()
	if err == nil && info.Size() != f.Size {
		err = ErrChanged
	}
	if err != nil {
		return nil, offset, err
	}
	begin := len(b)
	b = append(b, f.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(offset))
	size := int(min(BlockSize, f.Size-offset))
	b = slices.Grow(b, size)[:len(b)+size]
	switch n, err := f.file.ReadAt(b[begin+BlockHead:], offset); {
	case n == size:
		return b, offset + int64(n), nil
	case errors.Is(err, io.EOF): // it was cut just now
		return nil, offset, ErrChanged
	default:
		return nil, offset, err
	}
}

// WhyNot is what the receiver is told of an error of AppendBlock.
func WhyNot(err error) Reason {
	if errors.Is(err, ErrChanged) {
		return Changed
	}
	return Unreadable
}

// Close lets the file go.
func (f *Outgoing) Close() error { return f.file.Close() }

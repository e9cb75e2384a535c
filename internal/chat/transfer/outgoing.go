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
)

// Outgoing is a file that is offered. Close it.
type Outgoing struct {
	Offer
	file *os.File
}

// Open opens a file to offer it: it is read once, for its SHA-256.
func Open(path string) (*Outgoing, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	o := Offer{Name: filepath.Base(path)}
	if len(o.Name) > MaxName {
		o.Name = o.Name[:MaxName]
	}
	o.Name = strings.ToValidUTF8(o.Name, "_")
	rand.Read(o.ID[:]) // never fails (crypto/rand)
	if err == nil {
		h := sha256.New()
		o.Size, err = io.Copy(h, f)
		h.Sum(o.Sum[:0])
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("send %s: %w", path, err), f.Close())
	}
	return &Outgoing{Offer: o, file: f}, nil
}

// AppendBlock appends the block at an offset, with its head. It may be shorter
// than BlockSize only where the file ends; io.EOF says that there is none.
func (f *Outgoing) AppendBlock(b []byte, offset int64) (block []byte, next int64, err error) {
	begin := len(b)
	b = append(b, f.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(offset))
	b = slices.Grow(b, BlockSize)[:len(b)+BlockSize]
	n, err := f.file.ReadAt(b[begin+BlockHead:], offset)
	if n == 0 {
		return nil, offset, err
	}
	return b[:begin+BlockHead+n], offset + int64(n), nil
}

// Close lets the file go.
func (f *Outgoing) Close() error { return f.file.Close() }

// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Incoming is a file that we were offered. One goroutine uses it at a time.
type Incoming struct {
	Offer
	part  *os.File // nil while it is not taken
	have  int64    // bytes that have come
	asked int64    // up to where
}

// Taken says whether it is being taken.
func (f *Incoming) Taken() bool { return f.part != nil }

// Have is how many bytes have come.
func (f *Incoming) Have() int64 { return f.have }

// Complete says that all bytes have come; they are not checked yet.
func (f *Incoming) Complete() bool { return f.have >= f.Size }

// Take begins to take the file in a folder, or goes on with what is there.
func (f *Incoming) Take(folder string) error {
	part, err := openPart(filepath.Join(folder, PartName(&f.Offer)))
	if err != nil {
		return fmt.Errorf("take %s: %w", FileName(f.Name), err)
	}
	info, err := part.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("take %s: %w", FileName(f.Name), err), part.Close())
	}
	have := int64(0)
	if info.Mode().IsRegular() && info.Size() <= f.Size {
		have = info.Size()
	} else if err := part.Truncate(0); err != nil {
		return errors.Join(fmt.Errorf("take %s: %w", FileName(f.Name), err), part.Close())
	}
	f.part, f.have, f.asked = part, have, 0
	return nil
}

// Next is the request for what comes next.
func (f *Incoming) Next() Request {
	f.asked = min(f.have+Run*BlockSize, f.Size)
	return Request{ID: f.ID, Offset: f.have, Blocks: Run}
}

// Arrived keeps a block, if it is the next. It says whether it was; what was
// asked for may come twice.
func (f *Incoming) Arrived(offset int64, b []byte) (next bool, err error) {
	if offset != f.have || len(b) == 0 || int64(len(b)) > f.Size-offset {
		return false, nil
	}
	if _, err := f.part.WriteAt(b, offset); err != nil {
		return false, err
	}
	f.have += int64(len(b))
	return true, nil
}

// Due says that all that was asked for has come.
func (f *Incoming) Due() bool { return f.have >= f.asked }

// Close stops taking the file. What has come stays.
func (f *Incoming) Close() {
	if f.part != nil {
		f.part.Close()
		f.part = nil
	}
}

// Finish returns what checks all that has come, and gives it its name in the
// folder: one that no file had. It may take long, and may be called by another
// goroutine; Close makes it fail.
func (f *Incoming) Finish(folder string) func() (saved string, err error) {
	part, o := f.part, f.Offer
	return func() (string, error) { return finish(part, folder, &o) }
}

// openPart opens the hidden file of a transfer, for one transfer at a time: who
// offers the same file, too, must not write into it, least of all when it has
// been checked and has its name.
func openPart(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("the same file is coming already, from somebody else or into another program: try again when that has ended")
		}
		return nil, errors.Join(err, f.Close())
	}
	mine, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Lstat(path); err == nil && !os.SameFile(mine, there) {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the same file has just come, or was removed: %w; try again", err), f.Close())
	}
	return f, nil
}

// PartName is what the hidden file is called.
func PartName(o *Offer) string { return ".vchat-" + hex.EncodeToString(o.Sum[:16]) + ".part" }

// finish checks what has come and gives it a name that no file had.
func finish(part *os.File, folder string, o *Offer) (saved string, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(part, 0, o.Size+1)); err != nil {
		return "", err
	}
	if [sha256.Size]byte(h.Sum(nil)) != o.Sum {
		return "", errors.Join(errors.New("what came is not the file that was offered: its SHA-256 is another; it was removed"), os.Remove(part.Name()))
	}
	if err := part.Sync(); err != nil {
		return "", err
	}
	name := FileName(o.Name)
	for n := 0; n < 1000; n++ {
		saved = filepath.Join(folder, name)
		if n > 0 {
			ext := filepath.Ext(name)
			saved = filepath.Join(folder, fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext))
		}
		f, err := os.OpenFile(saved, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if err := errors.Join(f.Close(), os.Rename(part.Name(), saved)); err != nil {
			return "", errors.Join(err, os.Remove(saved)) // it holds the place only
		}
		return saved, nil
	}
	return "", fmt.Errorf("there are 1000 files called %s", name)
}

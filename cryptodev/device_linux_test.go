// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/cryptodevtest"
)

// TestOpenErrors opens what is no node: the error has the errno and says what
// to do.
func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		want error
		hint string
	}{
		{filepath.Join(t.TempDir(), "none"), fs.ErrNotExist, "modprobe"},
		{file, unix.ENOTTY, "not a cryptodev node"},
	} {
		d, err := cryptodev.Open(tt.path)
		if err == nil {
			d.Close()
		}
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.hint) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("open %s: %v", tt.path, err)
		}
	}

	// A character device of another kind shows only when it is used.
	d, err := cryptodev.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: make([]byte, 16)})
	if !errors.Is(err, unix.ENOTTY) || !strings.Contains(err.Error(), "not a cryptodev node") {
		t.Errorf("session on %s: %v", os.DevNull, err)
	}
}

func TestErrorHints(t *testing.T) {
	for errno, hint := range map[unix.Errno]string{
		unix.EACCES: "group",
		unix.ENOENT: "modprobe virtio_cryptodev",
		unix.ENODEV: "gone",
		unix.ENOTTY: "not a cryptodev node",
	} {
		err := error(&cryptodev.Error{Op: "open", Path: "/dev/crypto", Err: errno})
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%v: no %q", err, hint)
		}
	}
}

// TestFromFD takes over a descriptor; it is not inherited any more.
func TestFromFD(t *testing.T) {
	path := os.Getenv(cryptodevtest.Env)
	if path == "" {
		path = os.DevNull // as good for this
	}
	fd, err := unix.Open(path, unix.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	d, err := cryptodev.FromFD(fd, path)
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, error %v: would be inherited", flags, err)
	}
	f, err := d.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Stat(); err != nil {
		t.Errorf("the copy went with the original: %v", err)
	}
	if _, err := d.File(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("copy of a closed device: %v", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("the descriptor is still there: %v", err)
	}
	if _, err := cryptodev.FromFD(fd, path); !errors.Is(err, unix.EBADF) {
		t.Errorf("from a closed descriptor: %v, want EBADF", err)
	}
}

// TestClone takes over what CRIOGET gives; a number below 0 is an error.
func TestClone(t *testing.T) {
	dev := cryptodev.New(cloner(-int32(unix.EMFILE)), "full")
	if _, err := dev.Clone(); !errors.Is(err, unix.EMFILE) {
		t.Errorf("clone without a free descriptor: %v, want EMFILE", err)
	}

	if os.Getenv(cryptodevtest.Env) == "" {
		fd, err := unix.Open(os.DevNull, unix.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		dev = cryptodev.New(cloner(fd), "full")
	} else {
		dev = cryptodevtest.Open(t)
	}
	clone, err := dev.Clone()
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Getenv(cryptodevtest.Env) != "" {
		if err := roundTrip(newSession(t, clone, cryptodev.AESCBC, random(16)), 4096, 0); err != nil {
			t.Errorf("on the clone: %v", err)
		}
	}
	if err := clone.Close(); err != nil {
		t.Error(err)
	}
}

// TestMapped works in memory that is mapped and shared, as a guest's is.
func TestMapped(t *testing.T) {
	s := newSession(t, cryptodevtest.Open(t), cryptodev.AESCBC, random(16))
	fd, err := unix.MemfdCreate("cryptodev-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const size = 64 << 10
	if err := unix.Ftruncate(fd, 2*size); err != nil {
		t.Fatal(err)
	}
	mem, err := unix.Mmap(fd, 0, 2*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	plain, iv := random(size), random(16)
	copy(mem, plain)
	if err := s.Encrypt(mem[size:], mem[:size], iv); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(mem[size:], plain) || !bytes.Equal(mem[:size], plain) {
		t.Error("not encrypted, or the source was changed")
	}
	if err := s.Decrypt(mem[size:], mem[size:], iv); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mem[size:], plain) {
		t.Error("decrypted data differ from the plaintext")
	}
}

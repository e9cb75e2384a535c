// SPDX-License-Identifier: Apache-2.0

// Package psk reads the chat's pre-shared key from where it may come from: a
// file, or the environment. It does not come from the command line, which
// everybody on a machine can read.
package psk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Env is the environment variable that may hold the key.
const Env = "VCHAT_PSK"

const (
	// MinSize is the least size of a key in bytes. Who answers a handshake in
	// the peer's place can try keys on it, as fast as they can compute HMACs:
	// 16 random bytes are beyond that, 16 letters of a sentence may not be.
	MinSize = 16
	// MaxSize is the largest size of a key in bytes: more is some other file.
	MaxSize = 4096
)

// howTo tells how to make a key that is good.
const howTo = "make one with: vchat keygen vchat.key"

// ErrNone: there is no key.
var ErrNone = errors.New("no pre-shared key: name its file with --psk-file FILE or set " + Env + " (" + howTo + "), agree on a --passphrase, or talk in the clear with --plain")

// Key is a pre-shared key. The owner zeroes it with clear when it is no
// longer needed.
type Key []byte

// Read reads the key from file, or, if file is "", from the environment. One
// line break at the end is not part of the key. warning is for the user, ""
// if all is well.
func Read(file string) (key Key, warning string, err error) {
	if file == "" {
		v, ok := os.LookupEnv(Env)
		if !ok {
			return nil, "", ErrNone
		}
		key, err = check([]byte(v), Env)
		return key, "", err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, "", fmt.Errorf("read the pre-shared key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, "", fmt.Errorf("read the pre-shared key: %w", err)
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 {
		warning = fmt.Sprintf("others on this machine may read or write the key file %s (mode %#o): chmod 600 %[1]s", file, mode.Perm())
	}
	b := make([]byte, MaxSize+len("\r\n")+1)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(b)
		return nil, "", fmt.Errorf("read the pre-shared key: %w", err)
	}
	key, err = check(b[:n], file)
	return key, warning, err
}

// check trims a line break and looks at the key's size. It takes b over.
func check(b []byte, from string) (Key, error) {
	key, ok := bytes.CutSuffix(b, []byte("\n"))
	if ok {
		key = bytes.TrimSuffix(key, []byte("\r"))
	}
	switch n := len(key); {
	case n == 0:
		return nil, fmt.Errorf("the pre-shared key in %s is empty: %s", from, howTo)
	case n < MinSize:
		clear(b)
		return nil, fmt.Errorf("the pre-shared key in %s has %d bytes, at least %d are needed: %s", from, n, MinSize, howTo)
	case n > MaxSize:
		clear(b)
		return nil, fmt.Errorf("the pre-shared key in %s has more than %d bytes: is it the right file?", from, MaxSize)
	}
	return key, nil
}

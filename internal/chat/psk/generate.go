// SPDX-License-Identifier: Apache-2.0

package psk

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
)

// Generate writes a new random key of 256 bits to a new file that nobody else
// may read. A file that is there is left alone: it is an error.
func Generate(file string) (err error) {
	var key [32]byte
	defer clear(key[:])
	rand.Read(key[:]) // never fails (crypto/rand)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make a key file: %w", err)
	}
	text := base64.StdEncoding.AppendEncode(nil, key[:])
	defer clear(text)
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(file) // half a key is none
		return fmt.Errorf("make a key file: %w", err)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Put writes a file of the guest, from r to its end. The folder must exist; what
// the file held before is gone. It also writes to files of /sys and /proc.
func (v *VM) Put(ctx context.Context, path string, r io.Reader, mode fs.FileMode) error {
	c := v.Command(ctx, "sh", "-c", `cat > "$1" && case $1 in /proc/*|/sys/*) ;; *) chmod "$2" "$1"; esac`,
		"put", path, fmt.Sprintf("%04o", mode.Perm()))
	c.Stdin = r
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("writing %s in the guest: %w: %s", path, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// Get copies a file of the guest to w.
func (v *VM) Get(ctx context.Context, path string, w io.Writer) error {
	c := v.Command(ctx, "cat", path)
	c.Stdout = w
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("reading %s in the guest: %w: %s", path, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// ReadFile returns the content of a file of the guest.
func (v *VM) ReadFile(ctx context.Context, path string) ([]byte, error) {
	var b bytes.Buffer
	err := v.Get(ctx, path, &b)
	return b.Bytes(), err
}

// WriteFile writes text to a file of the guest.
func (v *VM) WriteFile(ctx context.Context, path, text string, mode fs.FileMode) error {
	return v.Put(ctx, path, strings.NewReader(text), mode)
}

// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"cmp"
	"errors"
	"os"
	"sync"
)

// Device is an open cryptodev node. It is safe for concurrent use.
type Device struct {
	path string

	mu   sync.RWMutex // read-locked during each ioctl, so that Close waits for them
	conn Conn         // nil when closed

	flights flights
}

// Open opens a node, "" for /dev/crypto.
func Open(path string) (*Device, error) {
	path = cmp.Or(path, DefaultPath)
	c, err := openNode(path)
	if err != nil {
		return nil, &Error{opOpen, path, err}
	}
	return New(c, path), nil
}

// FromFD makes a Device of a descriptor that was opened elsewhere, such as
// one inherited from a parent process. It owns the descriptor, which is
// closed even if FromFD fails, and is no longer inherited by children. path
// is for messages.
func FromFD(fd int, path string) (*Device, error) {
	c, err := fdConn(fd)
	if err != nil {
		return nil, &Error{opOpen, path, err}
	}
	return New(c, path), nil
}

// New makes a Device that makes its calls on c, which it owns. path is for
// messages.
func New(c Conn, path string) *Device { return &Device{path: path, conn: c} }

// Path returns the node's path.
func (d *Device) Path() string { return d.path }

// Clone returns a second descriptor of the same open file, by the CRIOGET
// call that older programs begin with. Both see the same sessions.
func (d *Device) Clone() (*Device, error) {
	fd, err := d.clone()
	if err != nil {
		return nil, &Error{opClone, d.path, err}
	}
	return FromFD(fd, d.path)
}

// PublicKeys asks for the public key operations that the node has, a bit an
// operation (CRF_... of the API), by the call CIOCASYMFEAT. No driver for Linux
// has any.
func (d *Device) PublicKeys() (uint32, error) {
	ops, err := d.publicKeys()
	if err != nil {
		return 0, &Error{opFeatures, d.path, err}
	}
	return ops, nil
}

// File returns a second descriptor of the same open file, for a child process
// to inherit (exec.Cmd.ExtraFiles) and to make a Device of with [FromFD]. The
// caller closes it.
func (d *Device) File() (*os.File, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	err := os.ErrClosed
	if d.conn != nil {
		c, ok := d.conn.(interface {
			file(string) (*os.File, error)
		})
		if !ok {
			return nil, &Error{opFile, d.path, errors.ErrUnsupported}
		}
		var f *os.File
		if f, err = c.file(d.path); err == nil {
			return f, nil
		}
	}
	return nil, &Error{opFile, d.path, err}
}

// Close closes the node, after the calls that are under way. Its sessions end
// unless another process or a clone has the file open. A second Close returns
// os.ErrClosed, as do all calls on the sessions from now on. Requests that were
// submitted are waited for, and forgotten.
func (d *Device) Close() error {
	d.settle()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return &Error{opClose, d.path, os.ErrClosed}
	}
	err := d.conn.Close()
	d.conn = nil
	if err != nil {
		return &Error{opClose, d.path, err}
	}
	return nil
}

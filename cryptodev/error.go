// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"errors"
	"syscall"
)

// Error is the error of every call of this package.
type Error struct {
	Op   string // what was being done: "open", "new session", "encrypt", ...
	Path string // the node
	Err  error  // the cause; a syscall.Errno where the kernel gave it
}

// Error says what failed and, where that is known, what to do next.
func (e *Error) Error() string {
	s := "cryptodev: " + e.Op + " " + e.Path + ": " + e.Err.Error()
	if h := e.Hint(); h != "" {
		s += ": " + h
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Operations of Error.Op.
const (
	opOpen       = "open"
	opClose      = "close"
	opClone      = "clone"
	opFile       = "duplicate"
	opNewSession = "new session on"
	opEnd        = "end session on"
	opInfo       = "session info of"
	opEncrypt    = "encrypt on"
	opDecrypt    = "decrypt on"
	opSubmit     = "submit to"
	opFetch      = "fetch from"
	opHash       = "hash on"
	opCopyHash   = "copy a hash on"
	opSeal       = "seal on"
	opUnseal     = "open a sealed message on"
	opFeatures   = "public key operations of"
)

// Hint says what to do about the error, "" if nothing better than the error
// itself is known.
func (e *Error) Hint() string {
	var errno syscall.Errno
	if !errors.As(e.Err, &errno) {
		return ""
	}
	switch errno {
	case syscall.ENOENT, syscall.ENXIO:
		return "no driver offers this node: load one (`modprobe virtio_cryptodev` where there is a virtio-crypto device, `modprobe cryptodev` for cryptodev-linux), or name another node"
	case syscall.EACCES, syscall.EPERM:
		return "run as root, or join the group that `ls -l " + e.Path + "` shows and log in again"
	case syscall.ENOTTY:
		return "this is not a cryptodev node"
	case syscall.ENODEV:
		return "the device behind the node is gone; close the node and open it when the device is back"
	case syscall.EBUSY:
		return "the device behind the node is not ready: its host has not started it yet, or has taken it out of service"
	case syscall.EINVAL:
		if e.Op == opNewSession {
			return "the driver does not have this algorithm, or not with a key of this length"
		}
	case syscall.EBADMSG:
		return "the message, its tag or what was authenticated with it was changed, or the key is another"
	case syscall.EMSGSIZE:
		return "it is longer than what the driver does in one piece; cut it"
	}
	return ""
}

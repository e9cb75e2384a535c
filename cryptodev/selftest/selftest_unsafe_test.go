// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/abi"
	"vcrypto/cryptodev/cryptodevtest"
)

func run(t *testing.T, dev *cryptodev.Device, c cryptodev.Cipher, size int) (steps []string, err error) {
	err = Run(func() (*cryptodev.Device, error) { return dev, nil }, c, size, func(s Step) { steps = append(steps, s.Name) })
	return steps, err
}

func TestRun(t *testing.T) {
	for _, c := range []cryptodev.Cipher{cryptodev.AESCBC, cryptodev.AESCTR, cryptodev.AESECB} {
		var node cryptodevtest.Node
		steps, err := run(t, node.Open(t), c, 16384)
		if err != nil || len(steps) != 8 {
			t.Errorf("%s: %v after %q", c, err, steps)
		}
		if node.Requests() != 2 || node.Sessions() != 0 {
			t.Errorf("%s: %d requests, %d sessions left", c, node.Requests(), node.Sessions())
		}
	}
}

// TestWrongResult has nodes that are wrong in one way each.
func TestWrongResult(t *testing.T) {
	for name, tt := range map[string]struct {
		op   uint16
		step string
	}{
		"encrypt": {abi.OpEncrypt, "ciphertext"},
		"decrypt": {abi.OpDecrypt, "plaintext"},
	} {
		node := cryptodevtest.Node{Spoil: func(op *abi.CryptOp, result []byte) {
			if op.Op == tt.op {
				result[len(result)-1] ^= 1
			}
		}}
		_, err := run(t, node.Open(t), cryptodev.AESCBC, 4096)
		if err == nil || !strings.HasPrefix(err.Error(), tt.step) || !strings.Contains(err.Error(), "byte 4095") {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
}

// TestIdentity has a node that copies: decrypting gives the plaintext, only
// the comparison with the second implementation tells.
func TestIdentity(t *testing.T) {
	steps, err := run(t, cryptodev.New(copier{}, "copier"), cryptodev.AESCBC, 4096)
	if err == nil || !strings.HasPrefix(err.Error(), "ciphertext") {
		t.Errorf("%v after %q", err, steps)
	}
}

func TestFailedStep(t *testing.T) {
	node := cryptodevtest.Node{Fail: func(request uintptr) error {
		if request == abi.CIOCCRYPT {
			return syscall.EIO
		}
		return nil
	}}
	steps, err := run(t, node.Open(t), cryptodev.AESCBC, 16)
	if err == nil || !strings.HasPrefix(err.Error(), "encrypt: ") || node.Sessions() != 0 {
		t.Errorf("%v after %q, %d sessions left", err, steps, node.Sessions())
	}
}

// copier is a node whose cipher is to copy.
type copier struct{}

func (copier) Ioctl(request uintptr, arg unsafe.Pointer) error {
	if request == abi.CIOCCRYPT {
		op := (*abi.CryptOp)(arg)
		copy(unsafe.Slice((*byte)(op.Dst), op.Len), unsafe.Slice((*byte)(op.Src), op.Len))
	}
	return nil
}

func (copier) Close() error { return nil }

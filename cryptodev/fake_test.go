// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import (
	"errors"
	"syscall"
	"testing"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/abi"
	"vcrypto/cryptodev/cryptodevtest"
)

// What can only be seen from the node's side, or needs a node that fails.

func TestSessionsEnd(t *testing.T) {
	var node cryptodevtest.Node
	dev := node.Open(t)
	a := newSession(t, dev, cryptodev.AESCBC, random(16))
	newSession(t, dev, cryptodev.AESCTR, random(16))
	if n := node.Sessions(); n != 2 {
		t.Fatalf("%d sessions, want 2", n)
	}
	a.Close()
	if n := node.Sessions(); n != 1 {
		t.Errorf("%d sessions after Close, want 1", n)
	}
	dev.Close()
	if n := node.Sessions(); n != 0 {
		t.Errorf("%d sessions after the device's Close, want 0", n)
	}
}

func TestErrnoReachesCaller(t *testing.T) {
	var failing uintptr
	node := cryptodevtest.Node{Fail: func(request uintptr) error {
		if request == failing {
			return syscall.EIO
		}
		return nil
	}}
	dev := node.Open(t)
	s := newSession(t, dev, cryptodev.AESCBC, random(16))
	buf, iv := make([]byte, 16), make([]byte, 16)
	for request, call := range map[uintptr]func() error{
		abi.CIOCGSESSION: func() error {
			_, err := dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: buf})
			return err
		},
		abi.CIOCCRYPT:     func() error { return s.Encrypt(buf, buf, iv) },
		abi.CIOCGSESSINFO: func() error { _, err := s.Info(); return err },
		abi.CRIOGET:       func() error { _, err := dev.Clone(); return err },
	} {
		failing = request
		err := call()
		var e *cryptodev.Error
		if !errors.Is(err, syscall.EIO) || !errors.As(err, &e) || e.Path != dev.Path() {
			t.Errorf("request %#x: %v", request, err)
		}
	}
	failing = abi.CIOCFSESSION
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("end of session: %v", err)
	}
}

// TestCryptAllocatesNothing has a node that does nothing: what remains is this
// package's own work.
func TestCryptAllocatesNothing(t *testing.T) {
	dev := cryptodev.New(nothing{}, "nothing")
	s := newSession(t, dev, cryptodev.AESCBC, random(16))
	buf, iv := make([]byte, 4096), make([]byte, 16)
	if n := testing.AllocsPerRun(1000, func() {
		if err := s.Encrypt(buf, buf, iv); err != nil {
			t.Fatal(err)
		}
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations a request", n)
	}
}

// exampleDevice stands in for Open("") in examples.
func exampleDevice() *cryptodev.Device { return cryptodevtest.Example() }

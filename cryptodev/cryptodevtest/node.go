// SPDX-License-Identifier: Apache-2.0

// Package cryptodevtest has a cryptodev node made of Go, for tests of package
// cryptodev and of what is built on it, on machines without a real one.
//
// It answers the ioctls as cryptodev-linux 1.14 does, errno by errno, as far
// as ciphers go. Tests also ask [Open] for a device: that is the real node
// which the environment names, or else this one.
package cryptodevtest

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"vcrypto/cryptodev"
	"vcrypto/cryptodev/abi"
)

// Env is the environment variable that names a real node. Where it is set
// tests use that node, and fail if it does not work.
const Env = "VCRYPTO_TEST_DEVICE"

// EnvCiphers is the environment variable that lists, with commas, the ciphers
// that the node must have, by the names of Names. It is aes-cbc if not set: a
// node may lack the others, tests of those are skipped then.
const EnvCiphers = "VCRYPTO_TEST_CIPHERS"

// Names are the names of ciphers in EnvCiphers.
var Names = map[string]cryptodev.Cipher{
	"aes-cbc": cryptodev.AESCBC,
	"aes-ctr": cryptodev.AESCTR,
	"aes-ecb": cryptodev.AESECB,
}

// Required returns the ciphers that a device from Open must have.
func Required(t testing.TB) []cryptodev.Cipher {
	t.Helper()
	if os.Getenv(Env) == "" {
		return slices.Collect(maps.Values(Names))
	}
	var all []cryptodev.Cipher
	for name := range strings.SplitSeq(cmp.Or(os.Getenv(EnvCiphers), "aes-cbc"), ",") {
		c, ok := Names[name]
		if !ok {
			t.Fatalf("%s: %q is none of aes-cbc, aes-ctr and aes-ecb", EnvCiphers, name)
		}
		all = append(all, c)
	}
	return all
}

// Open returns a device for a test: a real node if the environment names one,
// otherwise one of this package's. The test closes it at its end.
func Open(t testing.TB) *cryptodev.Device {
	t.Helper()
	path := os.Getenv(Env)
	if path == "" {
		return new(Node).Open(t)
	}
	d, err := cryptodev.Open(path)
	if err != nil {
		t.Fatalf("%s names a node that does not work: %v", Env, err)
	}
	closeAtEnd(t, d)
	return d
}

func closeAtEnd(t testing.TB, d *cryptodev.Device) {
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
}

// Node is a node. The zero Node is ready; set the fields before it is opened.
type Node struct {
	// Ciphers it has, nil for all of package cryptodev's and AES-GCM.
	Ciphers []cryptodev.Cipher
	// KeySizes it takes, nil for those of AES.
	KeySizes []int
	// MaxLen is the most bytes it takes in a request, 0 for no limit. More is
	// refused with ENOMEM.
	MaxLen uint32
	// Fail, if not nil, is asked before each call; its error is the answer.
	Fail func(request uintptr) error
	// Spoil, if not nil, may change the result of a request.
	Spoil func(op *abi.CryptOp, result []byte)

	mu       sync.Mutex
	sessions int
	requests int
}

// Open opens the node. The test closes the device at its end.
func (n *Node) Open(t testing.TB) *cryptodev.Device {
	d := cryptodev.New(&file{node: n, sessions: map[uint32]*session{}}, "fake:/dev/crypto")
	closeAtEnd(t, d)
	return d
}

// Sessions returns the number of sessions that are open.
func (n *Node) Sessions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sessions
}

// Requests returns the number of CIOCCRYPT calls so far.
func (n *Node) Requests() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.requests
}

func (n *Node) count(sessions, requests int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sessions += sessions
	n.requests += requests
}

func (n *Node) takes(cipher uint32, keyLen uint32) bool {
	ciphers, keySizes := n.Ciphers, n.KeySizes
	if ciphers == nil {
		ciphers = []cryptodev.Cipher{abi.CipherAESCBC, abi.CipherAESCTR, abi.CipherAESECB, abi.CipherAESGCM}
	}
	if keySizes == nil {
		keySizes = []int{16, 24, 32}
	}
	return slices.Contains(ciphers, cryptodev.Cipher(cipher)) && slices.Contains(keySizes, int(keyLen))
}

// SPDX-License-Identifier: Apache-2.0

// Package cryptodevtest has a cryptodev node made of Go, for tests of package
// cryptodev and of what is built on it, on machines without a real one.
//
// It answers the ioctls as cryptodev-linux 1.14 does, errno by errno: it is
// package node for callers in the same process. Tests also ask [Open] for a
// device: that is the real node which the environment names, or else this one.
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
	"vcrypto/cryptodev/node"
	"vcrypto/engine/gocrypto"
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
	"aes-gcm": cryptodev.AESGCM,
	"aes-ccm": cryptodev.AESCCM,
}

// Required returns the ciphers that a device from Open must have, but AEADs.
func Required(t testing.TB) []cryptodev.Cipher {
	t.Helper()
	if os.Getenv(Env) == "" {
		return slices.DeleteFunc(slices.Collect(maps.Values(Names)), cryptodev.Cipher.AEAD)
	}
	var all []cryptodev.Cipher
	for name := range strings.SplitSeq(cmp.Or(os.Getenv(EnvCiphers), "aes-cbc"), ",") {
		c, ok := Names[name]
		if !ok {
			t.Fatalf("%s: %q is none of aes-cbc, aes-ctr, aes-ecb, aes-gcm and aes-ccm", EnvCiphers, name)
		}
		if !c.AEAD() {
			all = append(all, c)
		}
	}
	return all
}

// MustHave reports whether a device from Open must have sessions of a kind. A
// real node must have the hashes that its kernel has at least, and the ciphers
// of Required; this package's all but CCM, which Go's library lacks.
func MustHave(p cryptodev.SessionParams) bool {
	if os.Getenv(Env) == "" {
		return p.Cipher != cryptodev.AESCCM
	}
	if p.Cipher == 0 {
		return true
	}
	for name := range strings.SplitSeq(cmp.Or(os.Getenv(EnvCiphers), "aes-cbc"), ",") {
		if Names[name] == p.Cipher {
			return true
		}
	}
	return false
}

// Example returns a device of this package's for an example.
func Example() *cryptodev.Device {
	d, _ := new(Node).open()
	return d
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
	// Ciphers it has, nil for all of package cryptodev's.
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
	sessions map[*file]int
	requests int
}

// room is how many asynchronous requests a file holds: as few as make a test
// see it.
const room = 8

// Open opens the node. The test closes the device at its end.
func (n *Node) Open(t testing.TB) *cryptodev.Device {
	d, f := n.open()
	t.Cleanup(func() { f.Close() })
	closeAtEnd(t, d)
	return d
}

func (n *Node) open() (*cryptodev.Device, *node.Node) {
	f := node.New(node.Options{
		Engine: gocrypto.New(), Driver: "fake", InfoFlags: abi.InfoKernelDriverOnly, MaxAsync: room,
	})
	return cryptodev.New(&file{node: n, file: f.Open(nil)}, "fake:/dev/crypto"), f
}

// Sessions returns the number of sessions that are open.
func (n *Node) Sessions() (all int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, open := range n.sessions {
		all += open
	}
	return all
}

// sessionsOf notes how many a file has.
func (n *Node) sessionsOf(f *file) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sessions == nil {
		n.sessions = make(map[*file]int)
	}
	n.sessions[f] = f.file.Sessions()
}

// Requests returns the number of CIOCCRYPT and CIOCASYNCCRYPT calls so far.
func (n *Node) Requests() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.requests
}

func (n *Node) counted() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests++
}

// takes says whether the node has a cipher with keys of a length.
func (n *Node) takes(cipher uint32, keyLen uint32) bool {
	return (n.Ciphers == nil || slices.Contains(n.Ciphers, cryptodev.Cipher(cipher))) &&
		(n.KeySizes == nil || slices.Contains(n.KeySizes, int(keyLen)))
}

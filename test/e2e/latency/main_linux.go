// SPDX-License-Identifier: Apache-2.0

// Program latency runs in a guest and measures how long one request takes on each
// of several cryptodev nodes: latency NODE... It takes turns among the nodes, so
// that what else the machine does falls on all of them, and prints a line of JSON
// for each node and size, and for making and ending a session.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"vcrypto/cryptodev"
)

const (
	rounds   = 12
	requests = 100 // a node, size and round
	sessions = 10  // a node and round
	keySize  = 16
)

var sizes = []int{64, 1024, 16384}

// Line is what is printed: times in microseconds.
type Line struct {
	Node string
	Size int // bytes; 0: a session, made and ended
	N    int
	P50  float64
	P90  float64
	P99  float64
}

// node is one of those measured.
type node struct {
	path    string
	dev     *cryptodev.Device
	session *cryptodev.Session
	times   map[int][]time.Duration
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

func run(paths []string) error {
	key, iv := bytes.Repeat([]byte{7}, keySize), make([]byte, aes.BlockSize)
	var nodes []*node
	for _, path := range paths {
		dev, err := cryptodev.Open(path)
		if err != nil {
			return err
		}
		defer dev.Close()
		s, err := dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: key})
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		nodes = append(nodes, &node{path, dev, s, make(map[int][]time.Duration)})
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	for round := range rounds + 1 {
		for _, n := range nodes {
			for _, size := range sizes {
				src, dst := bytes.Repeat([]byte{byte(round)}, size), make([]byte, size)
				for range requests {
					start := time.Now()
					if err := n.session.Encrypt(dst, src, iv); err != nil {
						return fmt.Errorf("%s: %w", n.path, err)
					}
					n.note(round, size, time.Since(start))
				}
				want := make([]byte, size)
				cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, src)
				if !bytes.Equal(dst, want) {
					return fmt.Errorf("%s: %d bytes came back wrong", n.path, size)
				}
			}
			for range sessions {
				start := time.Now()
				s, err := n.dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: key})
				if err != nil {
					return fmt.Errorf("%s: %w", n.path, err)
				}
				if err := s.Close(); err != nil {
					return fmt.Errorf("%s: %w", n.path, err)
				}
				n.note(round, 0, time.Since(start))
			}
		}
	}
	out := json.NewEncoder(os.Stdout)
	for _, n := range nodes {
		for _, size := range append([]int{0}, sizes...) {
			t := n.times[size]
			slices.Sort(t)
			at := func(percent int) float64 { return float64(t[len(t)*percent/100].Nanoseconds()) / 1000 }
			if err := out.Encode(Line{n.path, size, len(t), at(50), at(90), at(99)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// note takes a time down; those of the first round are of things that are new.
func (n *node) note(round, size int, d time.Duration) {
	if round > 0 {
		n.times[size] = append(n.times[size], d)
	}
}

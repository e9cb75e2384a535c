// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"vcrypto/cryptodev"
)

func Example() {
	dev, err := cryptodev.Open("") // /dev/crypto
	if err != nil {
		fmt.Println(err) // what is missing, and how to get it
		return
	}
	defer dev.Close()
	s, err := dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCBC, Key: make([]byte, 16)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	text, iv := make([]byte, 4096), make([]byte, 16)
	if err := s.Encrypt(text, text, iv); err != nil {
		fmt.Println(err)
	}
}

// A message that is authenticated goes out with its tag behind it.
func ExampleSession_Seal() {
	dev := exampleDevice()
	defer dev.Close()
	s, err := dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESGCM, Key: make([]byte, 16)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	nonce, header, text := make([]byte, 12), []byte("to: all"), []byte("hello")
	sealed := make([]byte, len(text)+cryptodev.MaxTag)
	if err := s.Seal(sealed, text, nonce, header); err != nil {
		fmt.Println(err)
		return
	}
	opened := make([]byte, len(text))
	if err := s.Open(opened, sealed, nonce, header); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", opened)
	sealed[0] ^= 1
	fmt.Println(errors.Is(s.Open(opened, sealed, nonce, header), syscall.EBADMSG))
	// Output:
	// hello
	// true
}

func ExampleSession_Sum() {
	dev := exampleDevice()
	defer dev.Close()
	s, err := dev.NewSession(cryptodev.SessionParams{Hash: cryptodev.SHA256})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	sum := make([]byte, s.Hash().Size())
	if err := s.Sum(sum, []byte("abc")); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%x\n", sum)
	// Output: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
}

// A message that comes in parts is an io.Writer.
func ExampleMessage() {
	dev := exampleDevice()
	defer dev.Close()
	s, err := dev.NewSession(cryptodev.SessionParams{Hash: cryptodev.HMACSHA1, HashKey: []byte("key")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	m, err := s.Message()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := io.Copy(m, strings.NewReader("The quick brown fox jumps over the lazy dog")); err != nil {
		fmt.Println(err)
		return
	}
	sum := make([]byte, s.Hash().Size())
	if err := m.Sum(sum); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%x\n", sum)
	// Output: de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9
}

// Many requests are under way at once; they come back as they are done.
func ExampleSession_Submit() {
	dev := exampleDevice()
	defer dev.Close()
	s, err := dev.NewSession(cryptodev.SessionParams{Cipher: cryptodev.AESCTR, Key: make([]byte, 16)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for i := range 4 {
		text := bytes.Repeat([]byte{byte(i)}, 1000)
		r := &cryptodev.Request{Dst: text, Src: text, IV: make([]byte, 16), Owner: i}
		if err := s.Submit(r); err != nil {
			fmt.Println(err)
			return
		}
	}
	sum := 0
	for range 4 {
		r, err := dev.Fetch(true)
		if err != nil || r.Err != nil {
			fmt.Println(err, r)
			return
		}
		sum += r.Owner.(int)
	}
	fmt.Println(sum)
	// Output: 6
}

// TLS records are made and opened in place.
func ExampleSession_SealRecord() {
	dev := exampleDevice()
	defer dev.Close()
	s, err := dev.NewSession(cryptodev.SessionParams{
		Cipher: cryptodev.AESCBC, Key: make([]byte, 16),
		Hash: cryptodev.HMACSHA1, HashKey: make([]byte, 20),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	header, iv := make([]byte, 13), make([]byte, 16)
	record := make([]byte, s.RecordSize(5))
	n, err := s.SealRecord(record, copy(record, "hello"), header, iv)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := s.OpenRecord(record[:n], header, iv)
	fmt.Printf("%d bytes, %q %v\n", n, record[:text], err)
	// Output: 32 bytes, "hello" <nil>
}

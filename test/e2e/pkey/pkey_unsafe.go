// SPDX-License-Identifier: Apache-2.0

// Program pkey runs in a guest and has its kernel do RSA: it adds a private key to
// the kernel's keyring, as keyctl(1) would, has it encrypt, decrypt and sign, raw
// and with PKCS #1 padding, and compares with Go's own RSA. Which driver did it
// /proc/crypto tells: the pkcs1pad and pkcs1 templates name the one they are on.
package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of keyctl(2), from the kernel's include/uapi/linux/keyctl.h.
const (
	keyctlEncrypt = 25
	keyctlDecrypt = 26
	keyctlSign    = 27
	keyctlVerify  = 28
)

// keyBits is a key that the kernel and the device take, and emulation bears.
const keyBits = 2048

// params is struct keyctl_pkey_params.
type params struct {
	key    int32
	inLen  uint32
	outLen uint32 // of verify: of the second input
	spare  [7]uint32
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pkey:", err)
		os.Exit(1)
	}
	fmt.Println("RSA raw and PKCS #1 agree with Go")
}

func run() error {
	// The keyring belongs to the thread that made it.
	runtime.LockOSThread()
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	id, err := unix.AddKey("asymmetric", "pkey", der, unix.KEY_SPEC_PROCESS_KEYRING)
	if err != nil {
		return fmt.Errorf("adding a private key to the kernel (is pkcs8_key_parser loaded?): %w", err)
	}
	k := kernelKey{int32(id), key.Size()}
	return errors.Join(raw(k, key), tooLarge(k, key), padded(k, key), signed(k, key))
}

// raw is the number itself: m^e, and back.
func raw(k kernelKey, key *rsa.PrivateKey) error {
	m := make([]byte, key.Size())
	rand.Read(m[1:]) // smaller than the modulus
	c, err := k.call(keyctlEncrypt, "enc=raw", m)
	if err != nil {
		return fmt.Errorf("raw encryption: %w", err)
	}
	want := new(big.Int).Exp(new(big.Int).SetBytes(m), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
	if !bytes.Equal(c, want) {
		return fmt.Errorf("raw encryption gave %x, want %x", c, want)
	}
	back, err := k.call(keyctlDecrypt, "enc=raw", c)
	if err != nil {
		return fmt.Errorf("raw decryption: %w", err)
	}
	if new(big.Int).SetBytes(back).Cmp(new(big.Int).SetBytes(m)) != 0 {
		return fmt.Errorf("raw decryption gave %x, want %x", back, m)
	}
	return nil
}

// tooLarge is a number that is not below the modulus: EINVAL from the kernel's own
// code, and so from everybody's.
func tooLarge(k kernelKey, key *rsa.PrivateKey) error {
	n := key.N.FillBytes(make([]byte, key.Size()))
	for _, m := range [][]byte{n, bytes.Repeat([]byte{0xff}, key.Size())} {
		for _, op := range []uintptr{keyctlEncrypt, keyctlDecrypt} {
			if _, err := k.call(op, "enc=raw", m); !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("operation %d on a number not below the modulus: %w, want EINVAL", op, err)
			}
		}
	}
	return nil
}

// padded is PKCS #1 v1.5 encryption, crosswise with Go's.
func padded(k kernelKey, key *rsa.PrivateKey) error {
	text := []byte("a session key, for example")
	c, err := k.call(keyctlEncrypt, "enc=pkcs1", text)
	if err != nil {
		return fmt.Errorf("PKCS #1 encryption: %w", err)
	}
	//lint:ignore SA1019 it is what the kernel does
	if got, err := rsa.DecryptPKCS1v15(nil, key, c); err != nil || !bytes.Equal(got, text) {
		return fmt.Errorf("what the kernel encrypted with PKCS #1 is %q to Go: %w", got, err)
	}
	//lint:ignore SA1019 it is what the kernel undoes
	if c, err = rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, text); err != nil {
		return err
	}
	got, err := k.call(keyctlDecrypt, "enc=pkcs1", c)
	if err != nil || !bytes.Equal(got, text) {
		return fmt.Errorf("PKCS #1 decryption gave %q, want %q: %w", got, text, err)
	}
	return nil
}

// signed is PKCS #1 v1.5 signatures, and one that is wrong.
func signed(k kernelKey, key *rsa.PrivateKey) error {
	const how = "enc=pkcs1 hash=sha256"
	digest := sha256.Sum256([]byte("what is signed"))
	sig, err := k.call(keyctlSign, how, digest[:])
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], sig); err != nil {
		return fmt.Errorf("to Go it is wrong, what the kernel signed: %w", err)
	}
	if err := k.verify(how, digest[:], sig); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	sig[len(sig)-1] ^= 1
	if err := k.verify(how, digest[:], sig); !errors.Is(err, unix.EKEYREJECTED) && !errors.Is(err, unix.EBADMSG) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("a wrong signature: %w", err)
	}
	return nil
}

// kernelKey is a key of the kernel's keyring.
type kernelKey struct {
	id   int32
	size int // of the modulus, in bytes
}

// call has the kernel do an operation with one input and one output.
func (k kernelKey) call(op uintptr, how string, in []byte) ([]byte, error) {
	out := make([]byte, k.size)
	n, err := k.keyctl(op, how, in, out)
	if err != nil {
		return nil, err
	}
	return out[:n], nil
}

func (k kernelKey) verify(how string, digest, sig []byte) error {
	_, err := k.keyctl(keyctlVerify, how, digest, sig)
	return err
}

func (k kernelKey) keyctl(op uintptr, how string, a, b []byte) (int, error) {
	p := params{key: k.id, inLen: uint32(len(a)), outLen: uint32(len(b))}
	info, err := unix.BytePtrFromString(how)
	if err != nil {
		return 0, err
	}
	n, _, errno := unix.Syscall6(unix.SYS_KEYCTL, op, uintptr(unsafe.Pointer(&p)), uintptr(unsafe.Pointer(info)),
		uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0])), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("keyctl", errno)
	}
	return int(n), nil
}

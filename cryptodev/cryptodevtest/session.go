// SPDX-License-Identifier: Apache-2.0

package cryptodevtest

import (
	"crypto/aes"
	"crypto/cipher"
	"sync"

	"vcrypto/cryptodev/abi"
)

// session does its requests one after the other, as cryptodev-linux's do.
type session struct {
	cipher uint32
	block  cipher.Block

	mu sync.Mutex
	iv [aes.BlockSize]byte // of the next request, unless it brings its own
}

func (s *session) blockSize() int {
	if s.cipher == abi.CipherAESCTR {
		return 1
	}
	return aes.BlockSize
}

func (s *session) ivSize() int {
	if s.cipher == abi.CipherAESECB {
		return 0
	}
	return aes.BlockSize
}

// crypt does a request in place and leaves the IV that would continue it.
func (s *session) crypt(data []byte, decrypt bool) {
	if len(data) == 0 {
		return
	}
	switch s.cipher {
	case abi.CipherAESCTR:
		cipher.NewCTR(s.block, s.iv[:]).XORKeyStream(data, data)
		s.addToCounter((len(data) + aes.BlockSize - 1) / aes.BlockSize)
	case abi.CipherAESCBC:
		last := data[len(data)-aes.BlockSize:]
		if decrypt {
			next := [aes.BlockSize]byte(last)
			cipher.NewCBCDecrypter(s.block, s.iv[:]).CryptBlocks(data, data)
			s.iv = next
		} else {
			cipher.NewCBCEncrypter(s.block, s.iv[:]).CryptBlocks(data, data)
			s.iv = [aes.BlockSize]byte(last)
		}
	default:
		one := s.block.Encrypt
		if decrypt {
			one = s.block.Decrypt
		}
		for ; len(data) > 0; data = data[aes.BlockSize:] {
			one(data, data)
		}
	}
}

// addToCounter adds to the IV as a big-endian number.
func (s *session) addToCounter(n int) {
	for i := len(s.iv) - 1; i >= 0 && n > 0; i-- {
		n += int(s.iv[i])
		s.iv[i] = byte(n)
		n >>= 8
	}
}

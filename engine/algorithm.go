// SPDX-License-Identifier: Apache-2.0

package engine

import "fmt"

// Algorithm names an algorithm and its mode, without the key's length.
type Algorithm uint16

const (
	AESECB Algorithm = iota + 1 // NIST SP 800-38A section 6.1
	AESCBC                      // NIST SP 800-38A section 6.2
	AESCTR                      // NIST SP 800-38A section 6.5, a 128-bit counter

	endAlgorithms
)

// algorithmInfo is what the rest of the program must know of an algorithm.
type algorithmInfo struct {
	name     string
	keySizes []int // bytes
	ivSize   int   // bytes
	block    int   // lengths are a multiple of this, in bytes
}

var aesKeySizes = []int{16, 24, 32} // FIPS 197 section 6.1

const aesBlock = 16 // FIPS 197: bytes

var algorithms = [endAlgorithms]algorithmInfo{
	AESECB: {"aes-ecb", aesKeySizes, 0, aesBlock},
	AESCBC: {"aes-cbc", aesKeySizes, aesBlock, aesBlock},
	AESCTR: {"aes-ctr", aesKeySizes, aesBlock, 1},
}

// Valid reports whether a is one of the constants above.
func (a Algorithm) Valid() bool { return a > 0 && a < endAlgorithms }

// String returns the name used on the command line and in configuration,
// such as "aes-cbc".
func (a Algorithm) String() string {
	if !a.Valid() {
		return fmt.Sprintf("algorithm(%d)", uint16(a))
	}
	return algorithms[a].name
}

// KeySizes returns the key lengths the algorithm is defined for, in bytes.
// The slice is shared; do not change it.
func (a Algorithm) KeySizes() []int {
	if !a.Valid() {
		return nil
	}
	return algorithms[a].keySizes
}

// IVSize returns the length of the IV or counter block in bytes, 0 where
// there is none.
func (a Algorithm) IVSize() int {
	if !a.Valid() {
		return 0
	}
	return algorithms[a].ivSize
}

// BlockSize returns the number of bytes that lengths are a multiple of; 1 for
// stream ciphers.
func (a Algorithm) BlockSize() int {
	if !a.Valid() {
		return 1
	}
	return algorithms[a].block
}

// ParseAlgorithm finds an algorithm by its name.
func ParseAlgorithm(name string) (Algorithm, error) {
	for a := Algorithm(1); a < endAlgorithms; a++ {
		if algorithms[a].name == name {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown algorithm %q: `vcrypto engines` lists them", name)
}

// Algorithms returns all algorithms in order.
func Algorithms() []Algorithm {
	all := make([]Algorithm, 0, endAlgorithms-1)
	for a := Algorithm(1); a < endAlgorithms; a++ {
		all = append(all, a)
	}
	return all
}

// SPDX-License-Identifier: Apache-2.0

// Package vectors has published test vectors for what engines do: those of
// Project Wycheproof, which are made of the mistakes that implementations make,
// and those of NIST's validation program. It is for tests. testdata/README.md
// says where the files come from.
package vectors

import (
	"embed"
	"fmt"
	"slices"

	"vcrypto/engine"
)

//go:embed testdata/wycheproof/*.json.gz testdata/nist.zip
var files embed.FS

// Vector is a published answer, or a question that must not be answered well.
type Vector struct {
	// Name is the file's and, behind it, the vector's.
	Name string

	// Params are of the session. A Direction of 0 stands for both, of ciphers
	// and AEADs.
	Params engine.Params

	// Op is what a public-key session does.
	Op engine.Op

	// In and Out are plaintext and ciphertext, message and digest or MAC, or
	// source and result of a public-key operation. Of OpVerify, In is the
	// signature and AAD what was signed.
	IV, AAD, In, Out, Tag []byte

	// Skip is the length of the beginning of the result of which nothing is
	// published.
	Skip int

	// Invalid: it must be refused, or not be what is computed.
	Invalid bool
	// Unclear: implementations may differ, as where a standard does.
	Unclear bool
}

// File is a file of vectors.
type File struct {
	Name    string
	Vectors []Vector
	// Left are vectors that are not in Vectors, by why: no request can carry
	// them, such as of bits that are no whole bytes.
	Left map[string]int
}

// leave counts a vector that is left out.
func (f *File) leave(why string) {
	if f.Left == nil {
		f.Left = make(map[string]int)
	}
	f.Left[why]++
}

// add adds a vector.
func (f *File) add(name any, v Vector) {
	v.Name = fmt.Sprintf("%s %v", f.Name, name)
	f.Vectors = append(f.Vectors, v)
}

// Files reads all files, in order of their names.
func Files() ([]File, error) {
	all, err := readWycheproof()
	if err != nil {
		return nil, fmt.Errorf("vectors of Wycheproof: %w", err)
	}
	nist, err := readNIST()
	if err != nil {
		return nil, fmt.Errorf("vectors of NIST: %w", err)
	}
	return slices.Concat(nist, all), nil
}

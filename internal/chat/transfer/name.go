// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"strings"
	"unicode"

	"vcrypto/internal/chat/safetext"
)

// FileName makes the name of a file out of what somebody calls it: no folders,
// nothing hidden, nothing that a shell or terminal takes for something else.
func FileName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-+=@ ", r) {
			return r
		}
		return '_'
	}, safetext.Line(s))
	s = strings.Trim(strings.TrimLeft(s, ".-_ "), " ")
	const most = 120 // bytes; file systems take 255
	for len(s) > most {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	if s == "" {
		return "file"
	}
	return s
}

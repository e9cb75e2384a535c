// SPDX-License-Identifier: Apache-2.0

package safetext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxName is the longest nick, and the longest name of a room without its #,
// in characters.
const MaxName = 32

// maxNameInput is how much of what came is looked at, in bytes.
const maxNameInput = 1024

// maxNameMarks is how many combining characters a letter of a name keeps:
// those that have no form of their own together with it.
const maxNameMarks = 2

// namePunctuation is what a name may have beside letters, digits and
// pictures. None of it begins a command or a room, ends a word, or stands
// between names.
const namePunctuation = "_-.|[]{}^~"

// Nick returns s as a name to call somebody by: in Unicode's form NFKC, of
// letters, digits, pictures and _-.|[]{}^~ only, with _ for spaces, at most
// MaxName characters. "" says that nothing is left. Nick of a Nick is the
// same.
func Nick(s string) string { return settle(s, cleanName) }

// Room returns s as a room's name: # and a name as Nick gives it, folded as
// Fold does it. "" says that nothing is left.
func Room(s string) string {
	s = Fold(strings.TrimLeft(strings.TrimSpace(s), "#"))
	if s == "" {
		return ""
	}
	return "#" + s
}

// Fold returns a nick in the one form that all ways to write it have: two
// nicks are the same if their Folds are equal. It is for comparing, not for
// showing.
func Fold(s string) string {
	return settle(s, func(s string) string { return cleanName(cases.Fold().String(s)) })
}

// settle applies f until nothing changes: to leave something out may bring
// together what has a form of its own.
func settle(s string, f func(string) string) string {
	if len(s) > maxNameInput {
		s = s[:maxNameInput]
	}
	for range 8 {
		next := f(s)
		if next == s {
			return s
		}
		s = next
	}
	return "" // nobody's name does that
}

// cleanName is one step of Nick.
func cleanName(s string) string {
	var b strings.Builder
	runes, marks, substance := 0, 0, false
	for _, r := range norm.NFKC.String(strings.TrimSpace(strings.ToValidUTF8(s, ""))) {
		switch {
		case unicode.IsSpace(r):
			r = '_'
			marks = 0
		case hidden(r) || unicode.Is(unicode.Variation_Selector, r):
			continue
		case unicode.Is(unicode.M, r):
			marks++
			if runes == 0 || marks > maxNameMarks {
				continue
			}
		case unicode.In(r, unicode.L, unicode.N) || unicode.Is(unicode.So, r) && r > unicode.MaxLatin1:
			substance = true
			marks = 0
		case r < utf8.RuneSelf && strings.ContainsRune(namePunctuation, r):
			marks = 0
		default:
			continue
		}
		if runes == MaxName {
			break
		}
		runes++
		b.WriteRune(r)
	}
	if !substance {
		return ""
	}
	return boundClusters(b.String(), "")
}

// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"os"
	"path/filepath"
	"strings"
)

// maxFiles bounds how many names are offered.
const maxFiles = 100

// Files returns the files and folders whose paths begin with word, folders
// with a slash at the end: as Command.Complete does.
func Files(word string) []string {
	folder, begin := filepath.Split(word)
	entries, err := os.ReadDir(filepath.Clean(folder)) // of nothing is .
	if err != nil {
		return nil // nothing begins like that
	}
	var found []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, begin) || begin == "" && strings.HasPrefix(name, ".") || strings.Contains(name, " ") {
			continue // a space would end the argument
		}
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.IsDir() {
			name += "/"
		}
		if found = append(found, folder+name); len(found) == maxFiles {
			break
		}
	}
	return found
}

// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// Result is what was seen of a row, or of a case beside the plan.
type Result struct {
	Row
	Case    string    `json:"case,omitempty"` // what it is beside the plan, in words
	QEMU    string    `json:"qemu_version"`   // in full
	Kernel  string    `json:"kernel_version"` // in full
	Accel   string    `json:"accelerator"`    // tcg or kvm
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"`
	Checks  []Check   `json:"checks"`
}

// Check is one thing that was tried in the VM.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Saw  string `json:"saw"` // what was seen, or why it was not tried
	// Skipped: there is nothing to try on this row.
	Skipped bool `json:"skipped,omitempty"`
}

// OK says whether all went well.
func (r Result) OK() bool {
	for _, c := range r.Checks {
		if !c.OK && !c.Skipped {
			return false
		}
	}
	return len(r.Checks) > 0
}

// Append adds a result to a file of lines.
func Append(path string, r Result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding a result: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("writing a result: %w", err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing a result: %w", err)
	}
	return f.Close()
}

// maxLine bounds a line of results, in bytes.
const maxLine = 1 << 20

// Read reads results. Of a row or case that is there several times the last counts.
func Read(in io.Reader) (all []Result, err error) {
	type key struct {
		Row
		Case string
	}
	at := make(map[key]int)
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		var r Result
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("reading results: line %q: %w", s.Text(), err)
		}
		k := key{r.Row, r.Case}
		if i, ok := at[k]; ok {
			all[i] = r
			continue
		}
		at[k] = len(all)
		all = append(all, r)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	return all, nil
}
